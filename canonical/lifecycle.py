"""The life of a command, told once: states, triggers, and the one table of legal moves. Not how a move is stored.

The terminal, in-chart and needs-a-person sets, the diagram in ``docs/lifecycle.md`` and the database's check
constraint are derived from here or tested against it.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from canonical.errors import IllegalTransitionError

if TYPE_CHECKING:
    from collections.abc import Mapping


class State(StrEnum):
    """Where a command is; served as ``state`` and open-ended for readers."""

    #: The receipt is given and the door's checks passed; intake moves it on in the same transaction.
    RECEIVED = "received"
    #: Policy asks for a person before sending; a reviewer or the deadline moves it.
    AWAITING_APPROVAL = "awaiting_approval"
    #: May be sent once it is due and its lane is free; dispatch moves it.
    READY = "ready"
    #: Claimed: the attempt is committed and the request may have left; the claim holder or the lease sweep moves it.
    SENDING = "sending"
    #: The request left and no trustworthy answer came; only a probe moves it.
    UNKNOWN = "unknown"
    #: The EHR took it but it is not in the chart yet; the watch sweep or its time box moves it.
    PENDING_REMOTE = "pending_remote"
    #: The EHR answered success, not yet proven; verify moves it.
    APPLIED = "applied"
    #: Read back and equal; only the drift watch or a retraction moves it.
    VERIFIED = "verified"
    #: Some operations of a compound write applied, some not; delta replay or a reviewer moves it.
    INCOMPLETE = "incomplete"
    #: What stands of an incomplete command is being taken back, each part by a command of its own; the last of these moves it.
    TAKING_BACK = "taking_back"
    #: The target moved; the conflict engine moves it.
    CONFLICTED = "conflicted"
    #: A person must decide, a case is open; a reviewer moves it.
    IN_REVIEW = "in_review"
    #: Outage, throttle, pause or quota; costs no attempt; a sweep moves it when the cause ended.
    PARKED = "parked"
    #: Ended: refused by a person, or by a consent that ended before sending.
    REJECTED = "rejected"
    #: Ended: the app took it back before it was sent.
    WITHDRAWN = "withdrawn"
    #: Ended: its deadline passed before it was sent.
    EXPIRED = "expired"
    #: Ended: a later command replaced it before it was sent.
    SUPERSEDED = "superseded"
    #: Ended: it was in the chart and is not any more: a later command took it back, proven, or somebody did in the EHR.
    COMPENSATED = "compensated"
    #: Ended: some of what was written of it was taken back, proven, and some stands, or was made up for; the rest never went.
    PARTLY_TAKEN_BACK = "partly_taken_back"


class Trigger(StrEnum):
    """Why a command moved; kept apart from where it went."""

    #: Intake found nothing in the way.
    ACCEPTED = "accepted"
    #: Intake found a policy that wants a person first.
    APPROVAL_REQUIRED = "approval_required"
    #: A person approved exactly this command.
    APPROVED = "approved"
    #: The approval ended, or no longer fits what would be sent.
    APPROVAL_LAPSED = "approval_lapsed"
    #: Dispatch claimed it; the attempt is journaled.
    CLAIMED = "claimed"
    #: Too much time passed since the claim, or nothing reached the EHR: the request did not leave.
    NOT_SENT = "not_sent"
    #: One operation of a compound is in the EHR; the next was claimed in the same commit.
    CONTINUED = "continued"
    #: One operation of a compound is in the EHR; the next is due.
    OPERATION_APPLIED = "operation_applied"
    #: The EHR answered success.
    ANSWERED_APPLIED = "answered_applied"
    #: The EHR's answer is the stored resource and equals what was sent.
    ANSWERED_PROVEN = "answered_proven"
    #: The EHR took it for review by its own people.
    ANSWERED_PENDING = "answered_pending"
    #: The EHR says the target moved.
    ANSWERED_CONFLICT = "answered_conflict"
    #: The EHR refused it for good, or its staff turned it down.
    ANSWERED_REFUSED = "answered_refused"
    #: The EHR proved that it did nothing this time; the policy allows another attempt.
    RETRY_SCHEDULED = "retry_scheduled"
    #: The connection is down, throttled or unauthorised; nothing was written.
    CONNECTION_CLOSED = "connection_closed"
    #: The request left and no trustworthy answer came.
    ANSWER_LOST = "answer_lost"
    #: The claim holder's lease ended without an outcome.
    LEASE_EXPIRED = "lease_expired"
    #: Some operations are in the chart and the rest may not follow.
    PARTLY_APPLIED = "partly_applied"
    #: The probe found our write in the chart.
    PROBE_FOUND = "probe_found"
    #: The probe found one operation of a compound in the chart; the next is due.
    OPERATION_FOUND = "operation_found"
    #: The probe proved that our write is not in the chart.
    PROBE_NOT_APPLIED = "probe_not_applied"
    #: The probe could not tell.
    PROBE_CANNOT_TELL = "probe_cannot_tell"
    #: Read back and equal to what was sent.
    PROVEN = "proven"
    #: Read back and different, or not there.
    PROOF_FAILED = "proof_failed"
    #: What the EHR held for review became visible in the chart.
    BECAME_VISIBLE = "became_visible"
    #: A time box ended.
    TIME_BOX_ENDED = "time_box_ended"
    #: A check before sending found that the target moved.
    TARGET_MOVED = "target_moved"
    #: A check found something only a person can decide; the reason says what.
    REVIEW_REQUIRED = "review_required"
    #: The chart and the proposal were brought together: on the version a person saw, or where policy lets a machine do it.
    REBASED = "rebased"
    #: A person decided that it belongs to the record that its patient's was merged into.
    REMAPPED = "remapped"
    #: A person decided to send again.
    RESEND_DECIDED = "resend_decided"
    #: A machine proved that what stands is as it was written and that the rest is not there; the rest is sent.
    REST_REPLAYED = "rest_replayed"
    #: A person found it in the chart; verify must still prove it.
    FOUND_BY_PERSON = "found_by_person"
    #: A person refused it.
    REFUSED_BY_PERSON = "refused_by_person"
    #: Its author took it back when a reviewer asked; only what cannot be in the chart.
    AUTHOR_WITHDREW = "author_withdrew"
    #: The consent it was accepted under ended before it was sent.
    CONSENT_ENDED = "consent_ended"
    #: A switch or a pause stands in the way.
    PAUSED = "paused"
    #: The cause of parking ended.
    CAUSE_ENDED = "cause_ended"
    #: The app took it back before it was sent.
    CANCELLED = "cancelled"
    #: Its deadline passed before it was sent.
    DEADLINE_PASSED = "deadline_passed"
    #: A later command replaced it before it was sent.
    REPLACED = "replaced"
    #: A later command took it out of the chart, proven.
    TAKEN_BACK = "taken_back"
    #: A person decided which of the parts in the chart are taken back; commands of their own do it.
    TAKE_BACK_DECIDED = "take_back_decided"
    #: Every part that was in the chart is out of it again, proven.
    PARTS_TAKEN_BACK = "parts_taken_back"
    #: All that was to take parts back is over, and a part stands, or was made up for by a correction.
    PART_STANDS = "part_stands"
    #: All that was to take parts back is over, and none of them did.
    NOTHING_TAKEN_BACK = "nothing_taken_back"
    #: The chart no longer says what was written.
    DRIFT_FOUND = "drift_found"
    #: The chart says something else than was written, and that counts from here on; the reason says on whose word.
    CHANGED_SINCE = "changed_since"
    #: A person decided that the chart is right as it is now.
    DRIFT_ACCEPTED = "drift_accepted"
    #: Somebody took it out in the EHR itself: the chart's own record names them, or a person decided to leave it so.
    REMOVED_IN_EHR = "removed_in_ehr"


S, T = State, Trigger

_NOT_SENT_YET = (S.AWAITING_APPROVAL, S.READY, S.PARKED, S.CONFLICTED)

_ENDINGS = {
    T.CANCELLED: S.WITHDRAWN,
    T.DEADLINE_PASSED: S.EXPIRED,
    T.REPLACED: S.SUPERSEDED,
    T.CONSENT_ENDED: S.REJECTED,
}

#: The only legal moves. A pair that is not here raises :class:`IllegalTransitionError`.
TRANSITIONS: Mapping[tuple[State, Trigger], State] = MappingProxyType(
    {(state, trigger): end for state in _NOT_SENT_YET for trigger, end in _ENDINGS.items()}
    | {
        (S.RECEIVED, T.ACCEPTED): S.READY,
        (S.RECEIVED, T.APPROVAL_REQUIRED): S.AWAITING_APPROVAL,
        (S.AWAITING_APPROVAL, T.APPROVED): S.READY,
        (S.AWAITING_APPROVAL, T.REFUSED_BY_PERSON): S.REJECTED,
        (S.AWAITING_APPROVAL, T.AUTHOR_WITHDREW): S.WITHDRAWN,
        (S.AWAITING_APPROVAL, T.REVIEW_REQUIRED): S.IN_REVIEW,
        (S.READY, T.CLAIMED): S.SENDING,
        (S.READY, T.APPROVAL_LAPSED): S.AWAITING_APPROVAL,
        (S.READY, T.TARGET_MOVED): S.CONFLICTED,
        (S.READY, T.REBASED): S.READY,
        (S.READY, T.REVIEW_REQUIRED): S.IN_REVIEW,
        (S.READY, T.PAUSED): S.PARKED,
        (S.READY, T.CONNECTION_CLOSED): S.PARKED,
        (S.READY, T.PARTLY_APPLIED): S.INCOMPLETE,
        (S.SENDING, T.CONTINUED): S.SENDING,
        (S.SENDING, T.OPERATION_APPLIED): S.READY,
        (S.SENDING, T.NOT_SENT): S.READY,
        (S.SENDING, T.RETRY_SCHEDULED): S.READY,
        (S.SENDING, T.ANSWERED_APPLIED): S.APPLIED,
        (S.SENDING, T.ANSWERED_PROVEN): S.VERIFIED,
        (S.SENDING, T.ANSWERED_PENDING): S.PENDING_REMOTE,
        (S.SENDING, T.ANSWERED_CONFLICT): S.CONFLICTED,
        (S.SENDING, T.ANSWERED_REFUSED): S.IN_REVIEW,
        (S.SENDING, T.CONNECTION_CLOSED): S.PARKED,
        (S.SENDING, T.ANSWER_LOST): S.UNKNOWN,
        (S.SENDING, T.LEASE_EXPIRED): S.UNKNOWN,
        (S.SENDING, T.PARTLY_APPLIED): S.INCOMPLETE,
        (S.UNKNOWN, T.PROBE_FOUND): S.APPLIED,
        (S.UNKNOWN, T.OPERATION_FOUND): S.READY,
        (S.UNKNOWN, T.PROBE_NOT_APPLIED): S.READY,
        (S.UNKNOWN, T.PROBE_CANNOT_TELL): S.IN_REVIEW,
        (S.PENDING_REMOTE, T.BECAME_VISIBLE): S.APPLIED,
        (S.PENDING_REMOTE, T.TIME_BOX_ENDED): S.IN_REVIEW,
        (S.PENDING_REMOTE, T.ANSWERED_REFUSED): S.IN_REVIEW,
        (S.APPLIED, T.PROVEN): S.VERIFIED,
        (S.APPLIED, T.PROOF_FAILED): S.IN_REVIEW,
        (S.APPLIED, T.PARTLY_APPLIED): S.INCOMPLETE,
        (S.VERIFIED, T.TAKEN_BACK): S.COMPENSATED,
        (S.VERIFIED, T.DRIFT_FOUND): S.IN_REVIEW,
        (S.VERIFIED, T.CHANGED_SINCE): S.VERIFIED,
        (S.VERIFIED, T.REMOVED_IN_EHR): S.COMPENSATED,
        (S.INCOMPLETE, T.RESEND_DECIDED): S.READY,
        (S.INCOMPLETE, T.REST_REPLAYED): S.READY,
        (S.INCOMPLETE, T.FOUND_BY_PERSON): S.APPLIED,
        (S.INCOMPLETE, T.REVIEW_REQUIRED): S.IN_REVIEW,
        (S.INCOMPLETE, T.TAKE_BACK_DECIDED): S.TAKING_BACK,
        (S.TAKING_BACK, T.PARTS_TAKEN_BACK): S.COMPENSATED,
        (S.TAKING_BACK, T.PART_STANDS): S.PARTLY_TAKEN_BACK,
        (S.TAKING_BACK, T.NOTHING_TAKEN_BACK): S.INCOMPLETE,
        (S.CONFLICTED, T.REBASED): S.READY,
        (S.CONFLICTED, T.REVIEW_REQUIRED): S.IN_REVIEW,
        (S.CONFLICTED, T.REFUSED_BY_PERSON): S.REJECTED,
        (S.CONFLICTED, T.AUTHOR_WITHDREW): S.WITHDRAWN,
        (S.IN_REVIEW, T.REMAPPED): S.READY,
        (S.IN_REVIEW, T.RESEND_DECIDED): S.READY,
        (S.IN_REVIEW, T.FOUND_BY_PERSON): S.APPLIED,
        (S.IN_REVIEW, T.REFUSED_BY_PERSON): S.REJECTED,
        (S.IN_REVIEW, T.AUTHOR_WITHDREW): S.WITHDRAWN,
        (S.IN_REVIEW, T.TAKEN_BACK): S.COMPENSATED,
        (S.IN_REVIEW, T.DRIFT_ACCEPTED): S.VERIFIED,
        (S.IN_REVIEW, T.REMOVED_IN_EHR): S.COMPENSATED,
        (S.PARKED, T.CAUSE_ENDED): S.READY,
        (S.PARKED, T.PARTLY_APPLIED): S.INCOMPLETE,
        (S.PARKED, T.REVIEW_REQUIRED): S.IN_REVIEW,
    }
)

# A state that nothing leads into could never be explained; intake makes the first.
assert {S.RECEIVED, *TRANSITIONS.values()} == set(State), "every state must be reached by some move"

#: States nothing leads out of.
ENDED: frozenset[State] = frozenset(State) - {state for state, _ in TRANSITIONS}
#: States in which the write stands in the chart, or stood there.
SETTLED: frozenset[State] = ENDED | {S.VERIFIED}
#: Ended without a trace in the chart: what waits behind such a command needs a person.
ENDED_WITHOUT_EFFECT: frozenset[State] = frozenset({S.REJECTED, S.WITHDRAWN, S.EXPIRED, S.SUPERSEDED})
#: A request of theirs may have reached the EHR and nobody knows the answer yet: they block their whole lane.
BLOCKS_LANE: frozenset[State] = frozenset({S.SENDING, S.UNKNOWN})
#: Not over: they block later commands of their subject.
OPEN: frozenset[State] = frozenset(State) - SETTLED
#: A person must act before anything else can.
NEEDS_PERSON: frozenset[State] = frozenset({S.AWAITING_APPROVAL, S.INCOMPLETE, S.CONFLICTED, S.IN_REVIEW})
#: Moves into or out of these are made only by the holder of the lane's lock and lease, under its fence.
FENCED: frozenset[State] = frozenset({S.SENDING, S.UNKNOWN})


def next_state(state: State, trigger: Trigger) -> State:
    """Return where ``trigger`` takes a command that is in ``state``.

    Raises :class:`IllegalTransitionError` when the table has no such move: a defect of the caller, nothing was moved.
    """
    try:
        return TRANSITIONS[state, trigger]
    except KeyError:
        raise IllegalTransitionError(state, trigger) from None
