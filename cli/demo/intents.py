"""What the apps of the demonstration mean to do, and how each must end; nothing is sent here."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any


class Kind(StrEnum):
    """What an action of the demonstration is there to show."""

    #: A reading of the patient's own, taken again.
    RECORDED = "recorded"
    #: Sent twice under one key.
    DUPLICATED = "duplicated"
    #: Sent by several threads at once under one key.
    RACING = "racing"
    #: Enqueued straight to Celery, signed by its app.
    QUEUED = "queued"
    #: Cannot be: refused.
    IMPOSSIBLE = "impossible"
    #: Unusual and unconfirmed: refused at once.
    UNCONFIRMED = "unconfirmed"
    #: The same, confirmed by its author.
    CONFIRMED = "confirmed"
    #: Made on a version that a clinician has changed meanwhile.
    MOVED = "moved"
    #: Its second identifier belongs to somebody else.
    WRONG_PATIENT = "wrong patient"
    #: A medicine newly documented.
    STARTED = "started"
    #: The same, of a medicine that is active on the patient's list already.
    STARTED_AGAIN = "started again"
    #: A change to an entry of the medication list, on the version its author saw.
    DOSE_CHANGED = "dose changed"
    STOPPED = "stopped"
    HELD = "held"
    #: Would change a prescriber's order.
    ORDER = "prescriber's order"
    #: Written by a model: a person must approve it first.
    BY_MODEL = "written by a model"
    #: Its answer is lost, and its consent is revoked before anybody knows how it ended.
    IN_FLIGHT = "in flight at revocation"
    #: Waits when its consent is revoked.
    REVOKED = "consent revoked"
    #: Corrects an earlier reading of ours.
    CORRECTED = "corrected"
    #: Takes an earlier reading of ours back.
    RETRACTED = "retracted"


#: Sent only after what came before has ended: they name its results.
SECOND = frozenset({Kind.CONFIRMED, Kind.CORRECTED, Kind.RETRACTED})
#: Sent one after the other, each when the one before is where it should be.
STAGED = frozenset({Kind.IN_FLIGHT, Kind.REVOKED})


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How an action may end: refused with `code`, or accepted and then with this public status and reason.

    `reason` None: whatever reason comes with the status.
    """

    code: str | None = None
    status: str = ""
    reason: str | None = None


IN_CHART = Ending(status="inChart")
TAKEN_BACK = Ending(status="takenBack")

#: What is not named here must be in the chart.
ENDINGS: Mapping[Kind, Ending] = MappingProxyType(
    {
        Kind.IMPOSSIBLE: Ending(code="invalid-field"),
        Kind.UNCONFIRMED: Ending(code="confirmation-required"),
        Kind.MOVED: Ending(status="needsAttention"),
        Kind.WRONG_PATIENT: Ending(status="needsAttention", reason="identity_mismatch"),
        Kind.STARTED_AGAIN: Ending(status="needsAttention", reason="possible_duplicate_therapy"),
        Kind.ORDER: Ending(status="needsAttention", reason="not_ours_to_change"),
        Kind.BY_MODEL: Ending(status="needsAttention", reason="ai-authored"),
        Kind.REVOKED: Ending(status="notWritten", reason="consent-revoked"),
    }
)


@dataclass(frozen=True, kw_only=True)
class Intent:
    """One action that an app means to give.

    Args:
        name: unique; also its correlation id, by which the EHR's log names it.
        app: which app gives it.
        envelope: the wire JSON, decimals as the app wrote them.
        key: Idempotency-Key; None: derived from the source event.
        sends: how often it is sent under its key.
        of: the earlier intent that it corrects or takes back.
        taken_back: a later intent takes it back.
    """

    name: str
    kind: Kind
    app: str
    envelope: Mapping[str, Any]
    key: str | None = None
    sends: int = 1
    of: str | None = None
    taken_back: bool = False

    @property
    def ending(self) -> Ending:
        return TAKEN_BACK if self.taken_back else ENDINGS.get(self.kind, IN_CHART)

    @property
    def connection(self) -> str:
        """The hospital that it goes to."""
        return str(self.envelope["connection"])

    @property
    def operation(self) -> str:
        action = self.envelope["action"]
        return f"{action['type']}.{action['operation']}"

    @property
    def creates(self) -> bool:
        return self.envelope["action"]["operation"] in {"record", "start"}

    def but_taken_back(self) -> "Intent":
        """Return the same intent, which a later one takes back."""
        return replace(self, taken_back=True)

    def on(self, command: str) -> "Intent":
        """Return the same intent, aimed at our own earlier command."""
        return replace(self, envelope={**self.envelope, "target": {"command": command}})
