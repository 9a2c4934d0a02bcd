"""Cases of one connection and cause that are one line of the queue and one alert, and stay one question each."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

from canonical.acceptance import NOT_IN_TIME
from canonical.case_store import CaseAlert
from canonical.case_views import QueueQuery
from canonical.events import move
from canonical.lifecycle import State, Trigger
from canonical.outcome import Outcome, Settlement
from canonical.reviewer import Pool, Reviewer
from store.cases import Cases
from store.database import rows, transaction
from store.late_cases import LateCases
from store.moves import apply_move
from store.waiting_writes import StoredWaitingWrites
from tests.tasks.ward import Ward

CLINICIAN = Reviewer(tenant="t1", issuer="i", subject="ada", name="Ada", pools=frozenset({Pool.CLINICAL}))


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
    ward.query("UPDATE cases SET cause = 'day=2026-01-01', stands = true WHERE id = %(id)s", id=case_of(ward, second))
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


OPERATOR = Reviewer(tenant="t1", issuer="i", subject="olu", name="Olu", pools=frozenset({Pool.OPERATIONS}))


def refused(ward: Ward, many: int, *, code: str | None = "SITE-7") -> list[UUID]:
    """Return commands that the EHR refused because it is not set up for them."""
    ward.chart.on_send = lambda _operation: Settlement(
        outcome=Outcome.REJECTED_SITE_CONFIG, status=422, vendor_code=code
    )
    commands = []
    for _ in range(many):
        accepted = ward.submit()
        ward.run(accepted.lane_id)
        commands.append(accepted.command_id)
    return commands


def lines(ward: Ward) -> list[tuple[UUID, int, str | None]]:
    page = Cases(ward.engine).page(OPERATOR, QueueQuery())
    return [(case.command_id, case.together, case.cause) for case in page.cases]


def test_refusals_of_one_code_are_one_line_that_new_ones_join_until_none_is_open(ward: Ward) -> None:
    first, second = refused(ward, 2)
    (other,) = refused(ward, 1, code=None)
    said = "action=VitalReading code="
    assert lines(ward) == [(first, 2, f"{said}SITE-7"), (other, 1, f"{said}http-422")]
    (third,) = refused(ward, 1)
    assert lines(ward)[0] == (first, 3, f"{said}SITE-7")
    for command, left in ((first, second), (second, third)):
        ended(ward, command)
        assert {command for command, *_ in lines(ward)} == {left, other}
    ended(ward, third)
    assert [command for command, *_ in lines(ward)] == [other]
    assert ward.query("SELECT 1 FROM cases WHERE command_id = %(id)s AND closed_at IS NULL", id=third) == []


def ended(ward: Ward, command: UUID) -> None:
    with transaction(ward.engine) as connection:
        assert apply_move(connection, command, move(State.IN_REVIEW, Trigger.REFUSED_BY_PERSON), actor="person:olu")


def test_what_is_no_code_by_its_form_is_not_kept_of_a_cause(ward: Ward) -> None:
    refused(ward, 1, code="Smith, John is not registered")
    assert [cause for *_, cause in lines(ward)] == ["action=VitalReading code=other"]


def test_clinicians_see_no_line_of_a_cause_that_is_for_operations(ward: Ward) -> None:
    refused(ward, 2)
    assert listed(ward, QueueQuery()) == []


def test_a_cause_that_ended_is_told_of_anew_when_it_comes_back(ward: Ward) -> None:
    late, told = LateCases(ward.engine), list[CaseAlert]()

    def alerts() -> list[bool]:
        told.clear()
        ward.query("UPDATE cases SET due_at = clock_timestamp() - interval '1 minute' WHERE closed_at IS NULL")
        late.begin_alerts(limit=10, paging=frozenset({3}), tell=told.append)
        late.end_alerts(limit=10, tell=told.append)
        return [alert.is_over for alert in told]

    for command in refused(ward, 2):
        assert alerts() in ([False], [])
        ended(ward, command)
    assert alerts() == [True]
    refused(ward, 2)
    assert (alerts(), alerts()) == ([False], [])


def test_one_stands_for_its_cause_whatever_is_opened_and_closed_at_once(ward: Ward) -> None:
    """Whoever opens one while the one that stands is being closed waits for that, and stands in its place."""
    first, second = refused(ward, 2)
    ended(ward, second)
    with ThreadPoolExecutor(1) as pool:
        with transaction(ward.engine) as closing:
            rows(closing, "UPDATE cases SET closed_at = now() WHERE command_id = %(id)s", {"id": first})
            opening = pool.submit(
                ward.query,
                "INSERT INTO cases (tenant, command_id, connection_id, action_type, kind, pool, severity, cause) "
                "SELECT tenant, command_id, connection_id, action_type, kind, pool, severity, cause FROM cases "
                "WHERE command_id = %(id)s",
                id=second,
            )
            while not ward.query("SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"):
                assert not opening.done()
        opening.result(timeout=10)
    assert [command for command, *_ in lines(ward)] == [second]
