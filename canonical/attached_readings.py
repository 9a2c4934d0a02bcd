"""Readings that a note brings along: each is written as the command that it would be alone, before the note that names it.

A part keeps the note's patient, encounter, author, consent and labels; it has an event of its own, from which its own key
would be derived. What may be in a reading is :mod:`canonical.actions.vital_reading`'s to say.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from canonical.errors import FieldError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from canonical.action import Finding
    from canonical.actions.vital_reading import VitalReading
    from canonical.envelope import Envelope, Source

#: Longest event id there is.
_LONGEST = 128


def parts(envelope: Envelope, readings: Sequence[VitalReading]) -> tuple[Envelope, ...]:
    """Return the envelope of each of ``readings``, in their order."""
    return tuple(
        envelope.model_copy(
            update={
                "action": reading,
                "target": None,
                "after": None,
                "fallback": None,
                "source": _source(envelope.source, number),
            }
        )
        for number, reading in enumerate(readings, 1)
    )


def _source(source: Source | None, number: int) -> Source | None:
    if source is None or source.event_id is None:
        return source
    event = f"{source.event_id}.{number}"
    if len(event) > _LONGEST:
        event = hashlib.sha256(event.encode()).hexdigest()
    return source.model_copy(update={"event_id": event})


def errors(
    envelope: Envelope, readings: Sequence[VitalReading], judge: Callable[[Envelope], list[FieldError]]
) -> list[FieldError]:
    """Return what ``judge`` says of each part, at its place in the note."""
    wrong = [
        FieldError(
            pointer=f"/action/observations/{at}/operation",
            code="attached-operation",
            detail="a note brings new readings: correct or retract one by a command of its own",
        )
        for at, reading in enumerate(readings)
        if reading.operation != "record"
    ]
    if wrong:
        return wrong
    return [
        replace(error, pointer=_inside(error.pointer, at))
        for at, part in enumerate(parts(envelope, readings))
        for error in judge(part)
        if error.pointer.startswith("/action/")
    ]


def findings(
    envelope: Envelope, readings: Sequence[VitalReading], judge: Callable[[Envelope], list[Finding]]
) -> list[Finding]:
    """Return what a person should see of each part, at its place in the note."""
    return [
        replace(finding, pointer=_inside(finding.pointer, at))
        for at, part in enumerate(parts(envelope, readings))
        for finding in judge(part)
    ]


def _inside(pointer: str, at: int) -> str:
    return f"/action/observations/{at}{pointer.removeprefix('/action')}"
