import pytest
from hypothesis import given
from hypothesis import strategies as st

from canonical.case_kinds import case_kind, case_kinds
from canonical.drift import ALARMS, INCIDENT, Finding, Sight, judge
from canonical.lifecycle import State, Trigger, next_state
from canonical.reviewer import Pool
from canonical.status import explain


def sight(finding: Finding, *, is_primary: bool = True) -> Sight:
    return Sight(seq=1, finding=finding, is_primary=is_primary)


@given(st.lists(st.sampled_from(Finding), min_size=1))
def test_the_gravest_finding_is_that_of_the_whole(found: list[Finding]) -> None:
    order = list(Finding)
    assert judge(map(sight, found)) is min(found, key=order.index)


def test_nothing_seen_is_nothing_found() -> None:
    assert judge([]) is Finding.STANDS


def test_a_part_that_somebody_removed_changes_the_whole_and_does_not_take_it_out() -> None:
    assert judge([sight(Finding.STANDS), sight(Finding.REMOVED, is_primary=False)]) is Finding.EDITED
    assert judge([sight(Finding.REMOVED)]) is Finding.REMOVED


def test_only_three_findings_are_alarms_and_each_has_a_kind_that_says_it_was_proven() -> None:
    assert set(ALARMS) == {Finding.CHANGED, Finding.DISAPPEARED, Finding.MERGED}
    drifted = {name for name, kind in case_kinds().items() if kind.drifted}
    assert drifted == set(ALARMS.values())
    assert {case_kind(name).severity for name in drifted} == {1}
    assert (case_kind(INCIDENT).pool, case_kind(INCIDENT).drifted) == (Pool.OPERATIONS, False)


@pytest.mark.parametrize("finding", ALARMS)
def test_each_alarm_is_told_in_words_of_its_own(finding: Finding) -> None:
    assert explain(State.IN_REVIEW, f"drift-{finding}") != explain(State.IN_REVIEW)


@pytest.mark.parametrize("reason", ["edited-since", "changed-nameless", "changed-since", "drift-incident"])
def test_of_what_changed_since_its_proof_nobody_reads_that_it_is_the_same(reason: str) -> None:
    said = explain(State.VERIFIED, reason).sentence
    assert "it is the same" not in said
    assert said.startswith("It was written and read back. Since then")


def test_drift_leads_to_no_state_in_which_anything_is_sent() -> None:
    assert next_state(State.VERIFIED, Trigger.DRIFT_FOUND) is State.IN_REVIEW
    assert next_state(State.VERIFIED, Trigger.CHANGED_SINCE) is State.VERIFIED
    assert next_state(State.IN_REVIEW, Trigger.DRIFT_ACCEPTED) is State.VERIFIED
    for state in (State.VERIFIED, State.IN_REVIEW):
        assert next_state(state, Trigger.REMOVED_IN_EHR) is State.COMPENSATED
