"""What every action must get right around its content: times, target and encounter. Not the content itself."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from canonical.clinical_time import ClinicalTime
from canonical.errors import FieldError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

    from canonical.datatypes import Annotation
    from canonical.envelope import Envelope

#: Clocks of devices and servers differ by minutes, not more.
FUTURE_TOLERANCE = timedelta(minutes=5)


def future_errors(times: Iterable[tuple[str, ClinicalTime | None]], now: datetime) -> list[FieldError]:
    """Return one error for each (pointer, time) that lies more than five minutes after ``now`` (UTC)."""
    return [
        FieldError(pointer=pointer, code="future-time", detail="more than 5 minutes in the future")
        for pointer, time in times
        if time is not None and time.is_after(now + FUTURE_TOLERANCE)
    ]


def note_times(notes: tuple[Annotation, ...] | None) -> list[tuple[str, ClinicalTime | None]]:
    """Return the times of an action's notes with their pointers."""
    return [(f"/action/note/{at}/time", note.time) for at, note in enumerate(notes or ())]


def birth_errors(envelope: Envelope, pointer: str, time: ClinicalTime | None) -> list[FieldError]:
    """Return an error when the whole of ``time`` lies before the day the envelope says the patient was born.

    The day is that of the place of birth, whose zone nobody states: a newborn's first reading may be written in another.
    """
    born = envelope.patient.birth_date
    if born is None or time is None or not time.is_before(ClinicalTime(born).interval[0]):
        return []
    return [FieldError(pointer=pointer, code="before-birth", detail="before the patient's birth date")]


def encounter_errors(envelope: Envelope) -> list[FieldError]:
    """Return an error when the encounter is named by anything but the EHR's own id: we never choose one."""
    encounter = envelope.encounter
    if encounter is None or (encounter.reference or "").startswith("Encounter/"):
        return []
    return [
        FieldError(
            pointer="/encounter/reference", code="encounter-reference", detail="name the encounter as 'Encounter/id'"
        )
    ]


def target_type_errors(envelope: Envelope, types: Collection[str]) -> list[FieldError]:
    """Return an error when the target is a resource of another type than ``types``; whether it is there is the door's."""
    reference = envelope.target.reference if envelope.target else None
    if reference is None or reference.split("/")[0] in types:
        return []
    return [FieldError(pointer="/target/reference", code="target-type", detail=f"one of: {', '.join(sorted(types))}")]
