"""Which settled writes the sweep hands out, when, and how many."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from canonical.drift import Settled
from canonical.drift_plan import drift_plan
from canonical.events import move
from canonical.lifecycle import State, Trigger
from reconcile import drifted
from reconcile.drifted import Config
from reconcile.schedule import SWEEPS
from store.database import transaction
from store.moves import apply_move
from tests.reconcile.conftest import Noted
from tests.reconcile.drift_bench import DriftBench, drift_bench
from tests.sandbox_fixture import sandbox, sandbox_server

__all__ = ["drift_bench", "sandbox", "sandbox_server"]
CASE, SCHEDULED = Settled.CASE, Settled.SCHEDULED


def test_two_sweepers_at_once_hand_out_each_look_once(drift_bench: DriftBench) -> None:
    commands = [drift_bench.written() for _ in range(12)]
    drift_bench.let_be_due()
    hands, start = [Noted(), Noted()], threading.Barrier(2)

    def run(mine: Noted) -> None:
        start.wait(20)
        drifted.run_once(drift_bench.whole.services, mine, Config())

    sweepers = [threading.Thread(target=run, args=(mine,)) for mine in hands]
    for one in sweepers:
        one.start()
    for one in sweepers:
        one.join()
    assert sorted(hands[0].settled + hands[1].settled) == sorted(commands)
    looked = [drift_bench.whole.services.drift_look.run(command) for command in commands * 2]
    assert (looked.count(SCHEDULED), looked.count(None)) == (12, 12)


def test_an_ehr_is_never_asked_more_than_it_bears(drift_bench: DriftBench, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(5):
        drift_bench.written()
    drift_bench.let_be_due()
    (key,) = drift_bench.whole.services.connections
    settings = drift_bench.whole.services.connections[key]
    few = {key: replace(settings, options={**settings.options, "looks_per_minute": 3})}
    monkeypatch.setitem(vars(drift_bench.whole.services), "connections", few)
    assert len(drift_bench.sweep()) == 3
    assert drift_bench.sweep() == []
    drift_bench.whole.look("UPDATE drift_budgets SET since = since - interval '61 seconds'")
    assert len(drift_bench.sweep()) == 2


def test_what_no_hand_is_free_for_is_handed_out_again_and_costs_nothing(drift_bench: DriftBench) -> None:
    command = drift_bench.written()
    drift_bench.let_be_due()
    assert drifted.run_once(drift_bench.whole.services, Noted(busy=True)) == {"writes": 0}
    assert drift_bench.whole.look("SELECT taken FROM drift_budgets")[0]["taken"] == 0
    assert drift_bench.sweep() == [command]


def test_a_look_whose_hint_was_lost_is_handed_out_again(drift_bench: DriftBench) -> None:
    command = drift_bench.written()
    drift_bench.let_be_due()
    assert drift_bench.sweep() == [command]
    assert drift_bench.sweep() == []
    drift_bench.whole.look(
        "UPDATE watched_writes SET next_look_at = next_look_at - %(lease)s, offered_until = offered_until - %(lease)s",
        lease=drift_plan().lease,
    )
    assert drift_bench.sweep() == [command]


def test_an_ehr_that_is_known_to_be_away_is_not_asked(drift_bench: DriftBench) -> None:
    drift_bench.written()
    drift_bench.let_be_due()
    drift_bench.whole.look("UPDATE connections SET not_before = clock_timestamp() + interval '1 minute'")
    assert drift_bench.sweep() == []


def test_what_is_proven_is_looked_at_first_after_a_quarter_of_an_hour_and_never_once_it_is_not(
    drift_bench: DriftBench,
) -> None:
    command = drift_bench.written()
    (row,) = drift_bench.whole.look("SELECT next_look_at - proven_at AS wait, step, high_risk FROM watched_writes")
    assert abs((row["wait"] - drift_plan().steps[0].after).total_seconds()) < 5
    assert (row["step"], row["high_risk"]) == (0, False)
    with transaction(drift_bench.station.ward.engine) as connection:
        assert apply_move(connection, command, move(State.VERIFIED, Trigger.TAKEN_BACK), actor="test")
    assert drift_bench.whole.look("SELECT next_look_at FROM watched_writes") == [{"next_look_at": None}]
    assert SWEEPS["drifted"].every.total_seconds() <= 5


def test_of_what_is_not_of_high_risk_a_part_is_drawn_and_the_rest_waits_for_its_next_step(
    drift_bench: DriftBench,
) -> None:
    commands = [drift_bench.written() for _ in range(10)]
    drift_bench.whole.look("UPDATE watched_writes SET next_look_at = clock_timestamp()")
    plan = drift_plan()
    drawn = {command for command in commands if plan.is_sampled(command, 0, high_risk=False)}
    assert set(drift_bench.sweep()) == drawn
    rest = drift_bench.whole.look("SELECT command_id, step FROM watched_writes WHERE offered_until = '-infinity'")
    assert {row["command_id"]: row["step"] for row in rest} == dict.fromkeys(set(commands) - drawn, 1)
