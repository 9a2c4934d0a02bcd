from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canonical.ports import Timings
from canonical.proving import LATEST, SOONEST, Evidence, Finding, Unproven, Verdict, judge, lag_budget, next_look
from tests.factories import NOW, CommandFactory

TIMINGS = Timings()
YOUNG, OLD = lag_budget(TIMINGS) - timedelta(microseconds=1), lag_budget(TIMINGS)

TABLE: list[tuple[str, list[Finding], timedelta, Verdict]] = [
    ("equal", [Finding.EQUAL], YOUNG, Verdict.PROVEN),
    ("equal, however late", [Finding.EQUAL], OLD, Verdict.PROVEN),
    ("all of several", [Finding.EQUAL, Finding.EQUAL], YOUNG, Verdict.PROVEN),
    ("one not seen yet", [Finding.EQUAL, Finding.NOT_SEEN], YOUNG, Verdict.LATER),
    ("one never seen", [Finding.EQUAL, Finding.NOT_SEEN], OLD, Verdict.FAILED),
    ("different", [Finding.DIFFERENT], YOUNG, Verdict.FAILED),
    ("different beside equal", [Finding.EQUAL, Finding.DIFFERENT], YOUNG, Verdict.FAILED),
    ("different beside not seen", [Finding.NOT_SEEN, Finding.DIFFERENT], YOUNG, Verdict.FAILED),
    ("no evidence", [], YOUNG, Verdict.LATER),
    ("no evidence for too long", [], OLD, Verdict.FAILED),
]


@pytest.mark.parametrize(("findings", "age", "verdict"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_proof_needs_every_operation_equal(findings: list[Finding], age: timedelta, verdict: Verdict) -> None:
    assert judge([Evidence(finding=finding) for finding in findings], age=age, timings=TIMINGS) is verdict


def test_a_write_may_stay_unseen_as_long_as_the_ehr_declares() -> None:
    assert lag_budget(TIMINGS) == TIMINGS.slowest_commit + TIMINGS.search_lag + TIMINGS.margin


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=30)))
def test_the_older_the_write_the_longer_the_wait(age: timedelta) -> None:
    assert SOONEST <= next_look(age) <= LATEST
    assert next_look(age) <= next_look(age + timedelta(seconds=1))


def test_age_counts_from_the_ehr_s_word() -> None:
    waiting = Unproven(command=CommandFactory.create(), written=(), since=NOW - timedelta(seconds=3), now=NOW)
    assert waiting.age == timedelta(seconds=3)
