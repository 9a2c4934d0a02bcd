"""Many commands sent again: in batches, at a rate, paused, cancelled, by two schedulers, and kept away from an EHR in trouble."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canonical.errors import RefusedError
from canonical.lifecycle import State
from canonical.replay import (
    NOT_TO_REPLAY,
    REPLAYABLE,
    STEPS,
    WHY,
    ItemState,
    Replay,
    ReplayState,
    Result,
    Selection,
    Step,
    replay_key,
    replay_limits,
)
from canonical.review_desk import ReviewError
from config.wiring import Services
from store.figures import Figures
from tests.reconcile.replay_bench import ReplayBench
from tests.reconcile.review.bench import ENGINEER
from tests.tasks.ward import Ward


@pytest.fixture
def bench(ward: Ward, services: Services) -> ReplayBench:
    return ReplayBench(ward=ward, services=services)


def many_turned_down(bench: ReplayBench, many: int) -> tuple[UUID, ...]:
    found = tuple(bench.turned_down().command_id for _ in range(many))
    bench.mend()
    return found


def begun(bench: ReplayBench, replay: Replay) -> int:
    return sum(item.state is not ItemState.PENDING for item in bench.items(replay))


def test_a_pause_in_the_middle_a_resume_and_a_cancel_leave_each_item_begun_once_or_never(bench: ReplayBench) -> None:
    commands = many_turned_down(bench, 5)
    replay = bench.ask(*commands, batch=2)
    bench.sweep()
    assert begun(bench, replay) == 2
    bench.step(replay, Step.PAUSE)
    bench.sweep()
    assert (begun(bench, replay), bench.state(replay)) == (2, "paused")
    bench.step(replay, Step.RESUME)
    bench.sweep()
    assert begun(bench, replay) == 4
    bench.step(replay, Step.CANCEL)
    bench.sweep()
    assert (begun(bench, replay), bench.state(replay)) == (4, "cancelled")
    assert [bench.ward.state(command) for command in commands] == ["ready"] * 4 + ["in_review"]
    for command in commands:
        bench.drive(command)
    assert (len(bench.ward.chart.sent), len(bench.entries)) == (4, 4)
    assert bench.desk.show(ENGINEER, replay.id).counts == {"pending": 1, "sent": 4}
    (figure,) = Figures(bench.ward.engine).snapshot().replays
    assert (figure.adapter, figure.outcomes, figure.success) == ("chart", {"proven": 4}, 1.0)


def test_a_pause_takes_effect_while_a_batch_is_being_begun(bench: ReplayBench, monkeypatch: pytest.MonkeyPatch) -> None:
    replay = bench.ask(*many_turned_down(bench, 3))
    probe = bench.ward.chart.probe

    def pause_first(*asked: Any) -> Any:
        if bench.state(replay) == "running":
            bench.step(replay, Step.PAUSE)
        return probe(*asked)

    monkeypatch.setattr(bench.ward.chart, "probe", pause_first)
    bench.sweep()
    assert (begun(bench, replay), bench.state(replay)) == (1, "paused")


def test_two_schedulers_begin_no_item_twice(bench: ReplayBench, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = many_turned_down(bench, 4)
    replay = bench.ask(*commands)
    together, first, probe = threading.Barrier(2), threading.local(), bench.ward.chart.probe

    def meet(*asked: Any) -> Any:
        # Both hold an item of their own before either goes on.
        if not getattr(first, "met", False):
            first.met = True
            together.wait(timeout=30)
        return probe(*asked)

    monkeypatch.setattr(bench.ward.chart, "probe", meet)
    with ThreadPoolExecutor(2) as schedulers:
        runs = [schedulers.submit(bench.sweep) for _ in range(2)]
        assert sum(run.result()["items"] for run in runs) == 4
    tries = bench.ward.query("SELECT tries FROM replay_items WHERE replay_id = %(id)s", id=replay.id)
    assert [row["tries"] for row in tries] == [1] * 4
    resent = bench.ward.query("SELECT command_id FROM events WHERE trigger = 'resend_decided'")
    assert sorted(row["command_id"] for row in resent) == sorted(commands)


def test_two_replays_of_one_command_at_once_give_one_in_its_place(
    bench: ReplayBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = bench.ended_by_consent()
    replays = [bench.ask(ended.command_id) for _ in range(2)]
    book, work = bench.services.replays.book, bench.services.replays.work
    items = [book.take(replay, ()) for replay in replays]
    together, probe = threading.Barrier(2), bench.ward.chart.probe

    def meet(*asked: Any) -> Any:
        together.wait(timeout=30)
        return probe(*asked)

    monkeypatch.setattr(bench.ward.chart, "probe", meet)
    with ThreadPoolExecutor(2) as schedulers:
        found = list(schedulers.map(lambda item: work.run(item) if item is not None else None, items))
    assert sorted(result.result for result in found if result is not None) == [Result.GIVEN, Result.REFUSED]
    (made,) = bench.ward.query("SELECT id FROM commands WHERE replay_of = %(id)s", id=ended.command_id)
    assert bench.drive(made["id"]) == "verified"
    assert len(bench.entries) == 1


def test_no_more_are_begun_in_a_minute_than_the_rate_allows(bench: ReplayBench) -> None:
    replay = bench.ask(*many_turned_down(bench, 3), per_minute=2)
    bench.sweep()
    bench.sweep()
    assert begun(bench, replay) == 2
    bench.ward.query("UPDATE replay_items SET begun_at = begun_at - interval '1 minute'")
    bench.sweep()
    assert (begun(bench, replay), bench.state(replay)) == (3, "done")


_INCIDENT = """
INSERT INTO cases (tenant, command_id, connection_id, action_type, kind, pool, severity, due_at, holds)
SELECT tenant, id, connection_id, action_type, 'drift_incident', 'operations', 1, now(), false FROM commands LIMIT 1
"""
#: What keeps items waiting → how it begins, and how it ends.
TROUBLES = {
    "drift-incident": (_INCIDENT, "UPDATE cases SET closed_at = now() WHERE kind = 'drift_incident'"),
    "connection-closed": (
        "UPDATE connections SET not_before = now() + interval '1 hour'",
        "UPDATE connections SET not_before = '-infinity'",
    ),
    "switched-off": (
        "UPDATE switches SET is_on = false WHERE kind = 'connection'",
        "UPDATE switches SET is_on = true",
    ),
}


def test_an_ehr_in_trouble_has_its_items_wait_and_says_why(bench: ReplayBench) -> None:
    (command,) = many_turned_down(bench, 1)
    replay = bench.ask(command)
    for why, (begins, ends) in TROUBLES.items():
        bench.ward.query(begins)
        bench.sweep()
        (item,) = bench.items(replay)
        assert (item.state, item.waits_for) == (ItemState.PENDING, why)
        bench.ward.query(ends)
    bench.sweep()
    assert (bench.result(replay).result, bench.items(replay)[0].waits_for) == (Result.SENT, "")


def test_a_selection_says_what_it_wants_and_is_refused_where_it_cannot_be(
    bench: ReplayBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = many_turned_down(bench, 2)
    written = bench.submit()
    bench.drive(written.command_id)

    def ask(**selected: Any) -> Replay:
        return bench.desk.ask(ENGINEER, Selection(**selected), reason="mended")

    assert [item.command for item in bench.items(ask(connection="north"))] == list(commands)
    assert len(bench.items(ask(case_kind="rejected_site_config", action_type="VitalReading"))) == 2
    assert len(bench.items(ask(state=State.IN_REVIEW))) == 2
    refused: list[tuple[dict[str, Any], str]] = [
        ({}, "Say which commands"),
        ({"connection": "elsewhere"}, "no such EHR connection"),
        ({"commands": (uuid4(),)}, "no such command"),
        ({"commands": commands, "connection": "north"}, "not both"),
        ({"state": State.VERIFIED}, "never replayed"),
        ({"case_kind": "gone"}, "No command that could be replayed"),
    ]
    for selected, sentence in refused:
        with pytest.raises(RefusedError, match=sentence):
            ask(**selected)
    monkeypatch.setattr("store.replays.replay_limits", _Small)
    with pytest.raises(RefusedError, match="More than 1 commands match: narrow it"):
        ask(connection="north")
    assert bench.ward.query("SELECT count(*) AS n FROM replays")[0]["n"] == 3


class _Small:
    most_items = 1


def test_another_tenants_command_is_none(bench: ReplayBench) -> None:
    (command,) = many_turned_down(bench, 1)
    bench.ward.query("UPDATE commands SET tenant = 't2'")
    with pytest.raises(RefusedError, match="no such command"):
        bench.ask(command)


def test_a_step_that_its_state_does_not_allow_is_refused_with_what_it_is(bench: ReplayBench) -> None:
    replay = bench.ask(*many_turned_down(bench, 1))
    with pytest.raises(ReviewError, match="This replay is running: it cannot resume") as refused:
        bench.step(replay, Step.RESUME)
    assert refused.value.code == "not-possible"


def test_every_state_is_replayable_or_says_why_not() -> None:
    assert {State.IN_REVIEW, State.REJECTED} == REPLAYABLE
    assert set(NOT_TO_REPLAY.values()) <= set(WHY)


@given(steps=st.lists(st.sampled_from(Step)))
def test_what_is_over_stays_over(steps: list[Step]) -> None:
    state = ReplayState.RUNNING
    for step in steps:
        before, state = state, STEPS.get((state, step), state)
        assert before not in {ReplayState.CANCELLED, ReplayState.DONE} or state is before


@given(replays=st.lists(st.uuids(), min_size=2, max_size=2), commands=st.lists(st.uuids(), min_size=2, max_size=2))
def test_a_key_tells_replays_and_commands_apart(replays: list[UUID], commands: list[UUID]) -> None:
    keys = {replay_key(replay, command) for replay in replays for command in commands}
    assert len(keys) == len(set(replays)) * len(set(commands))
    assert all(len(key) <= 255 for key in keys)


def test_the_limits_are_data_that_can_be_kept() -> None:
    limits = replay_limits()
    assert 1 <= limits.batch <= limits.most_batch
    assert 1 <= limits.per_minute <= limits.most_per_minute
    assert limits.most_items >= limits.most_batch
