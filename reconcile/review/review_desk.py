"""The whole review desk: fills :class:`canonical.review_desk.ReviewDesk` by asking who knows. It decides nothing itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from canonical.case_views import (
    BoardView,
    CasePage,
    CaseQuery,
    CasesFound,
    CommandPageView,
    QueuePage,
    QueueQuery,
    SearchHit,
)
from canonical.explanation import Explanation
from canonical.review_desk import BulkResult, Decided, Decision, ReviewError, Verb
from canonical.reviewer import Reviewer
from reconcile.explaining.explainer import Asker, Explainer
from reconcile.review.board import Board
from reconcile.review.case_search import CaseSearch
from reconcile.review.command_desk import CommandDesk
from reconcile.review.desk import CaseDesk
from reconcile.review.part_desk import PartDesk
from reconcile.review.search import CommandSearch


@dataclass(frozen=True, kw_only=True)
class Desk:
    """Each is a part of the desk: cases and parts of commands, commands, explanations, what is looked for, figures."""

    cases: CaseDesk
    parts: PartDesk
    commands: CommandDesk
    explainer: Explainer
    finding: CommandSearch
    finding_cases: CaseSearch
    figures: Board

    def queue(self, reviewer: Reviewer, query: QueueQuery) -> QueuePage:
        return self.cases.queue(reviewer, query)

    def open(self, reviewer: Reviewer, case_id: int, *, break_glass: str = "") -> CasePage:
        return self.cases.open(reviewer, case_id, break_glass=break_glass)

    def claim(self, reviewer: Reviewer, case_id: int) -> CasePage:
        return self.cases.claim(reviewer, case_id)

    def release(self, reviewer: Reviewer, case_id: int) -> None:
        self.cases.release(reviewer, case_id)

    def decide(self, reviewer: Reviewer, case_id: int, decision: Decision) -> Decided:
        if decision.verb is Verb.COMPENSATE:
            return self.parts.take_back(reviewer, case_id, decision)
        return self.cases.decide(reviewer, case_id, decision)

    def bulk(self, reviewer: Reviewer, case_ids: tuple[int, ...], verb: Verb, *, reason: str, text: str) -> BulkResult:
        return self.cases.bulk(reviewer, case_ids, verb, reason=reason, text=text)

    def command(self, reviewer: Reviewer, command_id: UUID, *, break_glass: str = "") -> CommandPageView:
        return self.commands.command(reviewer, command_id, break_glass=break_glass)

    def explain(self, reviewer: Reviewer, command_id: UUID) -> Explanation:
        # Restricted words are shown to nobody who has not said why: whoever sees them may see what the chart says of them.
        shows = self.commands.command(reviewer, command_id).words is not None
        found = self.explainer.explain(reviewer.tenant, command_id, lambda _standing: Asker(shows=shows, opened=shows))
        if found is None:
            raise ReviewError("not-found", "There is no such command.")
        return found

    def compensate(self, reviewer: Reviewer, command_id: UUID, *, operation: str, reason: str) -> UUID:
        return self.commands.compensate(reviewer, command_id, operation=operation, reason=reason)

    def search(self, reviewer: Reviewer, terms: Mapping[str, str]) -> tuple[SearchHit, ...]:
        return self.finding.search(reviewer, terms)

    def find_cases(self, reviewer: Reviewer, query: CaseQuery) -> CasesFound:
        return self.finding_cases.find_cases(reviewer, query)

    def board(self, reviewer: Reviewer) -> BoardView:
        return self.figures.board(reviewer)
