from __future__ import annotations

import inspect

import pytest

from canonical import lifecycle, status
from canonical.lifecycle import State, Trigger
from canonical.status import STATUS_OF, Status, explain


def test_the_five_statuses_never_change() -> None:
    assert [one.value for one in Status] == ["pending", "needsAttention", "inChart", "notWritten", "takenBack"]


def test_every_state_has_a_status_and_every_status_a_state() -> None:
    assert set(STATUS_OF) == set(State)
    assert set(STATUS_OF.values()) == set(Status)


def test_in_the_chart_means_verified_only() -> None:
    assert [state for state, one in STATUS_OF.items() if one is Status.IN_CHART] == [State.VERIFIED]


def test_unknown_is_never_told_as_not_written() -> None:
    assert STATUS_OF[State.UNKNOWN] is Status.PENDING
    assert "do not enter it again" in explain(State.UNKNOWN).next


def test_not_written_is_told_of_what_ended_without_effect_only() -> None:
    told = {state for state, one in STATUS_OF.items() if one is Status.NOT_WRITTEN}
    assert told == lifecycle.ENDED_WITHOUT_EFFECT


def test_who_needs_attention_is_who_needs_a_person_or_is_neither_there_nor_gone() -> None:
    told = {state for state, one in STATUS_OF.items() if one is Status.NEEDS_ATTENTION}
    assert told == lifecycle.NEEDS_PERSON | {State.TAKING_BACK, State.PARTLY_TAKEN_BACK}


@pytest.mark.parametrize("state", State)
def test_every_state_is_explained_with_a_sentence_and_a_next_step(state: State) -> None:
    said = explain(state)
    assert said.sentence.endswith(".")
    assert said.next.endswith(".")
    assert state.value not in said.sentence.split()


@pytest.mark.parametrize("member", [*State, *Trigger], ids=lambda member: f"{type(member).__name__}.{member.name}")
def test_every_state_and_trigger_says_in_the_source_what_it_means(member: State | Trigger) -> None:
    lines = inspect.getsource(type(member)).splitlines()
    at = next(number for number, line in enumerate(lines) if line.strip() == f'{member.name} = "{member.value}"')
    assert lines[at - 1].strip().startswith("#: ")


@pytest.mark.parametrize("reason", sorted(status._BY_REASON))
def test_a_reason_is_told_where_it_stopped_the_command_and_nowhere_else(reason: str) -> None:
    assert explain(State.IN_REVIEW, reason) == status._BY_REASON[reason] == explain(State.REJECTED, reason)
    for state in (State.VERIFIED, State.UNKNOWN, State.APPLIED, State.SENDING):
        assert explain(state, reason) == explain(state)


def test_a_reason_without_words_of_its_own_gets_the_state_s() -> None:
    assert explain(State.IN_REVIEW, "something-new") == explain(State.IN_REVIEW)


def test_what_was_rejected_is_sent_again_with_a_new_key() -> None:
    """The old one answers with the command that was rejected, for ever."""
    assert "with a new key" in explain(State.REJECTED).next


@pytest.mark.parametrize("kind", sorted(status.INSTEAD))
def test_what_went_another_way_is_told_in_which_form_it_is_in_the_chart(kind: str) -> None:
    for state in State:
        said = explain(state, sent_as=kind)
        plain = explain(state)
        assert said.next == plain.next
        assert (kind in said.sentence) is (STATUS_OF[state] is not Status.NOT_WRITTEN) or kind in plain.sentence
        assert said.sentence.startswith(plain.sentence)
