"""How a command ends of which parts were taken back: over everything that can have become of its parts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canonical.lifecycle import State
from canonical.part_ends import IN_CHART, OUT, PartsEnding, PartsStand, ending_of

MADE_UP, NOT_THERE = "made_up_for", ("planned", "incomplete")
ENDS = [*sorted(IN_CHART), *sorted(OUT), MADE_UP, *NOT_THERE]
operation_states = st.lists(
    st.tuples(st.sampled_from(ENDS), st.sampled_from(["Observation", "Task", "Provenance"])), max_size=6
)


@st.composite
def stands(draw: st.DrawFn) -> PartsStand:
    found = draw(operation_states)
    operations = tuple((seq, state, type_) for seq, (state, type_) in enumerate(found, 1))
    entries = [seq for seq, _, type_ in operations if type_ != "Provenance"]
    places = st.frozensets(st.sampled_from(entries)) if entries else st.just(frozenset[int]())
    return PartsStand(operations=operations, left=draw(places), maybe=draw(places))


def entries(stand: PartsStand) -> dict[int, str]:
    return {seq: state for seq, state, type_ in stand.operations if type_ != "Provenance"}


@given(stands())
def test_it_is_never_called_taken_back_while_something_of_it_stands_or_may(stand: PartsStand) -> None:
    ended, told = ending_of(stand), entries(stand)
    there = {seq for seq, state in told.items() if state in IN_CHART} | stand.maybe
    if ended.move.target is State.COMPENSATED:
        assert there == set()
        assert MADE_UP not in told.values()
        assert OUT.intersection(told.values())
    if ended.move.target is State.INCOMPLETE:
        assert not (OUT | {MADE_UP}).intersection(told.values()), "the rest could be sent beside what was taken back"
    if ended.move.target is State.PARTLY_TAKEN_BACK:
        assert there or MADE_UP in told.values()


@given(stands())
def test_somebody_is_asked_of_whatever_stands_that_nobody_decided_to_leave(stand: PartsStand) -> None:
    ended = ending_of(stand)
    there = {seq for seq, state in entries(stand).items() if state in IN_CHART} | stand.maybe
    if ended.move.target is State.INCOMPLETE:
        assert (ended.case, ended.asks) == ("incomplete", False), "its own case asks"
        return
    assert (ended.case, ended.asks) == (None, bool(there - stand.left))


@pytest.mark.parametrize(
    ("states", "target"),
    [
        (["taken_back", "removed", "incomplete"], State.COMPENSATED),
        (["taken_back", "verified", "incomplete"], State.PARTLY_TAKEN_BACK),
        (["made_up_for", "incomplete"], State.PARTLY_TAKEN_BACK),
        (["verified", "applied", "incomplete"], State.INCOMPLETE),
        (["incomplete", "planned"], State.INCOMPLETE),
    ],
)
def test_each_ending_has_an_example(states: list[str], target: State) -> None:
    assert ended(*states).move.target is target


def ended(*states: str) -> PartsEnding:
    return ending_of(PartsStand(operations=tuple((seq, state, "Observation") for seq, state in enumerate(states, 1))))


def test_the_event_says_what_became_of_each_part() -> None:
    detail = ended("taken_back", "verified", "made_up_for", "incomplete").move.detail
    assert detail == {"taken_back": [1], "made_up_for": [3], "stands": [2]}


def test_the_record_of_who_made_it_stands_beside_and_does_not_count() -> None:
    stand = PartsStand(operations=((1, "taken_back", "Observation"), (2, "verified", "Provenance")))
    assert ending_of(stand).move.target is State.COMPENSATED
