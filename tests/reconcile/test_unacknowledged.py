from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from canonical.acknowledging import Heard, How
from canonical.case_store import Resolution, Resolved
from canonical.case_views import QueueQuery
from canonical.lifecycle import State, Trigger
from canonical.reviewer import Pool
from config.wiring import Services
from reconcile import unacknowledged
from store.acknowledgements import FIGURES, Acknowledgements
from store.cases import Cases
from store.database import rows, transaction
from store.overdue import OVERDUE
from store.withdrawals import Withdrawals
from tests.case_factories import ReviewerFactory
from tests.reconcile.conftest import Noted
from tests.reconcile.owed import (
    NOTHING,
    acknowledge,
    cover_messages,
    declaring_message,
    ended,
    make,
    messages,
    open_cases,
    owed,
    run_out,
    sequence,
)
from tests.tasks.ward import Ward
from tests.ward_services import services_of


def test_what_ended_and_nobody_confirmed_becomes_one_case_of_operations(
    ward: Ward, services: Services, hands: Noted
) -> None:
    command = ended(ward)
    assert unacknowledged.run_once(services, hands) == NOTHING
    run_out(ward)
    assert unacknowledged.run_once(services, hands) == NOTHING | {"cases": 1}
    assert unacknowledged.run_once(services, hands) == NOTHING
    (case,) = ward.query("SELECT kind, pool, holds, severity FROM cases")
    assert case == {"kind": "unacknowledged", "pool": "operations", "holds": False, "severity": 2}
    assert ward.events(command)[-1] == "unacknowledged"
    assert ward.state(command) == "rejected"
    assert ward.chart.sent == []


def test_what_one_connection_brings_on_a_day_is_one_line_of_the_queue(
    ward: Ward, services: Services, hands: Noted
) -> None:
    for _ in range(3):
        ended(ward)
    run_out(ward)
    assert unacknowledged.run_once(services, hands)["cases"] == 3
    reviewer = ReviewerFactory.build(tenant="t1", pools=frozenset({Pool.OPERATIONS}))
    page = Cases(ward.engine).page(reviewer, QueueQuery())
    assert [(case.kind, case.together) for case in page.cases] == [("unacknowledged", 3)]


def test_what_was_confirmed_in_time_brings_nothing(ward: Ward, services: Services, hands: Noted) -> None:
    command = ended(ward)
    assert acknowledge(ward, command, sequence(ward, command)) is Heard.NOTED
    assert acknowledge(ward, command, sequence(ward, command)) is Heard.REPEATED
    run_out(ward)
    assert unacknowledged.run_once(services, hands) == NOTHING
    assert ward.events(command).count("acknowledged") == 1
    assert ward.cases(command) == []


def test_how_long_an_app_may_take_goes_by_the_severity_of_the_case_that_it_had(
    ward: Ward, services: Services, hands: Noted
) -> None:
    assert services.policies.queue.acknowledged_within(1).total_seconds() == 1800
    command = ward.submit().command_id
    make(ward, command, State.READY, Trigger.REVIEW_REQUIRED, case="identity_mismatch")
    make(ward, command, State.IN_REVIEW, Trigger.REFUSED_BY_PERSON)
    (row,) = ward.query("SELECT severity, due_at - owed_at AS within FROM acknowledgements")
    assert (row["severity"], row["within"].total_seconds()) == (1, 1800)


def test_what_waits_for_a_person_is_owed_from_when_its_severity_was_over(
    ward: Ward, services: Services, hands: Noted
) -> None:
    command = ward.submit().command_id
    make(ward, command, State.READY, Trigger.REVIEW_REQUIRED, case="identity_mismatch")
    (row,) = ward.query("SELECT owed_at - clock_timestamp() AS until, due_at - owed_at AS within FROM acknowledgements")
    assert 14 * 60 < row["until"].total_seconds() <= 15 * 60
    assert row["within"].total_seconds() == 1800
    assert Acknowledgements(ward.engine).figures().count == 0
    run_out(ward)
    assert Acknowledgements(ward.engine).figures().count == 1
    assert unacknowledged.run_once(services, hands)["cases"] == 1
    assert open_cases(ward, command) == ["identity_mismatch", "unacknowledged"]


