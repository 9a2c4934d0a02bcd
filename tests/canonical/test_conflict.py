from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from canonical.case_kinds import case_kinds
from canonical.conflict import CONFLICTS, Conflict, conflict_of, overtaken_by
from canonical.review_desk import Verb

NOON = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
ONE, TWO = UUID(int=1), UUID(int=2)


@pytest.mark.parametrize("kind", list(Conflict))
def test_every_kind_asks_something_and_offers_a_way_out(kind: Conflict) -> None:
    row = CONFLICTS[kind]
    assert row.cases <= set(case_kinds())
    assert {Verb.REJECT, Verb.ASK_AUTHOR, Verb.ESCALATE, Verb.WITHDRAW} <= row.verbs
    assert Verb.APPROVE not in row.verbs
    assert all(conflict_of(case) is row for case in row.cases)


def test_only_what_is_compared_is_decided_field_by_field() -> None:
    assert all(CONFLICTS[kind].compares for kind in Conflict if Verb.RESOLVE in CONFLICTS[kind].verbs)
    assert Verb.RESEND not in CONFLICTS[Conflict.WRONG_PATIENT].verbs | CONFLICTS[Conflict.MERGED_PATIENT].verbs


def test_a_question_of_another_sort_is_no_conflict() -> None:
    assert conflict_of("possible_duplicate") is None
    assert conflict_of("conflict") is CONFLICTS[Conflict.MOVED]


def test_a_command_is_overtaken_by_the_newest_look_that_is_in_the_chart() -> None:
    applied = [(ONE, NOON + timedelta(minutes=1)), (TWO, NOON + timedelta(minutes=2)), (UUID(int=3), None)]
    assert overtaken_by(NOON, applied) == TWO
    assert overtaken_by(NOON + timedelta(minutes=2), applied) is None
    assert overtaken_by(None, applied) is None
