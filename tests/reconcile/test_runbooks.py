"""Each runbook played: what it says brings one there comes about, its commands are run as they stand, and it ends as it says."""

import os
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest
from typer.testing import CliRunner

from api.metrics import FiguresCollector
from canonical.review_desk import Decision, Verb
from cli.main import make_app
from cli.service_client import Profile
from config.wiring import Services
from reconcile import balance, overdue_cases, parked
from reconcile.incomplete_look import Looked
from tests.api.case_bench import CaseBench, PartCases, chart_server, part_cases
from tests.docs.runbook import Runbook
from tests.faults.proxy import Mode
from tests.reconcile.drift_bench import DriftBench, drift_bench
from tests.reconcile.review.bench import ENGINEER, NURSE
from tests.reconcile.review.part_bench import edit, open_cases, readings, reject
from tests.reconcile.test_incomplete_look import Bench, bench, two_readings
from tests.sandbox_fixture import sandbox, sandbox_server

__all__ = ["bench", "chart_server", "drift_bench", "part_cases", "sandbox", "sandbox_server"]
STANDS_FOR = {"TENANT": "t1", "CONNECTION": "north"}


def run(words: list[str], **stands_for: str) -> tuple[int, str]:
    """Run a command of a runbook, and return its exit status and what it printed."""
    known = STANDS_FOR | stands_for
    result = CliRunner().invoke(make_app(), [known.get(word, word) for word in words])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def at_a_machine_of(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give this process the environment of the service."""
    for name in [name for name in os.environ if name.startswith("WRITEBACK_")]:
        monkeypatch.delenv(name)
    for name in ("database_url", "redis_url", "connections_file", "data_dir"):
        monkeypatch.setenv(f"WRITEBACK_{name.upper()}", str(getattr(services.settings, name)))


def metric(services: Services, name: str, **labels: str) -> float:
    samples = [sample for found in FiguresCollector(services).collect() for sample in found.samples]
    return sum(one.value for one in samples if one.name == name and labels.items() <= one.labels.items())


@dataclass
class Night:
    """Whoever is called, at a machine of the service that ``bench`` runs on."""

    bench: DriftBench

    def run(self, words: list[str]) -> tuple[int, str]:
        return run(words)

    def closes(self, book: Runbook) -> bool:
        return self.run(book.command("balance"))[0] == 0

    def metric(self, name: str, **labels: str) -> float:
        return metric(self.bench.whole.services, name, **labels)

    def cases(self, kind: str) -> list[int]:
        sql = "SELECT id FROM cases WHERE kind = %(kind)s AND closed_at IS NULL ORDER BY id"
        return [row["id"] for row in self.bench.whole.look(sql, kind=kind)]

    def states(self) -> list[str]:
        return [row["state"] for row in self.bench.whole.look("SELECT state FROM commands ORDER BY received_at")]

    def turn(self, command: UUID) -> None:
        """Let a worker take turns of the command's lane."""
        (found,) = self.bench.whole.look("SELECT lane_id FROM commands WHERE id = %(id)s", id=command)
        while self.bench.whole.services.dispatcher.run(found["lane_id"]):
            continue

    def is_closed_after_a_turn(self, command: UUID) -> bool:
        self.let_be_tried_again()
        self.turn(command)
        return self.metric("writeback_connections_closed") == 1

    def let_be_tried_again(self) -> None:
        self.bench.whole.look("UPDATE connections SET not_before = '-infinity'")
        self.bench.whole.look("UPDATE commands SET due_at = clock_timestamp() WHERE state = 'ready'")
        parked.run_once(self.bench.whole.services, self.bench.hands)

    def let_a_day_pass(self) -> None:
        """Let everything have been received a day earlier, and the days that are in the book be due."""
        self.bench.whole.look("UPDATE commands SET received_at = received_at - interval '1 day'")
        self.bench.whole.look("UPDATE balance_days SET next_at = clock_timestamp()")


@pytest.fixture
def night(drift_bench: DriftBench, monkeypatch: pytest.MonkeyPatch) -> Night:
    at_a_machine_of(drift_bench.whole.services, monkeypatch)
    return Night(drift_bench)


def test_an_ehr_is_down_and_comes_back(night: Night) -> None:
    book, whole = Runbook("vendor-down"), night.bench.whole
    before = night.bench.ehr_writes()
    night.bench.station.proxy.mode = Mode.REFUSE
    first = whole.give(key="vendor-down-1")
    # How long it stays closed is drawn, and grows with each try.
    assert any(night.is_closed_after_a_turn(first) for _ in range(10))
    assert night.states() in (["parked"], ["ready"])
    status, said = night.run(book.command("doctor"))
    assert status == 1
    assert "north" in said
    assert night.run(book.command("switch", "off"))[0] == 0
    second = whole.give(key="vendor-down-2")
    night.let_be_tried_again()
    for command in (first, second):
        night.turn(command)
    assert night.bench.ehr_writes() == before
    night.bench.station.proxy.mode = Mode.PASS
    assert night.run(book.command("switch", "on"))[0] == 0
    night.let_be_tried_again()
    for command in (first, second):
        night.turn(command)
    assert night.states() == ["verified", "verified"]
    assert night.metric("writeback_connections_closed") == 0
    assert (len(night.bench.station.marked(first)), len(night.bench.station.marked(second))) == (1, 1)
    assert night.closes(book)


def test_the_queue_is_delayed_and_is_worked_off_without_redis(night: Night) -> None:
    book, whole = Runbook("queue-delayed"), night.bench.whole
    command = whole.give(key="queue-delayed")
    whole.look("UPDATE commands SET due_at = due_at - interval '5 minutes'")
    assert night.metric("writeback_oldest_seconds", what="ready") > 60
    assert night.metric("writeback_connections_closed") == 0
    assert "Redis" in night.run(book.command("doctor"))[1]
    assert book.command("poller") == ["poller"]
    from tasks.poller import Workers

    workers = Workers(whole.services, threads=1)
    lane = whole.look("SELECT lane_id FROM commands")[0]["lane_id"]
    assert workers.dispatch(lane)
    workers.close()
    assert whole.state(command) in {"verified", "applied"}
    assert night.metric("writeback_oldest_seconds", what="ready") == 0
    assert night.closes(book)


def test_charts_drift_and_the_cause_is_found(night: Night) -> None:
    book, bench = Runbook("drift-alert"), night.bench
    command = bench.written()
    bench.edit(command)
    bench.look()
    (case,) = night.cases("drift")
    alerts = overdue_cases.run_once(bench.whole.services, bench.hands)
    assert alerts["alerts"] == 1
    assert night.metric("writeback_drift_per_1000_looks_last_week") > 0
    before = bench.ehr_writes()
    assert night.run(book.command("switch", "off"))[0] == 0
    held = bench.whole.give(key="held-back")
    night.turn(held)
    assert bench.ehr_writes() == before
    page = bench.whole.desk.open(NURSE, case)
    bench.whole.desk.decide(NURSE, case, Decision(verb=Verb.ACCEPT, view=page.view))
    assert night.run(book.command("switch", "on"))[0] == 0
    night.let_be_tried_again()
    night.turn(held)
    assert (bench.whole.state(held), night.cases("drift")) == ("verified", [])
    assert overdue_cases.run_once(bench.whole.services, bench.hands)["alerts_over"] == 1


def test_the_balance_does_not_close_and_closes_again(night: Night) -> None:
    book, bench = Runbook("balance-does-not-close"), night.bench
    command = bench.written()
    assert night.closes(book)
    bench.whole.look("UPDATE operations SET state = 'applied' WHERE command_id = %(id)s", id=command)
    night.let_a_day_pass()
    balance.run_once(bench.whole.services, bench.hands)
    assert night.metric("writeback_balance_unfit", reason="in-chart-without-proof") == 1
    (case,) = night.cases("balance_open")
    assert bench.whole.desk.open(ENGINEER, case).row.kind == "balance_open"
    status, said = night.run(book.command("balance"))
    assert (status, str(command) in said) == (1, True)
    bench.whole.look("UPDATE operations SET state = 'verified' WHERE command_id = %(id)s", id=command)
    assert night.closes(book)
    bench.whole.look("UPDATE balance_days SET next_at = clock_timestamp()")
    balance.run_once(bench.whole.services, bench.hands)
    assert night.cases("balance_open") == []
    assert night.metric("writeback_balance_unfit") == 0


def test_a_part_is_not_in_the_chart_and_follows_by_itself(
    bench: Bench, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = Runbook("partial-submission")
    at_a_machine_of(services, monkeypatch)
    accepted = bench.stopped(two_readings())
    assert metric(services, "writeback_commands_open", state="incomplete") == 1
    assert bench.ward.cases(accepted.command_id) == ["attempts_exhausted"]
    assert run(book.command("balance"))[0] == 0
    assert bench.look() == [Looked.SENT_ON]
    bench.turn(accepted)
    assert (bench.ward.state(accepted.command_id), bench.chart(accepted)) == ("verified", ["", ".1", ".2"])
    assert metric(services, "writeback_commands_open", state="incomplete") == 0
    assert run(book.command("balance"))[0] == 0


@dataclass
class Reviewing:
    """A nurse at a terminal of the service, with their token; what a runbook says of a case is about ``case``."""

    served: CaseBench
    folder: Path

    def run(self, words: list[str], case: int, answer: str = "") -> str:
        profile, token = self.folder / "profile.json", self.folder / "token"
        nowhere = "http://127.0.0.1:1/token"
        made = Profile(
            api_url=self.served.url, token_url=nowhere, audience="writeback", client_id="desk", key_file=Path("none")
        )
        made.write(profile)
        token.write_text(self.served.token(NURSE) + "\n", encoding="ascii")
        told = [str(case) if word == "CASE" else word for word in words]
        options = ["--profile", str(profile), "--token-file", str(token)]
        done = CliRunner().invoke(make_app(["review"]), [*told, *options], input=answer)
        assert done.exit_code == 0, done.output
        return done.stdout


@pytest.mark.parametrize("comes_between", [False, True])
def test_what_stands_of_a_command_is_taken_back_part_by_part(
    part_cases: PartCases, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, comes_between: bool
) -> None:
    book, parts = Runbook("partial-submission"), part_cases.parts
    services, nurse = parts.whole.services, Reviewing(part_cases.served, tmp_path)
    at_a_machine_of(services, monkeypatch)
    root = parts.stopped(readings())
    case = parts.case_of(root)
    assert "Part 2: " in nurse.run(book.command("review", "show"), case)
    said = nurse.run(book.command("review", "decide"), case, answer="y\n")
    assert "the rest of the command is never sent" in said
    assert metric(services, "writeback_commands_open", state="taking_back") == 1
    assert run(book.command("balance"))[0] == 0
    if comes_between:
        edit(parts, root, 1)
    parts.drive(root)
    assert run(book.command("balance"))[0] == 0
    if not comes_between:
        assert (parts.whole.state(root), metric(services, "writeback_commands_open", state="taking_back")) == (
            "compensated",
            0,
        )
        assert parts.chart(root) == {".1": "entered-in-error", ".2": "entered-in-error"}
        return
    reject(parts, parts.undoing(root)[1])
    assert (parts.swept(), parts.whole.state(root)) == (1, "partly_taken_back")
    assert parts.chart(root) == {".1": "final", ".2": "entered-in-error"}
    beside = parts.page(root)
    services.review_desk.decide(NURSE, beside.row.id, Decision(verb=Verb.ACKNOWLEDGE, view=beside.view))
    assert open_cases(parts, root) == []
    assert run(book.command("balance"))[0] == 0


def test_a_consent_is_revoked_while_something_is_on_its_way(night: Night) -> None:
    bench = night.bench
    written = bench.written()
    waiting = bench.whole.give(key="still-waiting")
    lost = bench.whole.give(key="answer-lost")
    bench.whole.look("UPDATE commands SET state = 'unknown' WHERE id = %(id)s", id=lost)
    revocation = bench.whole.services.doors.consents.revoke("t1", "c-review", actor="privacy-office")
    assert revocation is not None
    assert ([found[0] for found in revocation.in_flight], revocation.queued) == ([lost], 1)
    before = bench.ehr_writes()
    bench.whole.look("UPDATE commands SET state = 'rejected' WHERE id = %(id)s", id=lost)
    night.turn(waiting)
    assert (bench.whole.state(waiting), bench.whole.state(written)) == ("rejected", "verified")
    assert bench.ehr_writes() == before
