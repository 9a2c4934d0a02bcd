"""The book of days: each day that is over is counted, again until all of it has ended, and a person hears of what is missing."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from api.metrics import FiguresCollector
from config.wiring import Services
from reconcile import balance
from store.balance_days import BalanceDays
from tests.reception import TENANT, add_operation, ask_somebody, give_consent, look, put_state, receive


class NoHands:
    """Nothing is handed on by a balance."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(name)


def today() -> date:
    return datetime.now(UTC).date()


def came_in(services: Services, *, days_ago: int) -> UUID:
    """Return a command that was received so many days (24 hours each) ago."""
    command = receive(services)
    shift = "clock_timestamp() - make_interval(days => %(n)s)"
    look(services, f"UPDATE commands SET received_at = {shift} WHERE id = %(id)s", n=days_ago, id=command.id)
    return command.id


def swept(services: Services) -> dict[str, int]:
    return dict(balance.run_once(services, NoHands()))


def book(services: Services) -> dict[date, dict[str, Any]]:
    return {
        row["day"]: row
        for row in look(
            services, "SELECT day, sheets, closes, next_at FROM balance_days WHERE tenant = 'north' ORDER BY day"
        )
    }


def cases(services: Services) -> list[dict[str, Any]]:
    return look(
        services,
        "SELECT id, command_id, pool, holds, closed_at, closed_reason FROM cases WHERE kind = 'balance_open' ORDER BY id",
    )


def due_now(services: Services) -> None:
    look(services, "UPDATE balance_days SET next_at = clock_timestamp()")


def test_every_day_that_is_over_is_counted_once_and_today_is_not(services: Services) -> None:
    give_consent(services)
    came_in(services, days_ago=3)
    assert swept(services) == {"days": 3, "unfit": 0, "closed_again": 0}
    kept = book(services)
    assert list(kept) == [today() - timedelta(days=n) for n in (3, 2, 1)]
    sheet = kept[today() - timedelta(days=3)]["sheets"]["north-r4"]
    assert (sheet["counts"]["received"], sheet["counts"]["ready"], sheet["unfit"]) == (1, 1, {})
    assert swept(services)["days"] == 0


def test_a_day_with_something_open_is_counted_at_the_next_midnight_and_one_that_is_over_seldom(
    services: Services,
) -> None:
    give_consent(services)
    came_in(services, days_ago=2)
    swept(services)
    kept = book(services)
    midnight = datetime.combine(today() + timedelta(days=1), datetime.min.time(), UTC)
    assert kept[today() - timedelta(days=2)]["next_at"] == midnight
    assert kept[today() - timedelta(days=1)]["next_at"] > midnight + timedelta(days=20)


def test_a_day_that_does_not_close_asks_one_person_of_its_connection_and_no_more(services: Services) -> None:
    give_consent(services)
    first, second = came_in(services, days_ago=1), came_in(services, days_ago=1)
    for command in (first, second):
        put_state(services, command, "verified")
    assert swept(services)["unfit"] == 2
    due_now(services)
    assert swept(services)["unfit"] == 2
    (case,) = cases(services)
    assert (case["command_id"] in {first, second}, case["pool"], case["holds"]) == (True, "operations", False)
    told = {
        sample.labels["reason"]: sample.value
        for metric in FiguresCollector(services).collect()
        if metric.name == "writeback_balance_unfit"
        for sample in metric.samples
    }
    assert (told["in-chart-without-proof"], told["nobody-is-asked"]) == (2, 0)


def test_the_case_is_over_when_every_day_of_the_connection_closes(services: Services) -> None:
    give_consent(services)
    asked, proven = came_in(services, days_ago=1), came_in(services, days_ago=2)
    put_state(services, asked, "in_review")
    put_state(services, proven, "verified")
    swept(services)
    ask_somebody(services, asked)
    due_now(services)
    assert swept(services) == {"days": 2, "unfit": 1, "closed_again": 0}
    add_operation(services, proven, "verified")
    due_now(services)
    assert swept(services) == {"days": 2, "unfit": 0, "closed_again": 1}
    assert [(case["closed_reason"], case["closed_at"] is None) for case in cases(services)] == [
        ("balance-closes", False)
    ]
    assert all(day["closes"] for day in book(services).values())


def test_events_that_belong_to_no_command_keep_their_day_open(services: Services) -> None:
    yesterday = today() - timedelta(days=1)
    look(
        services,
        """
        INSERT INTO events (tenant, command_id, seq, at, trigger, source, target, reason, actor)
        VALUES ('north', gen_random_uuid(), 1, clock_timestamp() - interval '1 day', 'received', '', 'received', 'test', 'test')
        """,
    )
    sheet = BalanceDays(services.engine, actor="test").count(TENANT, yesterday)
    assert [one.why for one in sheet.unfit] == ["no-command"]
    assert cases(services) == []
    assert services.doors.balances.sheet(tenant=TENANT, since=today()).closes


def test_a_count_costs_the_day_and_not_what_was_ever_received(services: Services) -> None:
    with services.engine.connect() as connection:
        connection.exec_driver_sql("SET enable_seqscan = off")
        plan = connection.exec_driver_sql(
            "EXPLAIN SELECT tenant, day FROM balance_days WHERE next_at <= statement_timestamp() ORDER BY next_at LIMIT 50"
        )
        assert any("ix_balance_days_due" in str(line) for line in plan)


@pytest.mark.parametrize("day", [0, 1])
def test_another_tenant_s_receipts_are_not_in_the_book(services: Services, day: int) -> None:
    give_consent(services)
    came_in(services, days_ago=day)
    swept(services)
    assert look(services, "SELECT 1 FROM balance_days WHERE tenant <> 'north'") == []
