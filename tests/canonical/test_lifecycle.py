from __future__ import annotations

import itertools

import pytest

from canonical import lifecycle
from canonical.errors import IllegalTransitionError
from canonical.lifecycle import TRANSITIONS, State, Trigger, next_state

PRODUCT = list(itertools.product(State, Trigger))


@pytest.mark.parametrize(("state", "trigger"), PRODUCT, ids=[f"{state}-{trigger}" for state, trigger in PRODUCT])
def test_a_pair_moves_as_the_table_says_or_raises_naming_both(state: State, trigger: Trigger) -> None:
    if (state, trigger) in TRANSITIONS:
        assert next_state(state, trigger) is TRANSITIONS[state, trigger]
        return
    with pytest.raises(IllegalTransitionError) as raised:
        next_state(state, trigger)
    assert (raised.value.state, raised.value.trigger) == (state, trigger)


def _reachable(start: State) -> set[State]:
    seen, new = {start}, {start}
    while new:
        new = {end for (state, _), end in TRANSITIONS.items() if state in new} - seen
        seen |= new
    return seen


def test_every_state_is_reachable_from_the_receipt() -> None:
    assert _reachable(State.RECEIVED) == set(State)


def test_every_trigger_moves_something() -> None:
    assert {trigger for _, trigger in TRANSITIONS} == set(Trigger)


@pytest.mark.parametrize("state", State)
def test_no_state_is_a_trap_that_leads_to_no_end(state: State) -> None:
    assert _reachable(state) & lifecycle.SETTLED


def test_the_derived_sets_are_what_the_product_promises() -> None:
    was_there = {State.COMPENSATED, State.PARTLY_TAKEN_BACK}
    ended = {State.REJECTED, State.WITHDRAWN, State.EXPIRED, State.SUPERSEDED} | was_there
    assert ended == lifecycle.ENDED
    assert ended | {State.VERIFIED} == lifecycle.SETTLED
    assert set(State) - lifecycle.SETTLED == lifecycle.OPEN
    assert lifecycle.ENDED - was_there == lifecycle.ENDED_WITHOUT_EFFECT
    assert lifecycle.BLOCKS_LANE <= lifecycle.OPEN
    assert lifecycle.NEEDS_PERSON <= lifecycle.OPEN
    assert {State.SENDING, State.UNKNOWN} == lifecycle.FENCED


@pytest.mark.parametrize("state", [State.SENDING, State.UNKNOWN, State.PENDING_REMOTE, State.APPLIED])
def test_what_may_be_in_the_chart_cannot_be_called_off(state: State) -> None:
    ends = {end for (source, _), end in TRANSITIONS.items() if source is state}
    assert ends.isdisjoint({State.EXPIRED, State.WITHDRAWN, State.SUPERSEDED, State.REJECTED})


def test_only_a_probe_moves_an_unknown_command_and_only_its_no_allows_another_try() -> None:
    moves = {trigger: end for (state, trigger), end in TRANSITIONS.items() if state is State.UNKNOWN}
    assert set(moves) == {
        Trigger.PROBE_FOUND,
        Trigger.OPERATION_FOUND,
        Trigger.PROBE_NOT_APPLIED,
        Trigger.PROBE_CANNOT_TELL,
    }
    # After an operation that was found comes the next one, never the same again.
    again = {trigger for trigger, end in moves.items() if end is State.READY}
    assert again == {Trigger.OPERATION_FOUND, Trigger.PROBE_NOT_APPLIED}


def test_a_lost_lease_never_goes_back_to_ready() -> None:
    assert next_state(State.SENDING, Trigger.LEASE_EXPIRED) is State.UNKNOWN


def test_the_chart_is_reached_only_by_proof() -> None:
    proofs = {trigger for (_, trigger), end in TRANSITIONS.items() if end is State.VERIFIED}
    # The other two are of what was proven before: the chart changed since, and a person or a name stands for that.
    after_proof = {Trigger.CHANGED_SINCE, Trigger.DRIFT_ACCEPTED}
    assert proofs == {Trigger.PROVEN, Trigger.ANSWERED_PROVEN} | after_proof
    assert {state for state, trigger in TRANSITIONS if trigger in after_proof} == {State.VERIFIED, State.IN_REVIEW}


def test_the_time_box_of_a_remote_review_never_ends_in_a_resend() -> None:
    assert next_state(State.PENDING_REMOTE, Trigger.TIME_BOX_ENDED) is State.IN_REVIEW


def test_a_lapsed_approval_waits_for_a_new_one() -> None:
    assert next_state(State.READY, Trigger.APPROVAL_LAPSED) is State.AWAITING_APPROVAL
