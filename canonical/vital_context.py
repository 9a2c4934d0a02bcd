"""What a nurse reads beside a vital sign: the last three of the same kind. No trend is computed."""

from __future__ import annotations

from collections.abc import Sequence

from canonical.concepts import codes
from canonical.entry_words import Entry, latest_first
from canonical.medication_context import measurement
from canonical.review_context import ContextWanted, Subject

_MEASURED = ("effectiveDateTime", "effectivePeriod", "issued")
_HOW_MANY = 3


def _last_three(subject: Subject, entries: Sequence[Entry]) -> tuple[str, ...]:
    of = codes(_code_of(subject, entries))
    same = [
        item
        for item in entries
        if codes(item.get("code")) & of
        and item.get("status") != "entered-in-error"
        and item.get("reference") != subject.reference
    ]
    return tuple(measurement(item, subject) for item in latest_first(same, _MEASURED)[:_HOW_MANY])


def _code_of(subject: Subject, entries: Sequence[Entry]) -> object:
    """Return what was measured: as the command says, else (a retraction need not) as its target does."""
    said = subject.envelope.action.as_json().get("code")
    target = (item.get("code") for item in entries if item.get("reference") == subject.reference)
    return said or next(target, None)


CONTEXT = (ContextWanted(resource_type="Observation", title="The last three of the same kind", select=_last_three),)
