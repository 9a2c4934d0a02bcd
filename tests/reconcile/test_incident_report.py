"""The gathering of a report on real PostgreSQL and a real EHR: what happened is found, and what could not be read is told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from canonical.errors import ConfigurationError, RefusedError
from canonical.incident.report import DivergenceKind, IncidentLimits
from canonical.incident.scenario import Scenario, from_toml
from canonical.ports import Ehr
from config.wiring import Services
from reconcile.incident_report import IncidentReports
from store.incidents import StoredIncidents
from tests.reconcile.drift_bench import DriftBench, drift_bench
from tests.reconcile.replay_bench import ReplayBench
from tests.sandbox_fixture import RunningSandbox, sandbox, sandbox_server
from tests.scenarios.player import play
from tests.tasks.ward import Ward

__all__ = ["drift_bench", "sandbox", "sandbox_server"]
K = DivergenceKind
SCENARIOS = Path(__file__).parents[1] / "scenarios"


def scenario(name: str) -> Scenario:
    return from_toml((SCENARIOS / f"{name}.toml").read_text(encoding="utf-8"))


def now() -> datetime:
    return datetime.now(UTC)


def reports(ward: Ward, ehrs: Callable[[str, str], Ehr], **limits: Any) -> IncidentReports:
    return IncidentReports(records=StoredIncidents(ward.engine), ehrs=ehrs, clock=now, limits=IncidentLimits(**limits))


def window() -> tuple[datetime, datetime]:
    return now() - timedelta(hours=1), now() + timedelta(minutes=1)


# -- what is found


@pytest.mark.parametrize("offset", [-300, 300])
@pytest.mark.parametrize(
    "name", ["written_twice_after_a_stale_look", "overwritten_unseen", "lost_by_a_restored_backup"]
)
def test_an_ehr_whose_clock_is_five_minutes_off_changes_nothing(
    sandbox: RunningSandbox, ward: Ward, name: str, offset: int
) -> None:
    told = scenario(name)
    told.behaviour["clock_offset_s"] = str(offset)
    played = play(told, sandbox, ward)
    assert played.judged.divergences[0].kind is told.first
    assert played.incident.first == played.judged.divergences[0]


def test_a_write_that_stands_is_no_divergence_and_nothing_is_sent_for_the_report(drift_bench: DriftBench) -> None:
    drift_bench.written()
    before = drift_bench.ehr_writes()
    made = drift_bench_report(drift_bench)
    assert (made.first, made.unread, [item.divergences for item in made.commands]) == (None, (), [()])
    assert drift_bench.ehr_writes() == before


def drift_bench_report(bench: DriftBench, **limits: Any) -> Any:
    ehr = bench.station.ehr
    return reports(bench.station.ward, lambda _tenant, _name: ehr, **limits).make(*window())


def test_the_look_that_found_a_drift_is_the_signal_that_fired(drift_bench: DriftBench) -> None:
    command = drift_bench.written()
    drift_bench.edit(command)
    silent = drift_bench_report(drift_bench)
    assert (silent.first.kind, silent.first.fired) == (K.DRIFT_AFTER_PROOF, None)
    drift_bench.look()
    told = drift_bench_report(drift_bench)
    assert (told.first.kind, told.first.fired.kind) == (K.DRIFT_AFTER_PROOF, "drift")
    assert told.first.earliest <= told.first.fired.at


def test_the_first_of_two_divergences_is_that_of_the_earlier_event(drift_bench: DriftBench) -> None:
    one, other = drift_bench.written(), drift_bench.written()
    for command in (other, one):
        drift_bench.whole.look("UPDATE operations SET state = 'applied' WHERE command_id = %(id)s", id=command)
    made = drift_bench_report(drift_bench)
    assert (made.first.kind, made.first.command) == (K.RECORD_DISAGREES, one)


def test_a_command_given_anew_by_a_replay_is_what_made_it_worse(services: Services, ward: Ward) -> None:
    bench = ReplayBench(ward=ward, services=services)
    ended = bench.ended_by_consent()
    told = bench.replayed(ended.command_id)
    assert told.new_command is not None
    assert bench.drive(told.new_command) == "verified"
    # The first request had got through after all: nobody asked the chart in time.
    version, body = ward.chart.resources[bench.entries[0]]
    ward.chart.resources["Observation/first"] = (version, {**body, "mark": str(ended.command_id)})
    made = reports(ward, lambda _tenant, _name: ward.chart).make(*window())
    assert (made.first.kind, made.first.command) == (K.WRITTEN_WITHOUT_RECORD, ended.command_id)  # type: ignore[union-attr]
    worse = made.first.worse  # type: ignore[union-attr]
    assert worse is not None
    assert (worse.kind, worse.command) == ("replay", told.new_command)


def test_what_is_left_of_a_command_without_a_row_is_judged_by_its_events(ward: Ward) -> None:
    ward.query(
        "INSERT INTO events (tenant, command_id, seq, trigger, source, target, reason, actor) "
        "VALUES ('t1', gen_random_uuid(), 1, 'received', 'received', 'received', 'received', 'test')"
    )
    maker = reports(ward, lambda _tenant, _name: ward.chart)
    made = maker.make(*window())
    assert [(item.divergences[0].kind, item.divergences[0].why) for item in made.commands] == [
        (K.RECORD_DISAGREES, "no-command")
    ]
    assert maker.make(*window(), connection="north").commands == ()


# -- what could not be read


def test_an_ehr_that_is_away_is_told_for_every_command_and_judged_for_none(
    drift_bench: DriftBench, sandbox: RunningSandbox
) -> None:
    commands = [drift_bench.written() for _ in range(5)]
    sandbox.faults({"fault": "error_before_commit", "parameters": {"status": 503}})
    asked = len(sandbox.requests())
    made = drift_bench_report(drift_bench)
    assert {(item.command, item.why) for item in made.unread} == {(command, "outage") for command in commands}
    assert made.first is None
    # After three in a row nobody keeps knocking.
    assert len(sandbox.requests()) - asked == 3


def test_a_budget_that_is_used_up_is_told(drift_bench: DriftBench, sandbox: RunningSandbox) -> None:
    first, second = drift_bench.written(), drift_bench.written()
    made = drift_bench_report(drift_bench, reads=2)
    assert {(item.command, item.why) for item in made.unread} == {(first, "budget"), (second, "budget")}
    in_no_time = drift_bench_report(drift_bench, time=timedelta())
    assert {item.why for item in in_no_time.unread} == {"budget"}


def test_a_history_that_is_refused_is_told_and_the_current_version_looked_at(
    drift_bench: DriftBench, sandbox: RunningSandbox
) -> None:
    command = drift_bench.written()
    sandbox.faults({"fault": "error_before_commit", "parameters": {"status": 403}, "match": {"path": "_history"}})
    made = drift_bench_report(drift_bench)
    assert [(item.command, item.why) for item in made.unread] == [(command, "history-http-403")]
    assert [entry.is_whole for entry in made.commands[0].chart.entries] == [False]
    assert made.first is None


def test_something_unforeseen_is_told_and_stops_no_other_look(
    drift_bench: DriftBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = drift_bench.written()

    def broken(*_: object) -> None:
        raise KeyError("72.50")

    monkeypatch.setattr(type(drift_bench.station.ehr), "copies", broken)
    made = drift_bench_report(drift_bench)
    assert [(item.command, item.why) for item in made.unread] == [(command, "failed")]
    assert len(made.commands[0].chart.entries) == 1


def test_what_cannot_be_compared_is_told_and_is_ground_for_nothing(
    drift_bench: DriftBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = drift_bench.written()

    def broken(*_: object) -> None:
        raise ValueError("72.50")

    monkeypatch.setattr(type(drift_bench.station.ehr), "differences", broken)
    made = drift_bench_report(drift_bench)
    assert [(item.command, item.why) for item in made.unread] == [(command, "not-comparable")]
    assert made.first is None


def test_a_connection_that_is_not_configured_any_more_is_told(drift_bench: DriftBench) -> None:
    command = drift_bench.written()

    def gone(_tenant: str, _name: str) -> Ehr:
        raise ConfigurationError("no such connection")

    made = reports(drift_bench.station.ward, gone).make(*window())
    assert [(item.command, item.why) for item in made.unread] == [(command, "not-configured")]


def test_an_ehr_without_history_is_named(ward: Ward) -> None:
    accepted = ward.submit()
    ward.run(accepted.lane_id)
    made = reports(ward, lambda _tenant, _name: ward.chart).make(*window())
    assert made.without_history == (("t1", "north"),)
    assert made.first is None


# -- what is refused


@pytest.mark.parametrize(
    ("since", "until", "over", "said"),
    [
        (0, 0, {}, "The window must end after it begins"),
        (1, 2, {}, "The window begins in the future"),
        (-24 * 8, 0, {}, "The window is longer than 7 days"),
        (-1, 1, {"connection": "south"}, "There is no connection south. There are: north (tenant t1)."),
        (-1, 1, {"tenant": "t2"}, "There is no connection of tenant t2. There are: north (tenant t1)."),
    ],
)
def test_a_window_or_a_connection_that_makes_no_report_is_refused_with_a_sentence(
    ward: Ward, since: int, until: int, over: dict[str, str], said: str
) -> None:
    maker = reports(ward, lambda _tenant, _name: ward.chart)
    at = now() + timedelta(minutes=1)
    with pytest.raises(RefusedError) as refused:
        maker.make(at + timedelta(hours=since), at + timedelta(hours=until), **over)
    assert str(refused.value).startswith(said)
    assert str(refused.value).endswith("Nothing was read of any chart.")


def test_more_commands_than_anybody_reads_are_refused_before_any_chart_is_read(ward: Ward) -> None:
    for _ in range(3):
        ward.submit()

    def nobody(_tenant: str, _name: str) -> Ehr:
        pytest.fail("the EHR must not be asked")

    with pytest.raises(RefusedError, match="more than 2 commands"):
        reports(ward, nobody, commands=2).make(*window())
    assert len(reports(ward, lambda _tenant, _name: ward.chart, commands=3).make(*window()).commands) == 3
