"""Whether a write tells the chart, in a Provenance of its own, who and what made it, as a connection asks. Not its content."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from canonical.envelope import Envelope

#: The FHIR type; no action writes one as its content.
PROVENANCE = "Provenance"
#: Option of a connection.
OPTION = "provenance"


class Asked(StrEnum):
    """Of which writes a connection wants a Provenance in the chart."""

    #: Of none: who and what made a write stays in our own record.
    NONE = "none"
    #: Of what a model wrote: whoever reads the chart must see that, and no other element of the entry says it.
    AI = "ai"
    #: Of every write.
    ALL = "all"


#: It holds wherever the adapter knows how a Provenance is taken.
ASKED_DEFAULT = Asked.AI


def check_asked(options: Mapping[str, Any]) -> None:
    """Pass only options that ask for something there is; raises ``ValueError`` naming what there is."""
    if options.get(OPTION, ASKED_DEFAULT) not in set(Asked):
        raise ValueError(f"{OPTION}: one of {', '.join(Asked)}")


def asked(options: Mapping[str, Any], *, is_confirmed: bool) -> Asked:
    """Return what a connection with ``options`` asks for; raises ``ValueError`` for what there is not.

    ``is_confirmed``: what the EHR keeps of a Provenance is known; where it is not, none is sent unasked.
    """
    return Asked(options.get(OPTION, ASKED_DEFAULT if is_confirmed else Asked.NONE))


def is_wanted(envelope: Envelope, wanted: Asked) -> bool:
    """Whether a connection that asks for ``wanted`` wants a Provenance of ``envelope``."""
    return wanted is Asked.ALL or (wanted is Asked.AI and envelope.ai is not None)


def model_words(envelope: Envelope) -> str:
    """Return the model that wrote the content, with its version where it is stated; empty where a person wrote it."""
    ai = envelope.ai
    return " ".join(part for part in (ai.model, ai.version) if part) if ai is not None else ""


def chart_will_say(envelope: Envelope, *, is_taken: bool) -> str:
    """Return in a sentence what the chart will say of the model that wrote ``envelope``; empty where none did.

    ``is_taken``: the connection's EHR takes a Provenance, and the connection asks for it.
    """
    model = model_words(envelope)
    if not model:
        return ""
    if is_taken:
        return f"names the model {model} as its source, and whoever approves it, in a Provenance beside the entry"
    return "does not say it: this connection takes no Provenance. It stays in our own record"