def test_what_an_urgent_command_waits_behind_is_owed_as_soon_as_that_is_urgent(ward: Ward, services: Services) -> None:
    command = ward.submit().command_id
    make(ward, command, State.READY, Trigger.REVIEW_REQUIRED, case="locked")
    before = ward.query("SELECT severity, owed_at, due_at FROM acknowledgements")[0]
    retract = {"type": "VitalReading", "operation": "retract", "retractReason": "typed for another patient"}
    ward.submit(retract, target={"command": str(command)})
    after = ward.query("SELECT severity, owed_at, due_at, due_at - owed_at AS within FROM acknowledgements")[0]
    assert (before["severity"], after["severity"]) == (3, 1)
    assert after["owed_at"] < before["owed_at"]
    assert 1799 < after["within"].total_seconds() < 1801


def test_what_goes_on_is_owed_no_more_and_its_case_closes_with_the_reason(
    ward: Ward, services: Services, hands: Noted
) -> None:
    accepted = ward.submit()
    command = accepted.command_id
    make(ward, command, State.READY, Trigger.REVIEW_REQUIRED, case="identity_mismatch")
    run_out(ward)
    unacknowledged.run_once(services, hands)
    make(ward, command, State.IN_REVIEW, Trigger.RESEND_DECIDED)
    assert owed(ward, command) is None
    (case,) = ward.query("SELECT closed_reason, closed_by FROM cases WHERE kind = 'unacknowledged'")
    assert case == {"closed_reason": "not-owed", "closed_by": "test"}
    ward.run(accepted.lane_id)
    assert ward.state(command) == "verified"
    assert owed(ward, command) is None


def test_from_one_question_to_the_next_it_goes_on_waiting(ward: Ward, services: Services) -> None:
    command = ward.submit().command_id
    make(ward, command, State.READY, Trigger.TARGET_MOVED, case="conflict")
    before = owed(ward, command)
    make(ward, command, State.CONFLICTED, Trigger.REVIEW_REQUIRED, case="locked")
    assert owed(ward, command) == before


def test_what_is_in_the_chart_owes_nothing(ward: Ward, services: Services, hands: Noted) -> None:
    accepted = ward.submit()
    ward.run(accepted.lane_id)
    assert ward.state(accepted.command_id) == "verified"
    assert owed(ward, accepted.command_id) is None
    assert acknowledge(ward, accepted.command_id, 1) is Heard.NOTHING_OWED


def test_an_app_need_not_confirm_what_it_took_back_itself(ward: Ward, services: Services, hands: Noted) -> None:
    command = ward.submit().command_id
    assert Withdrawals(ward.engine).withdraw("t1", command, actor="app:app")
    assert ward.state(command) == "withdrawn"
    assert owed(ward, command) is None


def test_who_saw_an_older_state_has_not_confirmed_the_ending(ward: Ward, services: Services, hands: Noted) -> None:
    command = ward.submit().command_id
    make(ward, command, State.READY, Trigger.REVIEW_REQUIRED, case="identity_mismatch")
    seen = sequence(ward, command)
    make(ward, command, State.IN_REVIEW, Trigger.REFUSED_BY_PERSON)
    assert acknowledge(ward, command, seen) is Heard.OUTDATED
    run_out(ward)
    assert unacknowledged.run_once(services, hands)["cases"] == 1


def test_who_confirmed_that_it_waits_must_confirm_its_end_as_well(ward: Ward, services: Services) -> None:
    command = ward.submit().command_id
    make(ward, command, State.READY, Trigger.REVIEW_REQUIRED, case="identity_mismatch")
    assert acknowledge(ward, command, sequence(ward, command)) is Heard.NOTED
    make(ward, command, State.IN_REVIEW, Trigger.REFUSED_BY_PERSON)
    row = owed(ward, command)
    assert row is not None
    assert row["acknowledged_at"] is None


