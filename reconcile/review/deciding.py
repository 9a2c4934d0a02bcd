"""Carrying out what a reviewer decided: checked against who they are and what they saw, then stored in one commit.

The chart is read again first: a decision on a chart that moved since is refused, and says what is new.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from canonical import exact_json
from canonical.case_kinds import MOST_SEVERE, case_kind
from canonical.case_store import CaseStore, Resolution, Resolved, StoredCase, StoredDecision, StoredView
from canonical.events import Move, move
from canonical.lifecycle import State, Trigger
from canonical.policy import PolicySet
from canonical.remapped import remapped
from canonical.review_desk import Decided, Decision, FieldPick, Pick, ReviewError, Verb
from canonical.reviewer import Reviewer
from canonical.revised import Look as Sight
from canonical.revised import RevisionError, revised
from canonical.ruling import Verdict
from reconcile.review.choices import NEEDS_CHART, TRIGGERS, offered, text_required
from reconcile.review.look import Look
from reconcile.review.permissions import CLINICAL, Permissions
from reconcile.review.picks import with_followers
from reconcile.review.typed import laid_over

#: Decisions of these choose what the chart will say: where policy wants two people, the second one signs them.
_SIGNED_TWICE = CLINICAL - {Verb.SIGN, Verb.FOUND}
#: Decided by picks, one for each field; if the chart is kept in all of them nothing is left to write.
_BY_FIELD = frozenset({Verb.RESOLVE, Verb.EDIT})
_SAID: Mapping[Verb, str] = {
    Verb.APPROVE: "Approved. It is sent now; this page says when the chart proves it.",
    Verb.EDIT: "Approved as you changed it. It is sent now; this page says when the chart proves it.",
    Verb.RESOLVE: "Decided. What you kept is sent now, on the version of the chart that you saw.",
    Verb.REMAP: "It is sent for the record in its place, if every check lets it; this page says when the chart proves it.",
    Verb.RESEND: "It is sent now; this page says when the chart proves it.",
    Verb.FOUND: "It is read back now; it counts as written only if the chart proves it.",
    Verb.ACCEPT: "The chart stays as it is, and counts from here on. Nothing was written.",
    Verb.REJECT: "It is not written. Its author is told.",
    Verb.ACKNOWLEDGE: "Closed. The command goes on as it is.",
    Verb.ASK_AUTHOR: "Its author is asked. Until they answer, or their time is up, nothing is sent.",
    Verb.ESCALATE: "Handed up, to the top of the queue.",
}
_REFUSED: Mapping[Resolved, tuple[str, str]] = {
    Resolved.DECIDED_BEFORE: (
        "already-decided",
        "This was decided before. Nothing was changed by what you sent; open it again.",
    ),
    Resolved.MOVED: ("stale-view", "The command moved on while you decided. Nothing was changed; open it again."),
    Resolved.CLAIMED: (
        "claimed-by-another",
        "A colleague has this case at present. Nothing was changed; ask them for it.",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Situation:
    """All that a decision is judged by: the case, the chart read just now, what policy says, and what was decided before."""

    case: StoredCase
    look: Look
    verdict: Verdict
    permissions: Permissions
    first: StoredDecision | None = None

    @property
    def maybe_there(self) -> bool:
        """Whether the write may be in the chart already."""
        return case_kind(self.case.kind).maybe_there and self.look.command.attempts > 0


def check_view(cases: CaseStore, reviewer: Reviewer, case: StoredCase, view: str) -> StoredView:
    """Return what the reviewer was shown; raises ``ReviewError`` ``forged-view`` for anything they were not."""
    try:
        found = cases.view(case.tenant, UUID(view))
    except ValueError:
        found = None
    if found is None or found.case_id != case.id or found.shown_to != reviewer.actor:
        raise ReviewError(
            "forged-view", "This decision names no look at the chart that you had. Open the case and decide again."
        )
    return found


def check_decision(decision: Decision, situation: Situation) -> None:
    """Pass only what this reviewer may decide of this case now, with the reasons it needs; raises ``ReviewError``."""
    case, verb = situation.case, decision.verb
    if verb not in offered(case, situation.look, awaits_second=situation.first is not None):
        raise ReviewError(
            "not-possible", "This cannot be decided of the case as it is now. Nothing was changed; open it again."
        )
    closed = situation.permissions.closed_to(verb)
    if closed:
        raise ReviewError("second-signer" if verb is Verb.SIGN else "not-permitted", closed)
    known = [code for code, _ in situation.permissions.reasons(verb)]
    if known and decision.reason not in known:
        raise ReviewError("reason-required", "Choose why. Nothing was changed.")
    if text_required(verb, maybe_there=situation.maybe_there) and not decision.text.strip():
        raise ReviewError("reason-required", "Say in a few words what you ask, or how you know. Nothing was changed.")
    blind = not situation.look.is_readable
    if blind and (verb in NEEDS_CHART or (verb is Verb.REJECT and situation.maybe_there)):
        raise ReviewError(
            "chart-unreadable", "The EHR does not answer, so nobody sees what would be changed. Try again later."
        )


def check_unmoved(look: Look, seen: StoredView, decision: Decision) -> None:
    """Pass only if the chart is as the reviewer saw it; raises ``ReviewError`` ``stale-view``."""
    if decision.verb in NEEDS_CHART and look.chart_digest != seen.chart_digest:
        raise ReviewError(
            "stale-view",
            "The chart moved again while you decided. Nothing was changed; what is new is shown: decide again.",
        )


def resolution_of(
    reviewer: Reviewer,
    decision: Decision,
    seen: StoredView,
    situation: Situation,
    *,
    policies: PolicySet,
    plan: Callable[[Look, bytes | None], bytes | None],
) -> Resolution:
    """Return what is to be stored of a decision that passed every check.

    ``plan`` gives the digest of what would leave for an envelope (``None``: for the command as it stands). Raises
    ``ReviewError`` (``field-missing``, ``value-refused``, ``not-possible``) where the picks make no command that can be sent.
    """
    case, look, verdict = situation.case, situation.look, situation.verdict
    chosen = _whole(_first_decision(situation) if decision.verb is Verb.SIGN else decision, look, policies)
    envelope = _envelope(reviewer, chosen, look)
    verb = Verb.REJECT if chosen.verb in _BY_FIELD and envelope is None else chosen.verb
    is_first = decision.verb in _SIGNED_TWICE and verb in _SIGNED_TWICE and verdict.second_signature
    step = None if is_first else _left_as_is(look, case) if verb is Verb.ACCEPT else _step(verb, chosen, case)
    replans = verb in _SIGNED_TWICE and not situation.maybe_there
    # Who says whose it is has not approved it: an approval for the record that was merged counts for none.
    approves = verb in {Verb.APPROVE, Verb.EDIT} or (
        verb in _SIGNED_TWICE - {Verb.REMAP} and look.command.governance.approval_required
    )
    return Resolution(
        case=case,
        reviewer=reviewer,
        verb=decision.verb.value,
        stage="first" if is_first else "final",
        view_id=seen.id,
        reason=decision.reason or ("chart-kept" if verb is not chosen.verb else ""),
        content=_content(decision),
        envelope=envelope if step is not None else None,
        # What leaves for another record is planned on its chart, with every check made: a plan made here would bind nothing.
        payload_digest=plan(look, envelope) if replans and verb is not Verb.REMAP else None,
        base_version=look.version,
        policy_version=policies.version,
        valid_until=look.read_at + verdict.approval if approves else None,
        approves=approves and step is not None,
        replans=replans and step is not None,
        changed=_changes(chosen),
        knowing=look.stop[0] if look.stop is not None and verb in {Verb.APPROVE, *_BY_FIELD} else "",
        rests_on=look.rests_on if step is not None and step.target is State.READY else "",
        move=step,
        expected_seq=look.command.event_seq if step is not None else None,
        accepted=look.sight if verb is Verb.ACCEPT else None,
        closes=verb is Verb.ACKNOWLEDGE,
        asked_until=look.read_at + policies.queue.author_answer if verb is Verb.ASK_AUTHOR else None,
        severity=max(MOST_SEVERE, case.severity - 1) if verb is Verb.ESCALATE else None,
    )


def _whole(decision: Decision, look: Look, policies: PolicySet) -> Decision:
    """Return the decision with what was typed laid over what was proposed, and with what goes along with it."""
    fields = {
        name: replace(pick, value=laid_over(look.written.proposed.get(name), pick.value))
        if pick.pick is Pick.ANOTHER
        else pick
        for name, pick in decision.fields.items()
    }
    if fields:
        fields = with_followers(fields, look, policies.action(look.command.envelope.action.type))
    return replace(decision, fields=fields)


def _step(verb: Verb, chosen: Decision, case: StoredCase) -> Move | None:
    trigger = TRIGGERS.get(verb)
    if trigger is None:
        return None
    if verb is chosen.verb:
        reason = chosen.reason if verb is Verb.REJECT else ""
        return move(case.state, trigger, reason)
    return move(case.state, Trigger.REFUSED_BY_PERSON, "chart-kept")


def _left_as_is(look: Look, case: StoredCase) -> Move:
    """Return how what drifted ends: in the chart as it says now, or gone from it."""
    if look.current is None:
        return move(case.state, Trigger.REMOVED_IN_EHR, "removal-accepted")
    return move(case.state, Trigger.DRIFT_ACCEPTED, "changed-since")


def _envelope(reviewer: Reviewer, chosen: Decision, look: Look) -> bytes | None:
    """Return the bytes of what is to be sent instead, or ``None``: as it stands, or not at all."""
    if chosen.verb not in _BY_FIELD | {Verb.REMAP}:
        return None
    original = exact_json.parse(exact_json.dumps(look.command.envelope.as_json()))
    if chosen.verb is Verb.REMAP:
        return _for_the_successor(original, look)
    sight = Sight(
        reference=look.reference if look.command.envelope.target is not None else None,
        version=look.version,
        seen=look.said,
        at=look.read_at,
        decided_at=look.read_at,
        reviewer={"system": reviewer.issuer, "value": reviewer.subject},
    )
    try:
        made = revised(original, look.comparison, chosen.fields, sight)
    except RevisionError as error:
        raise ReviewError(error.code, f"{error} Nothing was changed.") from None
    return exact_json.dumps(made).encode() if made is not None else None


def _for_the_successor(original: dict[str, Any], look: Look) -> bytes:
    assert look.successor is not None  # noqa: S101 - offered only where the EHR leads somewhere
    assert look.successor.reference is not None  # noqa: S101 - and barred where it names none
    return exact_json.dumps(remapped(original, look.successor.reference)).encode()


def _changes(chosen: Decision) -> bool:
    return any(pick.pick is not Pick.PROPOSAL for pick in chosen.fields.values())


def _content(decision: Decision) -> bytes | None:
    """Return the JSON of picks and free words, which may hold clinical content."""
    if not decision.fields and not decision.text:
        return None
    fields = {name: {"pick": pick.pick.value, "value": pick.value} for name, pick in decision.fields.items()}
    told = {"verb": decision.verb.value, "fields": fields, "text": decision.text, "reason": decision.reason}
    return exact_json.canonical_bytes(told)


def _first_decision(situation: Situation) -> Decision:
    """Return what the first person decided, as the second one signs it."""
    first = situation.first
    assert first is not None  # noqa: S101 - a signature is offered only where there is a first one
    told: dict[str, Any] = exact_json.parse(first.content) if first.content is not None else {}
    fields = {
        name: FieldPick(pick=Pick(item["pick"]), value=item["value"]) for name, item in told.get("fields", {}).items()
    }
    return Decision(verb=Verb(first.verb), view=str(first.view_id), fields=fields, reason=first.reason)


def said_of(resolution: Resolution) -> Decided:
    """Return what is told of a stored resolution."""
    if resolution.stage == "first":
        return Decided(
            sentence="Kept. A second person must sign it before anything is sent.",
            command_id=resolution.case.command_id,
            awaits_second=True,
        )
    verb = Verb(resolution.verb)
    sentence = _SAID[Verb.RESOLVE] if verb is Verb.SIGN else _SAID[verb]
    if resolution.reason == "chart-kept":
        sentence = "The chart stays as it is. Nothing is written; its author is told."
    return Decided(sentence=sentence, command_id=resolution.case.command_id)


def refusal_of(resolved: Resolved) -> ReviewError:
    """Return how a resolution that changed nothing is told."""
    return ReviewError(*_REFUSED[resolved])
