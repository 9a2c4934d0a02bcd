"""The conflict engine: looks at the chart of one conflict, closes what is answered, merges what policy lets it.

It decides nothing that a person would have to: what it leaves stays in the queue, as severe as the look made it, with a line
that says what was seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

import structlog

from canonical.case_kinds import case_kind
from canonical.case_store import CaseStore, Resolved, StoredCase
from canonical.case_watch import LookList
from canonical.compensation_catalogue import narrowed
from canonical.lifecycle import NEEDS_PERSON, Trigger
from canonical.policy import PolicySet
from canonical.review_desk import ReviewError
from canonical.ruling import Verdict
from canonical.triage import triage
from reconcile.review.judging import verdict_of
from reconcile.review.look import ChartReader, Look
from reconcile.review.machine import close_if_answered, machine
from reconcile.review.merging import merge_of, why_not
from reconcile.review.rows import shown_of
from tasks.hints import Hints

log = structlog.get_logger()


class Looked(StrEnum):
    """What came of one look."""

    #: It was not due, or somebody has it.
    NOT_TAKEN = "not_taken"
    #: The EHR did not answer: later.
    UNREADABLE = "unreadable"
    #: The chart says it already.
    MOOT = "moot"
    #: It goes on, on the version read.
    MERGED = "merged"
    #: A person decides; the queue says what was seen.
    LEFT = "left"
    #: Chart or case moved under the look: again, soon.
    MOVED = "moved"


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How often a chart is looked at: ``again`` while a person is awaited, ``away`` an EHR that did not answer, ``soon``."""

    again: timedelta = timedelta(minutes=5)
    away: timedelta = timedelta(seconds=30)
    soon: timedelta = timedelta(seconds=5)


@dataclass(frozen=True, kw_only=True)
class ConflictEngine:
    """Works conflicts one by one; thread-safe. Two at one case: one takes it, and what it stores rests on what it saw."""

    cases: CaseStore
    looks: LookList
    reader: ChartReader
    policies: PolicySet
    hints: Hints
    pace: Pace = Pace()

    def run(self, case_id: int) -> Looked:
        """Look once, if the case is due; raises ``StoreUnavailableError``: it is due again later."""
        case = self.looks.take(case_id, lease=self.pace.again)
        if case is None:
            return Looked.NOT_TAKEN
        found = self._work(case)
        if found in {Looked.UNREADABLE, Looked.MOVED}:
            self.looks.put_off(case, wait=self.pace.away if found is Looked.UNREADABLE else self.pace.soon)
        if found is not Looked.LEFT:
            log.info("looked at a conflict", action="conflict.looked", case=case.id, found=found.value)
        return found

    def refresh(self, tenant: str, case_id: int) -> Looked:
        """Look at the chart for an open case of any kind, and note what was seen: its page and its row tell of it.

        Nothing is merged; a case that the chart has answered is closed. Raises ``StoreUnavailableError``.
        """
        case = self.cases.find(tenant, case_id)
        if case is None or not case.is_open or case.state not in NEEDS_PERSON:
            return Looked.NOT_TAKEN
        look = self.reader.look(case)
        if not look.is_readable:
            return Looked.UNREADABLE
        if close_if_answered(self.cases, case, look, self.policies):
            return Looked.MOOT
        self._note(case, look)
        return Looked.LEFT

    def _work(self, case: StoredCase) -> Looked:
        look = self.reader.look(case)
        if not look.is_readable:
            return Looked.UNREADABLE
        if close_if_answered(self.cases, case, look, self.policies):
            return Looked.MOOT
        verdict = verdict_of(look, self.policies, authenticated=case.author_assurance == "authenticated")
        view = self._note(case, look)
        if not why_not(look, verdict, merged_before=self._merged_before(case)) and not self._begun(case):
            return self._merge(case, look, verdict, view)
        self._triage(case, look, verdict)
        return Looked.LEFT

    def _merge(self, case: StoredCase, look: Look, verdict: Verdict, view: UUID) -> Looked:
        try:
            merge = merge_of(look, verdict, self.reader.planned)
        except ReviewError as error:
            return Looked.UNREADABLE if error.code == "chart-unreadable" else Looked.MOVED
        if merge is None:
            self._triage(case, look, verdict)
            return Looked.LEFT
        if self.cases.resolve(merge.resolution(case, view)) is not Resolved.DONE:
            return Looked.MOVED
        self.hints.dispatch(look.command.lane_id)
        return Looked.MERGED

    def _note(self, case: StoredCase, look: Look) -> UUID:
        """Keep what was seen, once for each chart: it is what the row of the queue says."""
        me = machine(case.tenant).subject
        last = self.cases.last_view(case, me)
        if last is not None and last.chart_digest == look.chart_digest:
            return last.id
        return self.cases.add_view(
            case, shown_to=me, chart_digest=look.chart_digest, base_version=look.version, content=shown_of(look)
        )

    def _merged_before(self, case: StoredCase) -> int:
        me = machine(case.tenant).actor
        events = self.cases.timeline(case.command_id)
        return sum(event.trigger == Trigger.REBASED and event.actor == me for event in events)

    def _begun(self, case: StoredCase) -> bool:
        """Whether people have begun to decide: a first signature waits for its second."""
        return any(item.stage == "first" for item in self.cases.decisions(case))

    def _triage(self, case: StoredCase, look: Look, verdict: Verdict) -> None:
        """Raise the case to what the look shows of it; nothing makes it less urgent than it was."""
        found = triage(
            self.policies,
            severity=case_kind(case.kind).severity,
            action_type=case.action_type,
            operation=case.operation,
            significance=verdict.significance,
            overlapping=bool(look.comparison.overlapping),
            way=narrowed(look.ways_back),
        )
        severity = min(case.severity, found.severity)
        within = verdict.deadline.get(severity, self.policies.queue.due_within(severity))
        self.looks.raise_severity(case, severity=severity, within=within)
