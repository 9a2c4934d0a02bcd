"""The review desk: fills :class:`canonical.review_desk.ReviewDesk` for cases. Commands, search and board are beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta, tzinfo
from uuid import UUID

import structlog

from canonical import exact_json
from canonical.case_kinds import case_kind, case_kinds
from canonical.case_store import CaseStore, Resolution, Resolved, StoredCase, StoredDecision, StoredView
from canonical.case_views import CasePage, QueuePage, QueueQuery
from canonical.incomplete import left_in_words
from canonical.lifecycle import State
from canonical.parts import IN_PARTS
from canonical.plain_times import moment_in_words
from canonical.policy import PolicySet
from canonical.restricted import is_restricted
from canonical.review_desk import BulkResult, Decided, Decision, ReviewError, Verb
from canonical.reviewer import Pool, Reviewer, Right
from canonical.status import explain
from reconcile.review.bulk import check_bulk, why_not_in_bulk
from reconcile.review.choices import choices, closed_unless_open
from reconcile.review.deciding import (
    Situation,
    check_decision,
    check_unmoved,
    check_view,
    refusal_of,
    resolution_of,
    said_of,
)
from reconcile.review.judging import verdict_of
from reconcile.review.look import ChartReader, Look
from reconcile.review.machine import close_if_answered
from reconcile.review.page import answers_of, field_rows, first_of, proposal_of, question_of, waiting_of
from reconcile.review.part_ways import PartWays
from reconcile.review.permissions import ADMINISTRATIVE, Permissions
from reconcile.review.rows import row_of, shown_of
from reconcile.review.surroundings import Surroundings
from tasks.hints import Hints

log = structlog.get_logger()

#: Said where the chart moved during review, and where it did so too often.
_MOVED = (
    "The chart moved again since you last looked. What it says now is shown; what you decided before no longer counts."
)
_TOO_OFTEN = (
    " It has moved {times} times during review: decide with the chart open in the EHR, so that nobody works on it."
)


#: How a case is said to have ended, by the decision that did.
_ENDED: Mapping[str, str] = {
    Verb.APPROVE: "approved as it stood",
    Verb.EDIT: "approved with changes",
    Verb.RESOLVE: "decided field by field",
    Verb.REMAP: "sent for the record in its place",
    Verb.RESEND: "sent again",
    Verb.FOUND: "found in the chart",
    Verb.REJECT: "ended, not written,",
    Verb.SIGN: "signed by a second person",
    Verb.ACKNOWLEDGE: "acknowledged",
    Verb.COMPENSATE: "decided: what stands is taken back,",
    "author_withdrew": "the author withdrew it",
    "rest_replayed": "the machine found that what stands is as it was written, and sent the rest,",
}
_RESTRICTED = "This is of a class that only those see who need to. Say why you must look; that is kept, with your name."
#: What is recorded when somebody says why they must look, and for how long they are not asked again.
BREAK_GLASS, GLASS_STAYS_BROKEN = "break_glass", timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class CaseDesk:
    """Shows and decides cases.

    ``zone`` gives the clock of (tenant, connection), ``ehr_names`` of a tenant connection → EHR as its people call it; ``hints``
    tell workers that something was decided.
    """

    cases: CaseStore
    reader: ChartReader
    surroundings: Surroundings
    policies: PolicySet
    zone: Callable[[str, str], tzinfo]
    ehr_names: Callable[[str], Mapping[str, str]]
    hints: Hints

    def queue(self, reviewer: Reviewer, query: QueueQuery) -> QueuePage:
        require(reviewer, Right.SEE_ROWS)
        page, names = self.cases.page(reviewer, query), self.ehr_names(reviewer.tenant)
        return QueuePage(
            rows=tuple(row_of(case, reviewer, names, not_in_bulk=why_not_in_bulk(case)) for case in page.cases),
            cursor=page.cursor,
            open=page.open,
            overdue=page.overdue,
            kinds=tuple((kind.name, kind.words) for kind in case_kinds().values() if kind.pool in reviewer.pools),
            connections=tuple(sorted(names)),
            bulk_reasons=tuple(ADMINISTRATIVE.items()),
        )

    def open(self, reviewer: Reviewer, case_id: int, *, break_glass: str = "") -> CasePage:
        case = self._readable(reviewer, case_id)
        if not case.is_open:
            return self._over(reviewer, case)
        if not self._may_look(reviewer, case, break_glass.strip()):
            row = row_of(case, reviewer, self.ehr_names(case.tenant), not_in_bulk="it is restricted")
            return CasePage(row=row, question=_RESTRICTED, break_glass=True)
        look = self.reader.look(case)
        if self._answered(case, look):
            return self._over(reviewer, self._case(reviewer, case_id))
        before = self.cases.last_view(case, reviewer.actor)
        is_round = before is not None and look.is_readable and before.chart_digest != look.chart_digest
        view = self._shown(reviewer, case, look, is_round=is_round)
        return self._page(reviewer, case, look, view=str(view), news=_MOVED if is_round else "")

    def claim(self, reviewer: Reviewer, case_id: int) -> CasePage:
        case = self._readable(reviewer, case_id)
        require(reviewer, Right.DECIDE)
        if not self.cases.claim(case, reviewer, self.policies.queue.claim):
            raise refusal_of(Resolved.CLAIMED if case.is_open else Resolved.DECIDED_BEFORE)
        return self.open(reviewer, case_id)

    def release(self, reviewer: Reviewer, case_id: int) -> None:
        self.cases.release(self._case(reviewer, case_id), reviewer)

    def decide(self, reviewer: Reviewer, case_id: int, decision: Decision) -> Decided:
        if decision.verb is Verb.COMPENSATE:
            raise ReviewError("not-possible", "Parts are taken back by commands, which are not given here.")
        situation, seen = self.checked(reviewer, case_id, decision)
        resolution = resolution_of(
            reviewer, decision, seen, situation, policies=self.policies, plan=self.reader.planned
        )
        return self._carry_out(resolution, situation.look)

    def checked(self, reviewer: Reviewer, case_id: int, decision: Decision) -> tuple[Situation, StoredView]:
        """Return what a decision is judged by and the look that it names; raises ``ReviewError`` for what may not be decided."""
        case = self._readable(reviewer, case_id)
        seen = check_view(self.cases, reviewer, case, decision.view)
        if not case.is_open:
            raise refusal_of(Resolved.DECIDED_BEFORE)
        if case.is_claimed_by_another(reviewer.actor):
            raise refusal_of(Resolved.CLAIMED)
        look = self.reader.look(case)
        if self._answered(case, look):
            raise ReviewError(
                "already-decided", "The chart says this already; the case closed itself. Nothing was sent."
            )
        situation = self._situation(reviewer, case, look)
        check_decision(decision, situation)
        check_unmoved(look, seen, decision)
        return situation, seen

    def bulk(self, reviewer: Reviewer, case_ids: tuple[int, ...], verb: Verb, *, reason: str, text: str) -> BulkResult:
        require(reviewer, Right.BULK)
        cases = [self._case(reviewer, case_id) for case_id in case_ids]
        check_bulk(cases, verb)
        results: dict[int, str] = {}
        for case in cases:
            try:
                view = self.open(reviewer, case.id).view
                self.decide(reviewer, case.id, Decision(verb=verb, view=view, reason=reason, text=text))
                results[case.id] = "done"
            except ReviewError as error:
                results[case.id] = str(error)
        return BulkResult(results=results)

    def _case(self, reviewer: Reviewer, case_id: int) -> StoredCase:
        found = self.cases.find(reviewer.tenant, case_id)
        if found is None or not (self._sees(reviewer, found) or reviewer.may(Right.OVERSEE)):
            raise ReviewError("not-found", "There is no such case, or it is not one of yours.")
        return found

    def _sees(self, reviewer: Reviewer, case: StoredCase) -> bool:
        """Whether the case is theirs to see; who was shown it while it was open also sees how it ended."""
        was_shown = not case.is_open and Pool.CLINICAL in reviewer.pools
        return sees(reviewer, case) or (was_shown and self.cases.last_view(case, reviewer.actor) is not None)

    def _readable(self, reviewer: Reviewer, case_id: int) -> StoredCase:
        """Return a case whose content the reviewer may see; who only oversees its queue is told so."""
        case = self._case(reviewer, case_id)
        require(reviewer, Right.SEE_CONTENT)
        if not self._sees(reviewer, case):
            raise ReviewError(
                "not-permitted",
                f"This is a {case.pool.value} case. You may see that it is there, and not what it says: leave it to them.",
            )
        return case

    def _may_look(self, reviewer: Reviewer, case: StoredCase, reason: str) -> bool:
        """Whether the reviewer may see a case; of restricted content only who says why, and that is kept."""
        if not is_restricted(exact_json.parse(case.envelope).get("securityLabel") or ()):
            return True
        since = case.now - GLASS_STAYS_BROKEN
        said = (item for item in self.cases.decisions(case) if item.verb == BREAK_GLASS and item.at > since)
        if any(item.person == reviewer.actor for item in said):
            return True
        if not reason:
            return False
        content = exact_json.canonical_bytes({"verb": BREAK_GLASS, "text": reason})
        looked = Resolution(
            case=case,
            reviewer=reviewer,
            verb=BREAK_GLASS,
            stage="look",
            view_id=None,
            content=content,
            policy_version=self.policies.version,
        )
        log.info("restricted content opened", action="case.glass_broken", case=case.id, person=reviewer.actor)
        return self.cases.resolve(looked) is Resolved.DONE

    def _carry_out(self, resolution: Resolution, look: Look) -> Decided:
        resolved = self.cases.resolve(resolution)
        if resolved is not Resolved.DONE:
            raise refusal_of(resolved)
        log.info(
            "decided", action="case.decided", case=resolution.case.id, verb=resolution.verb, stage=resolution.stage
        )
        target = resolution.move.target if resolution.move is not None else None
        if target is State.READY:
            self.hints.dispatch(look.command.lane_id)
        if target is State.APPLIED:
            self.hints.verify(look.command.id)
        return said_of(resolution)

    def _answered(self, case: StoredCase, look: Look) -> bool:
        return close_if_answered(self.cases, case, look, self.policies)

    def _situation(self, reviewer: Reviewer, case: StoredCase, look: Look) -> Situation:
        verdict = verdict_of(look, self.policies, authenticated=case.author_assurance == "authenticated")
        first, signed = self._first(case, look)
        barred = {Verb.REMAP: look.successor.closed} if look.successor is not None else {}
        permissions = Permissions(
            reviewer=reviewer,
            case=case,
            verdict=verdict,
            author=look.command.envelope.author,
            signed=signed,
            barred=barred,
        )
        return Situation(case=case, look=look, verdict=verdict, permissions=permissions, first=first)

    def _first(self, case: StoredCase, look: Look) -> tuple[StoredDecision | None, tuple[str, ...]]:
        """Return the decision that waits for a second signature, unless the chart moved since; and who signed so far."""
        made = [item for item in self.cases.decisions(case) if item.stage == "first"]
        if not made:
            return None, ()
        last = made[-1]
        seen = self.cases.view(case.tenant, last.view_id) if last.view_id is not None else None
        holds = seen is not None and seen.chart_digest == look.chart_digest
        return (last if holds else None), tuple(item.person for item in made)

    def _shown(self, reviewer: Reviewer, case: StoredCase, look: Look, *, is_round: bool) -> UUID:
        return self.cases.add_view(
            case,
            shown_to=reviewer.actor,
            chart_digest=look.chart_digest,
            base_version=look.version,
            content=shown_of(look),
            is_round=is_round,
        )

    def _page(self, reviewer: Reviewer, case: StoredCase, look: Look, *, view: str, news: str) -> CasePage:
        zone = self.zone(case.tenant, case.connection)
        situation = self._situation(reviewer, case, look)
        policy = self.policies.action(case.action_type)
        differing, rest = field_rows(look, policy)
        own = look.command.known_versions
        ways = self.part_ways(reviewer, look)
        limit = self.policies.queue.round_limit
        rounds = case.rounds + (1 if news else 0)
        return CasePage(
            row=row_of(case, reviewer, self.ehr_names(case.tenant), not_in_bulk=why_not_in_bulk(case)),
            question=question_of(case, look),
            view=view,
            command_id=case.command_id,
            banner=self.surroundings.banner(case, look),
            successor=self.surroundings.successor(look),
            fields=differing,
            unchanged=rest,
            parts=tuple(one.row() for one in ways),
            chart_change=self.surroundings.change(look, own),
            proposal=proposal_of(look.command.envelope, case, told_in_chart=look.takes_provenance),
            context=self.surroundings.context(look),
            choices=closed_unless_open(
                choices(case, look, situation.permissions, awaits_second=situation.first is not None), ways
            ),
            waiting=waiting_of(self.cases.waiting(case)),
            timeline=self.cases.timeline(case.command_id),
            payload=_payload(look),
            ids=_ids(case, look),
            status=_status(case),
            news=news + (_TOO_OFTEN.format(times=rounds) if news and rounds >= limit else ""),
            round=rounds,
            round_limit=limit,
            claimed_by_me=case.claimed_by == reviewer.actor and not case.is_claimed_by_another(reviewer.actor),
            answers=answers_of(self.cases.decisions(case), zone),
            needs_second=first_of(situation.first, look, zone) if situation.first is not None else "",
            read_at=moment_in_words(look.read_at, zone) if look.is_readable else "",
        )

    def part_ways(self, reviewer: Reviewer, look: Look) -> tuple[PartWays, ...]:
        """Return what the reviewer may do about each part of a command that is in the chart only in part."""
        return tuple(
            PartWays(part=part, command=look.command, policies=self.policies, reviewer=reviewer, now=look.read_at)
            for part in look.parts
        )

    def _decider(self, case: StoredCase) -> str:
        """Return the name of the person whose decision ended a case, or nothing."""
        made = [item.person_name for item in self.cases.decisions(case) if item.stage == "final"]
        return made[-1] if made and case.closed_reason in set(Verb) else ""

    def _over(self, reviewer: Reviewer, case: StoredCase) -> CasePage:
        """Return a case that is over: why, by whom, and what became of the write since."""
        zone = self.zone(case.tenant, case.connection)
        said = explain(case.state, case.state_reason)
        when = moment_in_words(case.closed_at, zone) if case.closed_at is not None else ""
        return CasePage(
            row=row_of(case, reviewer, self.ehr_names(case.tenant), not_in_bulk="it is over"),
            question=f"Closed: {case_kind(case.kind).words}",
            command_id=case.command_id,
            timeline=self.cases.timeline(case.command_id),
            closed=_closed(case, when, self._decider(case)),
            status=f"{said.sentence} {said.next}",
            ids=(("Command", str(case.command_id)),),
        )


def _closed(case: StoredCase, when: str, decider: str) -> str:
    """Return how a case ended; where its command is now is said beside it."""
    if case.closed_reason == "moot":
        return f"Closed by itself at {when}: the chart says already what was proposed. Nothing was sent."
    if case.closed_reason == "merged":
        return f"Merged by the machine at {when}: nobody had changed what its author changes, and what others changed stays."
    ended = _ENDED.get(case.closed_reason or "", (case.closed_reason or "").replace("_", " "))
    return f"{ended[:1].upper()}{ended[1:]} at {when}{f' by {decider}' if decider else ''}."


def _status(case: StoredCase) -> str:
    """Return where its command is and, where a part of it is in the chart, why no machine sends the rest."""
    said = explain(case.state, case.state_reason).sentence
    is_left = case.state is State.INCOMPLETE and case.rest_left is not None
    return f"{said} {left_in_words(case.rest_left or '', case.rest_left_who)}" if is_left else said


def _payload(look: Look) -> str:
    return "\n\n".join(
        f"{item.interaction.value} {item.resource_type}\n{item.body.decode()}" for item in look.operations
    )


def _ids(case: StoredCase, look: Look) -> tuple[tuple[str, str], ...]:
    return (
        ("Command", str(case.command_id)),
        ("Correlation", look.command.correlation_id),
        ("Entry in the chart", look.reference or "none"),
        ("Version of the entry", look.version or "none stated"),
    )


def sees(reviewer: Reviewer, case: StoredCase) -> bool:
    """Whether the reviewer's queues show a case to them.

    What is in the chart only in part is a clinical matter as well, whoever's queue asks why: only a clinician may take it back.
    """
    return case.pool in reviewer.pools or (case.state in IN_PARTS and Pool.CLINICAL in reviewer.pools)


def require(reviewer: Reviewer, right: Right) -> None:
    """Pass only whoever holds ``right``; raises ``ReviewError`` ``not-permitted``."""
    if not reviewer.may(right):
        raise ReviewError(
            "not-permitted", "You have no right to see or do this. Ask whoever keeps the list of reviewers."
        )
