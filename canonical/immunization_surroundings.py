"""What the chart's other vaccinations say about a record to come: the same vaccine given on the same day already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from canonical.action import Finding, Surroundings
from canonical.clinical_time import ClinicalTime
from canonical.concepts import same_concept

if TYPE_CHECKING:
    from canonical.actions.immunization_record import ImmunizationRecord
    from canonical.envelope import Envelope

_DAY = len("YYYY-MM-DD")


def judge(envelope: Envelope, entries: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """Return what a person must decide before the record is sent."""
    action = cast("ImmunizationRecord", envelope.action)
    target = envelope.target.reference if envelope.target else None
    if action.operation == "correct" and target is None:
        # An entry that is named by our command cannot be told from another of the same here.
        return []
    vaccine, day = _vaccine(envelope, action), _day(envelope, action)
    given = [
        entry
        for entry in entries
        if entry.get("reference") != target
        and entry.get("status") not in {"entered-in-error", "not-done"}
        and same_concept(vaccine, entry.get("vaccineCode"))
        and _may_be_same(day, _time(entry.get("occurrenceDateTime")), reported=action.primary_source is not True)
    ]
    if not given:
        return []
    if action.operation == "recordNotDone":
        return [_holds("vaccine_given", "the chart says that this vaccine was given that day")]
    return [
        _holds("possible_duplicate", "the chart has this vaccine on this day already, or on one that may be the same")
    ]


def _vaccine(envelope: Envelope, action: ImmunizationRecord) -> Any:
    return action.vaccine_code.as_json() if action.vaccine_code else _seen(envelope, "vaccineCode")


def _day(envelope: Envelope, action: ImmunizationRecord) -> ClinicalTime | None:
    return action.occurrence_date_time or _time(_seen(envelope, "occurrenceDateTime"))


def _seen(envelope: Envelope, name: str) -> Any:
    return (envelope.target.seen or {}).get(name) if envelope.target else None


def _time(text: Any) -> ClinicalTime | None:
    try:
        return ClinicalTime(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _may_be_same(ours: ClinicalTime | None, theirs: ClinicalTime | None, *, reported: bool) -> bool:
    """Whether two doses may be one: a day that nobody knows may be any, but not that of a dose given here."""
    if ours is None or theirs is None:
        return reported
    return may_be_same_day(ours, theirs)


def may_be_same_day(one: ClinicalTime, other: ClinicalTime) -> bool:
    """Whether two times as written may be of one day; where only a month or a year is known, whether that is the same.

    Where a time of day is stated in UTC nobody said in which zone the day was: it counts for every day it may have been.
    """
    if one.is_instant and other.is_instant:
        first, second = one.interval[0], other.interval[0]
        return first.date() == _date_where(first, second) or second.date() == _date_where(second, first)
    in_utc = any(time.is_instant and time.interval[0].utcoffset() == timedelta(0) for time in (one, other))
    if in_utc:
        return one.interval[0] < other.interval[1] and other.interval[0] < one.interval[1]
    shared = min(len(one.text[:_DAY]), len(other.text[:_DAY]))
    return one.text[:shared] == other.text[:shared]


def _date_where(place: datetime, moment: datetime) -> date:
    """Return the date of ``moment`` in the zone of ``place``, as far as a calendar goes."""
    try:
        return moment.astimezone(place.tzinfo).date()
    except OverflowError:
        return moment.date()


def _holds(kind: str, detail: str) -> Finding:
    return Finding(kind=kind, severity="high", holds=True, pointer="/action/vaccineCode", detail=detail)


SURROUNDINGS = Surroundings(
    resource_types=("Immunization",), operations=frozenset({"record", "recordNotDone", "correct"}), judge=judge
)
