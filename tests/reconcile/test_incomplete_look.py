"""What a machine does with commands of which a part is in the chart: on the sandbox and real PostgreSQL, to the last event."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from adapters import open_ehr
from canonical.errors import EhrUnavailableError
from canonical.incomplete import rest_plan
from canonical.ports import ConnectionSettings, Ehr, Proof
from canonical.review_desk import Decision, Verb
from config.wiring import Services
from reconcile import incomplete
from reconcile.incomplete_look import IncompleteLook, Looked
from store.database import transaction
from store.incomplete_writes import StoredIncompleteWrites
from store.intake import Accepted
from tests.compound_factories import care_gap_closure_json, listed_change_json, medication_reconciliation_json
from tests.factories import Json, vital_reading_json
from tests.reconcile.conftest import Noted, let_wait
from tests.reconcile.review.bench import ENGINEER
from tests.sandbox_fixture import RunningSandbox, sandbox, sandbox_server
from tests.tasks.test_compound_actions import MARK, OTHER, TIMINGS, hold, statement
from tests.tasks.ward import PATIENT, Ward, revoke_consent

__all__ = ["sandbox", "sandbox_server"]

FIRST_TRY, SECOND_TRY = 301, 3601


@dataclass
class Bench:
    """A ward whose chart is the sandbox, and the look at its incomplete commands."""

    ward: Ward
    ehr: Ehr
    sandbox: RunningSandbox
    services: Services

    def stopped(
        self, action: Json, type: str = "Observation", nth: int = 2, status: int = 423, **more: Any
    ) -> Accepted:
        """Return a command whose ``nth`` write of ``type`` the EHR did not take."""
        accepted = self.ward.submit(action, **more)
        # One request is left of its budget: what passes by itself is not waited for here.
        self.ward.query("UPDATE commands SET spent = 7 WHERE id = %(id)s", id=accepted.command_id)
        match = {"method": more.pop("method", "POST"), "type": type}
        rule = {"fault": "error_before_commit", "match": match, "nth": nth, "parameters": {"status": status}}
        self.sandbox.faults({"id": "stop", **rule})
        self.turn(accepted)
        assert self.sandbox.fired() == {"stop": 1}
        assert self.ward.state(accepted.command_id) == "incomplete"
        self.sandbox.faults()
        return accepted

    def turn(self, accepted: Accepted) -> None:
        self.ward.run(accepted.lane_id, self.ward.turn(chart=self.ehr))

    def looker(self, ehr: Any = None) -> IncompleteLook:
        found = ehr or self.ehr
        writes = StoredIncompleteWrites(self.ward.engine, actor="sweep")
        return IncompleteLook(writes=writes, ehrs=lambda _tenant, _name: found, plan=rest_plan())

    def swept(self) -> list[UUID]:
        hands = Noted()
        incomplete.run_once(self.services, hands)
        return hands.incomplete

    def look(self, waited: float = FIRST_TRY) -> list[Looked | None]:
        """Let ``waited`` seconds pass, sweep, and look at what is found."""
        let_wait(self.ward, waited)
        return [self.looker().run(command) for command in self.swept()]

    def writes(self) -> list[str]:
        return [
            item["path"].partition("fhir/")[2] for item in self.sandbox.requests() if item["method"] in {"POST", "PUT"}
        ]

    def chart(self, accepted: Accepted) -> list[str]:
        """Return the marks of what the command wrote, as far as they are in the chart."""
        marks = [
            item["value"]
            for entry in self.sandbox.resources()
            for item in entry.get("identifier", [])
            if item["system"] == MARK and item["value"].startswith(str(accepted.command_id))
        ]
        return sorted(mark.removeprefix(str(accepted.command_id)) for mark in marks)

    def left(self, accepted: Accepted) -> tuple[str | None, str]:
        sql = "SELECT rest_left, rest_left_who FROM commands WHERE id = %(id)s"
        (row,) = self.ward.query(sql, id=accepted.command_id)
        return row["rest_left"], row["rest_left_who"]


@pytest.fixture
def bench(ward: Ward, services: Services, sandbox: RunningSandbox) -> Iterator[Bench]:
    people: list[Json] = [PATIENT, OTHER, {"resourceType": "Practitioner", "id": "n1"}]
    sandbox.seed([*people, statement("m3"), statement("m4")])
    settings = ConnectionSettings(
        tenant="t1", name="north", adapter="fhir_r4", base_url=sandbox.url, timings=TIMINGS, proof=Proof.ANSWER
    )
    ehr = open_ehr(settings)
    yield Bench(ward, ehr, sandbox, services)
    ehr.close()


def two_readings() -> Json:
    return care_gap_closure_json(evidence=[vital_reading_json(), vital_reading_json("heart-rate")])


def test_only_what_failed_and_what_follows_it_is_sent_and_the_chart_has_each_once(bench: Bench) -> None:
    accepted = bench.stopped(two_readings(), key="gap")
    command = accepted.command_id
    assert (bench.chart(accepted), bench.ward.reason(command)) == ([".1"], "attempts-exhausted")
    assert bench.look() == [Looked.SENT_ON]
    assert (bench.ward.state(command), bench.writes()[2:]) == ("ready", [])
    bench.turn(accepted)
    assert bench.ward.state(command) == "verified"
    assert bench.writes() == ["Observation", "Observation", "Observation", "Task"]
    assert bench.chart(accepted) == ["", ".1", ".2"]
    assert bench.ward.events(command)[2:] == [
        *("claimed", "continued", "partly_applied"),
        *("rest_replayed", "claimed", "continued", "answered_proven"),
    ]
    (who,) = bench.ward.query(
        "SELECT actor FROM events WHERE command_id = %(id)s AND trigger = 'rest_replayed'", id=command
    )
    assert who["actor"] == "sweep"
    (closure,) = bench.sandbox.resources("Task")
    named = {item["valueReference"]["reference"] for item in closure["output"]}
    assert named == {f"Observation/{item['id']}" for item in bench.sandbox.resources("Observation")}
    again = bench.ward.submit(two_readings(), key="gap")
    assert (again.command_id, again.replayed) == (command, True)
    (case,) = bench.ward.query("SELECT closed_reason FROM cases WHERE command_id = %(id)s", id=command)
    assert case["closed_reason"] == "rest_replayed"
    assert (bench.swept(), bench.ward.is_at_rest()) == ([], True)


def test_nothing_is_tried_before_its_time(bench: Bench) -> None:
    accepted = bench.stopped(two_readings())
    assert bench.look(waited=10) == [Looked.LATER]
    assert (bench.swept(), bench.ward.state(accepted.command_id)) == ([], "incomplete")


def test_what_somebody_changed_meanwhile_goes_to_a_person_who_is_told_by_whom(bench: Bench) -> None:
    accepted = bench.stopped(two_readings())
    (entry,) = bench.sandbox.resources("Observation")
    bench.sandbox.edit({**entry, "note": [{"text": "taken while standing"}]}, by={"name": "Dr. Ames"})
    assert bench.look() == [Looked.LEFT]
    assert bench.left(accepted)[0] == "changed"
    assert "Dr. Ames" in bench.left(accepted)[1]
    assert (bench.ward.state(accepted.command_id), len(bench.writes())) == ("incomplete", 2)
    assert bench.look() == []


def test_what_was_removed_meanwhile_goes_to_a_person(bench: Bench) -> None:
    accepted = bench.stopped(two_readings())
    bench.sandbox.delete(f"Observation/{bench.sandbox.resources('Observation')[0]['id']}")
    assert bench.look() == [Looked.LEFT]
    assert (bench.left(accepted)[0], len(bench.writes())) == ("disappeared", 2)


def test_what_the_ehr_refused_is_not_sent_by_a_machine(bench: Bench) -> None:
    accepted = bench.stopped(two_readings(), status=422)
    assert bench.ward.cases(accepted.command_id) == ["rejected_payload"]
    assert bench.look() == [Looked.LEFT]
    bench.turn(accepted)
    assert (bench.left(accepted)[0], len(bench.writes())) == ("cause", 2)


def test_an_order_that_is_not_declared_safe_goes_to_a_person(bench: Bench) -> None:
    changes = [listed_change_json(), hold()]
    accepted = bench.stopped(medication_reconciliation_json(changes=changes), "List", 1)
    assert bench.look() == [Looked.LEFT]
    assert (bench.left(accepted)[0], bench.sandbox.resources("List")) == ("order", [])


def test_what_failed_and_is_there_all_the_same_goes_to_a_person(bench: Bench) -> None:
    accepted = bench.stopped(two_readings())
    (entry,) = bench.sandbox.resources("Observation")
    mark = {"system": MARK, "value": f"{accepted.command_id}.2"}
    bench.sandbox.seed([{**entry, "id": "twin", "identifier": [mark]}])
    assert bench.look() == [Looked.LEFT]
    assert (bench.left(accepted)[0], len(bench.writes())) == ("found", 2)


def test_two_sweepers_at_once_send_the_rest_once(bench: Bench) -> None:
    accepted = bench.stopped(two_readings())
    let_wait(bench.ward, FIRST_TRY)
    both = threading.Barrier(2)

    def sweep(_: int) -> list[Looked | None]:
        found = bench.swept()
        both.wait(20)
        return [bench.looker().run(command) for command in found]

    with ThreadPoolExecutor(2) as pool:
        looked = [item for found in pool.map(sweep, range(2)) for item in found]
    assert (len(looked), looked.count(Looked.SENT_ON), looked.count(None)) == (2, 1, 1)
    assert bench.ward.events(accepted.command_id).count("rest_replayed") == 1
    bench.turn(accepted)
    assert bench.chart(accepted) == ["", ".1", ".2"]


def test_after_its_tries_a_person_decides(bench: Bench) -> None:
    accepted = bench.stopped(two_readings())
    waits = [item.total_seconds() + 1 for item in rest_plan().try_after]
    for number, wait in enumerate(waits, 1):
        assert bench.look(waited=waits[number - 2] if number > 1 else 1) == [Looked.LATER]
        assert bench.look(waited=wait) == [Looked.SENT_ON]
        bench.ward.query("UPDATE commands SET spent = 7 WHERE id = %(id)s", id=accepted.command_id)
        rule = {"fault": "error_before_commit", "match": {"method": "POST"}, "parameters": {"status": 423}}
        bench.sandbox.faults({"id": "stop", **rule})
        bench.turn(accepted)
        bench.sandbox.faults()
        assert bench.ward.state(accepted.command_id) == "incomplete"
    assert bench.look(waited=waits[-1]) == [Looked.LEFT]
    assert (bench.left(accepted)[0], bench.chart(accepted)) == ("tried", [".1"])


class Away:
    """An EHR that cannot be read."""

    def __init__(self, ehr: Any) -> None:
        self._ehr = ehr

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ehr, name)

    def fetch(self, reference: str, trace: Any) -> Any:
        raise EhrUnavailableError("outage")


def test_an_ehr_that_is_away_costs_no_try_and_after_three_days_a_person_decides(bench: Bench) -> None:
    accepted = bench.stopped(two_readings())
    let_wait(bench.ward, FIRST_TRY)
    assert [bench.looker(Away(bench.ehr)).run(item) for item in bench.swept()] == [Looked.LATER]
    assert bench.swept() == []
    let_wait(bench.ward, 73 * 3600)
    assert [bench.looker(Away(bench.ehr)).run(item) for item in bench.swept()] == [Looked.LEFT]
    assert (bench.left(accepted)[0], len(bench.writes())) == ("unreadable", 2)


def test_a_case_that_a_person_has_in_hand_is_theirs(bench: Bench) -> None:
    accepted = bench.stopped(two_readings())
    bench.ward.query("UPDATE cases SET claimed_by = 'p', claimed_until = clock_timestamp() + interval '1 hour'")
    assert bench.look() == [None]
    bench.ward.query("UPDATE cases SET claimed_until = clock_timestamp()")
    assert bench.look() == [Looked.SENT_ON]
    assert bench.ward.state(accepted.command_id) == "ready"


def test_a_consent_that_ended_meanwhile_still_holds_the_rest_back(bench: Bench) -> None:
    accepted = bench.stopped(two_readings())
    assert bench.look() == [Looked.SENT_ON]
    with transaction(bench.ward.engine) as connection:
        revoke_consent(connection, bench.ward.consent_id)
    bench.turn(accepted)
    command = accepted.command_id
    assert (bench.ward.state(command), bench.ward.reason(command)) == ("incomplete", "consent-revoked")
    assert bench.look() == [Looked.LEFT]
    assert (bench.left(accepted)[0], len(bench.writes())) == ("cause", 2)


AI: dict[str, Any] = {"model": "scribe", "version": "3"}


@pytest.mark.parametrize(
    ("status", "edit", "left"),
    [(422, {}, "cause"), (423, {"note": [{"text": "at night"}]}, "changed"), (423, {}, None)],
)
def test_a_provenance_follows_alone_while_what_it_is_about_stands_and_a_refused_one_is_for_operations(
    bench: Bench, status: int, edit: Json, left: str | None
) -> None:
    accepted = bench.stopped(listed_change_json()["action"], "Provenance", 1, status=status, ai=AI)
    (case,) = bench.ward.query("SELECT pool FROM cases WHERE command_id = %(id)s", id=accepted.command_id)
    assert case["pool"] == "operations"
    if edit:
        (entry,) = [item for item in bench.sandbox.resources("MedicationStatement") if "identifier" in item]
        bench.sandbox.edit({**entry, **edit})
    assert bench.look() == [Looked.SENT_ON if left is None else Looked.LEFT]
    bench.turn(accepted)
    assert bench.left(accepted)[0] == left
    assert bench.ward.state(accepted.command_id) == ("verified" if left is None else "incomplete")
    assert len(bench.sandbox.resources("Provenance")) == (left is None)
    assert bench.writes().count("MedicationStatement") == 1


def test_the_case_says_why_no_machine_sends_the_rest_until_a_person_lets_it_be_sent(bench: Bench) -> None:
    accepted = bench.stopped(two_readings())
    (entry,) = bench.sandbox.resources("Observation")
    bench.sandbox.edit({**entry, "status": "amended"}, by={"name": "Dr. Ames"})
    assert bench.look() == [Looked.LEFT]
    (case,) = bench.ward.query("SELECT id FROM cases WHERE command_id = %(id)s", id=accepted.command_id)
    page = bench.services.case_desk.open(ENGINEER, case["id"])
    assert "No machine sends the rest: a part that is in the chart is not as it was written." in page.status
    assert "Dr. Ames" in page.status
    decision = Decision(verb=Verb.RESEND, view=page.view, reason="cause-mended", text="it is meant so")
    bench.services.case_desk.decide(ENGINEER, case["id"], decision)
    assert (bench.ward.state(accepted.command_id), bench.left(accepted)) == ("ready", (None, ""))
    assert bench.ward.events(accepted.command_id)[-1] == "resend_decided"
