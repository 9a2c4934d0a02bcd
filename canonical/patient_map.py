"""The map of patients' identities at one EHR: which record was merged into which, and which stands for itself again.

It is a history: lines are added and none is changed; the last line of a record counts. Records are named by their keys
(:func:`canonical.admission.patient_key`). It stores nothing and asks nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from canonical.patient_trail import PatientTrail

Key = TypeVar("Key")


@dataclass(frozen=True, kw_only=True)
class MapLine:
    """A line to add: ``patient`` was merged into ``into``, or (``None``) stands for itself again; ``told_by`` says who told."""

    patient: str
    into: str | None
    told_by: str


#: Who told that a record stands for itself: it was read, in use, and linked to none.
READ_IN_USE = "read_in_use"


def lines_of(trail: PatientTrail, known: Mapping[str, str | None]) -> tuple[MapLine, ...]:
    """Return what a trail adds to what is ``known`` (record → the one it was merged into); nothing that is known already.

    Only a trail that ends at a record in use is believed, and it is believed whole: each record on it is what the trail says,
    so that no circle can come of what was true at different times.
    """
    if not trail.steps and not trail.is_apart:
        return ()
    if trail.steps and trail.survivor is None:
        return ()
    lines = [
        MapLine(patient=step.patient, into=step.into, told_by=step.told_by.value)
        for step in trail.steps
        if known.get(step.patient) != step.into
    ]
    if known.get(trail.last) is not None:
        lines.append(MapLine(patient=trail.last, into=None, told_by=READ_IN_USE))
    return tuple(lines)


def survivor_in(known: Mapping[Key, Key | None], start: Key) -> Key:
    """Return the record that ``start`` leads to, itself where it was not merged.

    Raises ``ValueError`` for a circle, which :func:`lines_of` never makes.
    """
    passed = {start}
    at = start
    while (following := known.get(at)) is not None:
        if following in passed:
            raise ValueError("records of the map were merged into each other")
        passed.add(following)
        at = following
    return at


def with_lines(known: Mapping[str, str | None], lines: Iterable[MapLine]) -> dict[str, str | None]:
    """Return what is known once ``lines`` were added."""
    return {**known, **{line.patient: line.into for line in lines}}


def parts(line: MapLine, known: Mapping[str, str | None], lines: Iterable[MapLine]) -> bool:
    """Return whether ``line``, one of the ``lines`` added to what is ``known``, takes its record from the one it was merged into.

    Where that one was itself merged into what the line names, nobody is parted: the EHR only says it more shortly.
    """
    former = known.get(line.patient)
    if former is None:
        return False
    after = with_lines(known, lines)
    return survivor_in(after, former) != survivor_in(after, line.patient)
