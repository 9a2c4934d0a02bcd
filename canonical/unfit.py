"""Why a command fits nowhere in the balance, as people say it. Which those are is found out in the store."""

from __future__ import annotations

from types import MappingProxyType

#: Reason → words.
UNFIT_WORDS = MappingProxyType(
    {
        "no-receipt-event": "no event tells that it was received",
        "state-without-event": "no event tells how it came to be where it is",
        "left-at-the-door": "it was received and never went on",
        "in-chart-without-proof": "it counts as in the chart, and not every part of it was proven there",
        "ended-but-in-chart": "it counts as not written, and a part of it is in the chart",
        "nobody-is-asked": "it waits for a person, and no case asks one",
        "taken-back-but-stands": "it counts as taken back, and a part of it is in the chart",
        "nobody-takes-it-back": "it is being taken back, and no command does it",
        "in-flight-too-long": "it has been on its way for more than a day",
        "due-too-long": "it has been due for more than a day, and nothing is in its way",
        "no-command": "there are events of it, and no command",
    }
)