def test_no_event_that_there_is_not_can_be_confirmed(ward: Ward, services: Services) -> None:
    command = ended(ward)
    assert acknowledge(ward, command, sequence(ward, command) + 1) is Heard.NO_SUCH_EVENT
    assert (
        Acknowledgements(ward.engine).acknowledge("t1", "other", command, sequence=1, seen_by=None, actor="x") is None
    )


def test_who_confirms_late_closes_the_case(ward: Ward, services: Services, hands: Noted) -> None:
    command = ended(ward)
    run_out(ward)
    unacknowledged.run_once(services, hands)
    assert acknowledge(ward, command, sequence(ward, command)) is Heard.NOTED
    (case,) = ward.query("SELECT closed_reason, closed_by FROM cases")
    assert case == {"closed_reason": "acknowledged", "closed_by": "app:app"}
    assert Acknowledgements(ward.engine).figures().count == 0


def test_whoever_closes_the_case_took_it_on(ward: Ward, services: Services, hands: Noted) -> None:
    command = ended(ward)
    run_out(ward)
    unacknowledged.run_once(services, hands)
    cases = Cases(ward.engine)
    opened = cases.open_case_of("t1", command)
    assert opened is not None
    case = cases.find("t1", opened)
    assert case is not None
    reviewer = ReviewerFactory.build(tenant="t1")
    resolution = Resolution(case=case, reviewer=reviewer, verb="acknowledge", view_id=None, closes=True)
    assert cases.resolve(resolution) is Resolved.DONE
    row = owed(ward, command)
    assert row is not None
    assert (row["how"], row["acknowledged_by"]) == (How.PERSON, reviewer.actor)
    assert Acknowledgements(ward.engine).figures().count == 0


def test_a_look_costs_what_is_due_and_not_what_was_ever_owed(ward: Ward, services: Services) -> None:
    ended(ward)
    with transaction(ward.engine) as connection:
        connection.execute("SET LOCAL enable_seqscan = off")
        plan = [row["QUERY PLAN"] for row in rows(connection, f"EXPLAIN {OVERDUE}", {"limit": 100})]
        figures = [row["QUERY PLAN"] for row in rows(connection, f"EXPLAIN {FIGURES}")]
    assert any("ix_acknowledgements_due" in line for line in plan), plan
    assert any("Index Cond: (due_at <= statement_timestamp())" in line for line in plan), plan
    assert any("Index Cond: (owed_at <= statement_timestamp())" in line for line in figures), figures


@pytest.fixture
def second(ward: Ward, redis_url: str, tmp_path: Path) -> Iterator[Services]:
    folder = tmp_path / "second"
    folder.mkdir()
    with services_of(ward, redis_url, folder) as services:
        yield services


@pytest.mark.parametrize("by_message", [True, False])
def test_two_schedulers_at_once_do_it_once(
    ward: Ward, services: Services, second: Services, hands: Noted, *, by_message: bool
) -> None:
    cover_messages(ward)
    commands = [ended(ward) for _ in range(6)]
    run_out(ward)
    both = [declaring_message(one) if by_message else one for one in (services, second)]
    start = Barrier(2)

    def sweep(one: Services) -> int:
        start.wait()
        counts = unacknowledged.run_once(one, hands)
        return counts["messages"] + counts["cases"]

    with ThreadPoolExecutor(2) as pool:
        done = sum(pool.map(sweep, both))
    done += unacknowledged.run_once(both[0], hands)["messages"]
    assert done == len(commands)
    assert len(messages(ward)) == (len(commands) if by_message else 0)
    told = "author_messaged" if by_message else "unacknowledged"
    assert all(ward.events(command).count(told) == 1 for command in commands)
    assert all(ward.cases(command) == ([] if by_message else ["unacknowledged"]) for command in commands)
