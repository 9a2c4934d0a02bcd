from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canonical.ports import Timings
from canonical.proving import LATEST, SOONEST, Evidence, Finding, Verdict, judge, lag_budget, next_look

TIMINGS = Timings(
    slowest_commit=timedelta(seconds=2), search_lag=timedelta(seconds=1), margin=timedelta(milliseconds=500)
)
YOUNG, OLD = timedelta(seconds=1), timedelta(seconds=10)


def evidence(*findings: Finding) -> list[Evidence]:
    return [Evidence(finding=finding) for finding in findings]


@pytest.mark.parametrize(
    ("findings", "age", "verdict"),
    [
        ((Finding.EQUAL,), YOUNG, Verdict.PROVEN),
        ((Finding.EQUAL,), OLD, Verdict.PROVEN),
        ((Finding.EQUAL, Finding.EQUAL), YOUNG, Verdict.PROVEN),
        ((Finding.DIFFERENT,), YOUNG, Verdict.FAILED),
        ((Finding.EQUAL, Finding.DIFFERENT), YOUNG, Verdict.FAILED),
        ((Finding.NOT_SEEN, Finding.DIFFERENT), YOUNG, Verdict.FAILED),
        ((Finding.NOT_SEEN,), YOUNG, Verdict.LATER),
        ((Finding.NOT_SEEN,), OLD, Verdict.FAILED),
        ((Finding.UNREADABLE,), YOUNG, Verdict.LATER),
        ((Finding.UNREADABLE,), OLD, Verdict.FAILED),
        ((Finding.EQUAL, Finding.NOT_SEEN), YOUNG, Verdict.LATER),
        ((Finding.EQUAL, Finding.NOT_SEEN), OLD, Verdict.FAILED),
    ],
)
def test_a_write_is_proven_only_when_all_of_it_was_read_back_equal(
    findings: tuple[Finding, ...], age: timedelta, verdict: Verdict
) -> None:
    assert judge(evidence(*findings), age=age, timings=TIMINGS) is verdict


def test_no_evidence_proves_nothing() -> None:
    assert judge([], age=YOUNG, timings=TIMINGS) is Verdict.LATER
    assert judge([], age=OLD, timings=TIMINGS) is Verdict.FAILED


def test_what_is_not_seen_is_looked_for_until_the_ehr_s_own_limits_have_passed() -> None:
    budget = lag_budget(TIMINGS)
    assert budget == timedelta(milliseconds=3500)
    just_before = budget - timedelta(microseconds=1)
    assert judge(evidence(Finding.NOT_SEEN), age=just_before, timings=TIMINGS) is Verdict.LATER
    assert judge(evidence(Finding.NOT_SEEN), age=budget, timings=TIMINGS) is Verdict.FAILED


@given(
    findings=st.lists(st.sampled_from(Finding), min_size=1, max_size=4),
    seconds=st.floats(min_value=0, max_value=1000, allow_nan=False),
)
def test_nothing_but_equality_of_everything_is_proof(findings: list[Finding], seconds: float) -> None:
    verdict = judge(evidence(*findings), age=timedelta(seconds=seconds), timings=TIMINGS)
    assert (verdict is Verdict.PROVEN) == all(finding is Finding.EQUAL for finding in findings)


@given(seconds=st.floats(min_value=0, max_value=1e6, allow_nan=False))
def test_the_older_a_write_the_rarer_it_is_looked_for_within_bounds(seconds: float) -> None:
    wait = next_look(timedelta(seconds=seconds))
    assert SOONEST <= wait <= LATEST
    assert next_look(timedelta(seconds=seconds * 2)) >= wait
