"""What should have told somebody of each kind of divergence: which sweep finds it, and which kinds of case it opens. Data.

A case of severity 1 is an alert at once, any other when it is late; ``case_kinds.toml`` says which is which.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from canonical.drift import INCIDENT
from canonical.incident.report import DivergenceKind, Fired, RecordedCase

K = DivergenceKind


@dataclass(frozen=True, kw_only=True)
class Signal:
    """``sweeps`` by name (``reconcile/schedule.py``), ``cases`` by kind, and how it comes about in words."""

    sweeps: tuple[str, ...]
    cases: tuple[str, ...]
    words: str


#: Every kind of divergence: a test keeps this whole, and its names real.
SIGNALS: Mapping[DivergenceKind, Signal] = {
    K.RECORD_DISAGREES: Signal(
        sweeps=("balance",),
        cases=("balance_open",),
        words="The balance of the day does not close, and operations are asked once for the connection.",
    ),
    K.WRITTEN_WITHOUT_RECORD: Signal(
        sweeps=("unknown",),
        cases=("cannot_tell", "late_answer", "written_after_all"),
        words="The chart is asked for every write without an answer; a late answer, or a find after the end, is a case.",
    ),
    K.WRITTEN_TWICE: Signal(
        sweeps=("unknown", "expired_leases"),
        cases=("late_answer", "cannot_tell", "possible_duplicate"),
        words="With two entries under one mark the next look at the chart cannot tell; a late answer is a case.",
    ),
    K.OVERWRITTEN_UNSEEN: Signal(
        sweeps=("conflicted",),
        cases=("conflict", "no_precondition", "unversioned_target"),
        words="The guard of the write refuses, and the conflict comes to a person; an EHR without a guard asks a person before.",
    ),
    K.RECORDED_BUT_ABSENT: Signal(
        sweeps=("unproven", "drifted"),
        cases=("proof_failed", "drift_disappeared", "drift_merged", INCIDENT),
        words="The read-back of a write finds nothing, or a later look at what was proven does.",
    ),
    K.DRIFT_AFTER_PROOF: Signal(
        sweeps=("drifted", "echoes"),
        cases=("drift", "drift_disappeared", "drift_merged", INCIDENT),
        words="A later look at what was proven finds that it says something else, or the EHR itself tells of the change.",
    ),
}


def fired(kind: DivergenceKind, since: datetime, cases: Iterable[RecordedCase]) -> Fired | None:
    """Return the first case that told of a divergence which came about at ``since`` (UTC) or later; ``None``: nothing did."""
    wanted = SIGNALS[kind].cases
    told = sorted(
        (case for case in cases if case.kind in wanted and case.opened_at >= since), key=lambda case: case.opened_at
    )
    if not told:
        return None
    case = told[0]
    return Fired(case=case.id, kind=case.kind, at=case.opened_at, alerted_at=case.alerted_at)
