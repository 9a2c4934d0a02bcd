"""Cases of one connection and day that are one line of the queue and one alert, and stay one question each."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest

from canonical.acceptance import NOT_IN_TIME
from canonical.case_store import CaseAlert
from canonical.case_views import QueueQuery
from canonical.events import move
from canonical.lifecycle import State, Trigger
from canonical.outcome import Outcome, Settlement
from canonical.reviewer import Pool, Reviewer
from store.cases import Cases
from store.database import open_engine, transaction
from store.late_cases import LateCases
from store.moves import apply_move
from store.waiting_writes import StoredWaitingWrites
from tests.tasks.ward import Ward, open_ward

CLINICIAN = Reviewer(tenant="t1", issuer="i", subject="ada", name="Ada", pools=frozenset({Pool.CLINICAL}))


@pytest.fixture
def ward(database_url: str) -> Iterator[Ward]:
    engine = open_engine(database_url)
    ward = open_ward(engine, database_url)
    yield ward
    ward.close()
    engine.dispose()


def past_their_time(ward: Ward, many: int) -> list[UUID]:
    """Return commands whose time at the EHR's staff ended today."""
    ward.chart.on_send = lambda _operation: Settlement(outcome=Outcome.PENDING_REMOTE, status=202)
    commands = []
    for _ in range(many):
        accepted = ward.submit()
        ward.run(accepted.lane_id)
        commands.append(accepted.command_id)
    writes = StoredWaitingWrites(ward.engine, actor="test")
    assert writes.end_time_boxes([], limit=100, otherwise=timedelta(0)) == commands
    return commands


def listed(ward: Ward, query: QueueQuery) -> list[tuple[UUID, int]]:
    page = Cases(ward.engine).page(CLINICIAN, query)
    assert page.open == len(page.cases)
    return [(case.command_id, case.together) for case in page.cases]


def case_of(ward: Ward, command: UUID) -> int:
    return int(ward.query("SELECT id FROM cases WHERE command_id = %(id)s", id=command)[0]["id"])


def found(ward: Ward, command: UUID) -> None:
    with transaction(ward.engine) as connection:
        assert apply_move(connection, command, move(State.IN_REVIEW, Trigger.FOUND_BY_PERSON), actor="person:ada")


def test_those_of_one_day_are_one_line_and_the_next_stands_for_the_rest(ward: Ward) -> None:
    first, second, third = past_their_time(ward, 3)
    assert listed(ward, QueueQuery()) == [(first, 3)]
    assert listed(ward, QueueQuery(kind=NOT_IN_TIME)) == [(first, 3)]
    found(ward, first)
    assert listed(ward, QueueQuery()) == [(second, 2)]
    found(ward, third)
    assert listed(ward, QueueQuery()) == [(second, 1)]
    found(ward, second)
    assert listed(ward, QueueQuery()) == []


def test_each_of_a_digest_is_found_by_it_whichever_names_it_and_by_no_other_tenant(ward: Ward) -> None:
    commands = past_their_time(ward, 3)
    of_second = QueueQuery(together=case_of(ward, commands[1]))
    assert [command for command, _ in listed(ward, of_second)] == commands
    assert listed(ward, QueueQuery(action_type="VitalReading")) == [(command, 3) for command in commands]
    stranger = Reviewer(tenant="t2", issuer="i", subject="bo", name="Bo", pools=frozenset(Pool))
    assert Cases(ward.engine).page(stranger, of_second).cases == ()


def test_another_day_and_another_kind_are_lines_of_their_own(ward: Ward) -> None:
    first, second = past_their_time(ward, 2)
    ward.query("UPDATE cases SET digest_day = digest_day - 1 WHERE id = %(id)s", id=case_of(ward, second))
    ward.query("UPDATE cases SET due_at = due_at + interval '1 hour' WHERE id = %(id)s", id=case_of(ward, second))
    assert listed(ward, QueueQuery()) == [(first, 1), (second, 1)]


def test_the_most_severe_does_not_hide_behind_the_others(ward: Ward) -> None:
    _first, second, _third = past_their_time(ward, 3)
    ward.query("UPDATE cases SET severity = 1 WHERE id = %(id)s", id=case_of(ward, second))
    assert listed(ward, QueueQuery()) == [(second, 3)]


def test_a_late_digest_is_told_of_once_and_its_end_when_nothing_of_it_is_open(ward: Ward) -> None:
    commands = past_their_time(ward, 3)
    ward.query("UPDATE cases SET due_at = clock_timestamp() - interval '1 minute'")
    late, told = LateCases(ward.engine), list[CaseAlert]()

    def alerts() -> list[bool]:
        told.clear()
        late.begin_alerts(limit=10, paging=frozenset({2}), tell=told.append)
        late.end_alerts(limit=10, tell=told.append)
        return [alert.is_over for alert in told]

    assert (alerts(), alerts()) == ([False], [])
    for command in commands[:2]:
        found(ward, command)
        assert alerts() == []
    found(ward, commands[2])
    assert (alerts(), alerts()) == ([True], [])


def test_one_of_them_that_became_urgent_is_told_of_by_itself(ward: Ward) -> None:
    _first, second, _third = past_their_time(ward, 3)
    told = list[CaseAlert]()
    ward.query("UPDATE cases SET severity = 1 WHERE id = %(id)s", id=case_of(ward, second))
    LateCases(ward.engine).begin_alerts(limit=10, paging=frozenset({2}), tell=told.append)
    assert [alert.case_id for alert in told] == [case_of(ward, second)]
