"""Commands of several operations sent again over HTTP: what the sandbox's chart has of them in the end, and how often."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import pytest

from adapters import open_ehr
from canonical.lifecycle import Trigger
from canonical.ports import ConnectionSettings, Ehr, Proof
from canonical.replay import Result
from config.wiring import build
from store.intake import Accepted
from tests.compound_factories import care_gap_closure_json
from tests.factories import Json, vital_reading_json
from tests.reconcile.replay_bench import ReplayBench
from tests.sandbox_fixture import RunningSandbox, sandbox, sandbox_server
from tests.tasks.test_compound_actions import MARK, TIMINGS
from tests.tasks.ward import PATIENT, Ward
from tests.ward_services import settings_for

__all__ = ["sandbox", "sandbox_server"]

GAP_CLOSED = ["", ".1", ".2"]
#: As an EHR answers that wants what its owners have us leave out, and one that has too much to do.
MISSET, BUSY = 428, 429


@dataclass
class CompoundReplays(ReplayBench):
    """Replays over the sandbox, by HTTP."""

    ehr: Ehr
    sandbox: RunningSandbox

    def gap(self, *faults: Json) -> Accepted:
        """Return a gap closed by two readings, whose writes met ``faults`` in its one turn."""
        accepted = self.submit(gap_closed(), key="gap")
        self.sandbox.faults(*faults)
        self.turn(accepted)
        assert self.sandbox.fired() == {fault["id"]: 1 for fault in faults}
        self.sandbox.faults()
        return accepted

    def turn(self, accepted: Accepted) -> None:
        self.ward.run(accepted.lane_id, self.ward.turn(chart=self.ehr))

    def drive(self, command: UUID) -> str:
        (row,) = self.ward.query("SELECT lane_id FROM commands WHERE id = %(id)s", id=command)
        self.ward.run(row["lane_id"], self.ward.turn(chart=self.ehr))
        return self.ward.state(command)

    def chart(self, command: UUID) -> list[str]:
        """Return the marks of what the command wrote, once for each entry, as far as they are in the chart."""
        marks = [
            item["value"]
            for entry in self.sandbox.resources()
            for item in entry.get("identifier", [])
            if item["system"] == MARK and item["value"].startswith(str(command))
        ]
        return sorted(mark.removeprefix(str(command)) for mark in marks)

    @property
    def writes(self) -> int:
        return sum(item["method"] in {"POST", "PUT"} for item in self.sandbox.requests())


def gap_closed() -> Json:
    return care_gap_closure_json(evidence=[vital_reading_json(), vital_reading_json("heart-rate")])


def first_write(fault: str, **parameters: Any) -> Json:
    match = {"method": "POST", "type": "Observation"}
    return {"id": fault, "fault": fault, "match": match, "nth": 1, "parameters": parameters}


@pytest.fixture
def bench(ward: Ward, sandbox: RunningSandbox, redis_url: str, tmp_path: Path) -> Iterator[CompoundReplays]:
    sandbox.seed([PATIENT, {"resourceType": "Practitioner", "id": "n1"}])
    settings = ConnectionSettings(
        tenant="t1", name="north", adapter="fhir_r4", base_url=sandbox.url, timings=TIMINGS, proof=Proof.ANSWER
    )
    ehr = open_ehr(settings)
    services = build(
        settings_for(ward, redis_url, tmp_path),
        random=Random(1),
        opener=lambda _settings: ehr,
        capabilities=lambda _settings: ehr.capabilities,
    )
    yield CompoundReplays(ward=ward, services=services, ehr=ehr, sandbox=sandbox)
    services.close()
    ehr.close()


def test_one_of_which_nothing_was_taken_goes_on_itself_and_the_chart_has_each_part_once(bench: CompoundReplays) -> None:
    accepted = bench.gap(first_write("error_before_commit", status=MISSET))
    command = accepted.command_id
    assert (bench.ward.state(command), bench.chart(command), bench.writes) == ("in_review", [], 1)
    told = bench.replayed(command)
    assert (told.result, told.bytes) == (Result.SENT, "stored")
    assert bench.drive(command) == "verified"
    assert (bench.chart(command), bench.writes) == (GAP_CLOSED, 4)
    assert bench.ward.events(command)[-5:] == ["resend_decided", "claimed", *["continued"] * 2, "answered_proven"]
    again = bench.submit(gap_closed(), key="gap")
    assert (again.command_id, again.replayed) == (command, True)


def test_one_that_ended_unwritten_is_given_anew_whole(bench: CompoundReplays) -> None:
    accepted = bench.gap(first_write("error_before_commit", status=BUSY))
    command = accepted.command_id
    bench.end(command, Trigger.CONSENT_ENDED, "consent-revoked")
    bench.ward.query("UPDATE connections SET not_before = '-infinity', failures = 0")
    told = bench.replayed(command)
    assert told.result is Result.GIVEN
    assert told.new_command is not None
    assert bench.drive(told.new_command) == "verified"
    # The bytes are those that were journaled for the first, and so are the marks in them: nothing is there twice.
    assert (bench.chart(command), bench.chart(told.new_command), bench.writes) == (GAP_CLOSED, [], 4)
    assert bench.ward.state(command) == "rejected"
    assert bench.replayed(command).result is Result.REFUSED


def test_one_of_which_a_part_is_there_after_all_is_told_and_nothing_of_it_is_sent(bench: CompoundReplays) -> None:
    accepted = bench.gap(first_write("commit_then_drop"))
    command = accepted.command_id
    assert bench.ward.state(command) == "unknown"
    bench.ward.query("UPDATE commands SET state = 'ready' WHERE id = %(id)s", id=command)
    bench.end(command, Trigger.CONSENT_ENDED, "consent-revoked")
    bench.let_quarantine_pass()
    told = bench.replayed(command)
    assert (told.result, told.why) == (Result.ALREADY_THERE, "probe-found-after-end")
    assert told.case_id is not None
    assert (bench.chart(command), bench.writes) == ([".1"], 1)
    assert bench.ward.query("SELECT 1 FROM commands WHERE replay_of = %(id)s", id=command) == []
