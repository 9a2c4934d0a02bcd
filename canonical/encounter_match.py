"""Whether an encounter is this patient's and contains the clinical time; it never chooses another encounter."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

from canonical.clinical_time import ClinicalTime
from canonical.errors import NeedsPersonError

#: Charting begins before and ends after the visit; a connection with other habits declares them.
TOLERANCE_DEFAULT = timedelta(hours=24)


def check_encounter(
    encounter: Mapping[str, Any] | None,
    *,
    patients: Collection[str],
    clinical_time: ClinicalTime | None,
    tolerance: timedelta = TOLERANCE_DEFAULT,
) -> None:
    """Pass only if the chart's Encounter (R4 JSON; ``None``: not there) is this patient's and contains that time.

    ``patients`` are the records of the patient (``Patient/id``): more than one where they were merged.
    Raises :class:`NeedsPersonError` with kind ``wrong_encounter`` or ``encounter_time``: send nothing.
    """
    if encounter is None:
        raise NeedsPersonError("wrong_encounter", "The chart has no such encounter.")
    subject = str((encounter.get("subject") or {}).get("reference") or "")
    if not any(subject == name or subject.endswith(f"/{name}") for name in patients):
        raise NeedsPersonError("wrong_encounter", "The encounter is another patient's.")
    if encounter.get("status") in {"entered-in-error", "cancelled"}:
        raise NeedsPersonError("wrong_encounter", "The encounter was cancelled or entered in error.")
    period = encounter.get("period") or {}
    try:
        outside = clinical_time is not None and not _contains(period, clinical_time, tolerance)
    except ValueError:
        raise NeedsPersonError("encounter_time", "The chart's times of this encounter cannot be read.") from None
    if outside:
        raise NeedsPersonError("encounter_time", "The time of this entry lies outside the encounter.")


def _contains(period: Mapping[str, Any], time: ClinicalTime, tolerance: timedelta) -> bool:
    first, last = time.interval
    start, end = period.get("start"), period.get("end")
    if isinstance(start, str) and last < ClinicalTime(start).interval[0] - tolerance:
        return False
    return not (isinstance(end, str) and first > ClinicalTime(end).interval[1] + tolerance)
