"""Gaps closed and medication lists reviewed, from the command to the sandbox's chart and its view. Real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from adapters import open_ehr
from canonical.ports import ConnectionSettings, Ehr, Proof, Timings
from store.command_reads import CommandReads
from store.intake import Accepted
from store.watch_list import WatchList
from tests.compound_factories import (
    GAP,
    care_gap_closure_json,
    listed_change_json,
    medication_reconciliation_json,
)
from tests.factories import (
    ABSENT,
    RXNORM,
    Json,
    care_task_json,
    concept,
    medication_change_json,
    quantity,
    vital_reading_json,
)
from tests.sandbox_fixture import RunningSandbox, sandbox, sandbox_server
from tests.tasks.ward import PATIENT, Ward

__all__ = ["sandbox", "sandbox_server"]

MARK, CHANGED = "urn:fhir-writeback:command", "urn:fhir-writeback:change"
TIMINGS = Timings(
    request=timedelta(seconds=2),
    slowest_commit=timedelta(milliseconds=50),
    search_lag=timedelta(milliseconds=10),
    margin=timedelta(milliseconds=40),
    send_within=timedelta(seconds=2),
)
VISIT = {
    "resourceType": "Encounter",
    "id": "e1",
    "status": "finished",
    "class": {"code": "HH"},
    "subject": {"reference": "Patient/p1"},
    "period": {"start": "2026-03-10T09:00:00-04:00", "end": "2026-03-10T11:00:00-04:00"},
}
OTHER = {**PATIENT, "id": "p2"}


#: None of those on the list.
OTHER_MEDICINE = concept(RXNORM, "83367", "atorvastatin")


def statement(id: str, patient: str = "p1", **over: Any) -> Json:
    """An entry of the medication list as the EHR has it."""
    return {
        "resourceType": "MedicationStatement",
        "id": id,
        "status": "active",
        "medicationCodeableConcept": medication_change_json()["medication"],
        "subject": {"reference": f"Patient/{patient}"},
        **over,
    }


@dataclass
class Desk:
    """A ward whose chart is the sandbox, with two entries on the patient's medication list."""

    ward: Ward
    ehr: Ehr
    sandbox: RunningSandbox

    def write(self, action: Json, **envelope: Any) -> Accepted:
        """Submit and let it be written and proven."""
        accepted = self.ward.submit(action, **envelope)
        self.run(accepted)
        return accepted

    def run(self, accepted: Accepted) -> None:
        self.ward.run(accepted.lane_id, self.ward.turn(chart=self.ehr))

    def created(self, command: UUID, type: str, part: str = "") -> Json:
        """Return the one entry that the command, or a part of it, created."""
        return self._marked(type, MARK, f"{command}{part}")

    def _marked(self, type: str, system: str, value: str) -> Json:
        mark = {"system": system, "value": value}
        (found,) = (item for item in self.sandbox.resources(type) if mark in item.get("identifier", []))
        return found

    def entry(self, id: str) -> Json:
        (found,) = (item for item in self.sandbox.resources("MedicationStatement") if item["id"] == id)
        return found

    def view(self, command: UUID) -> list[tuple[str, str, str, str | None]]:
        """Return what a reader is told of the command's operations: verb, type, state, reference."""
        detail = CommandReads(self.ward.engine).detail("t1", command)
        assert detail is not None
        return [(item.interaction, item.resource_type, item.state, item.reference) for item in detail.operations]

    def writes(self) -> list[tuple[str, str]]:
        """Return the writes that the EHR was asked for, in order."""
        asked = [item for item in self.sandbox.requests() if item["method"] in {"POST", "PUT"}]
        return [(item["method"], item["path"].partition("fhir/")[2]) for item in asked]


@pytest.fixture
def desk(ward: Ward, sandbox: RunningSandbox) -> Iterator[Desk]:
    sandbox.seed(
        [PATIENT, OTHER, VISIT, {"resourceType": "Practitioner", "id": "n1"}, statement("m3"), statement("m4")]
    )
    settings = ConnectionSettings(
        tenant="t1", name="north", adapter="fhir_r4", base_url=sandbox.url, timings=TIMINGS, proof=Proof.ANSWER
    )
    ehr = open_ehr(settings)
    yield Desk(ward, ehr, sandbox)
    ehr.close()


def hold(reference: str = "MedicationStatement/m3", version: str = "1") -> Json:
    """A hold of an entry as its author sees it in the seeded chart."""
    return listed_change_json("hold", reference, versionId=version, seen={"status": "active"})


def refuse(type: str, nth: int = 1, *, method: str = "POST") -> Json:
    """The EHR refuses the ``nth`` write of ``type`` for its content."""
    return {
        "id": "refusal",
        "fault": "error_before_commit",
        "match": {"method": method, "type": type},
        "nth": nth,
        "parameters": {"status": 422},
    }


def review(**over: Any) -> Json:
    return medication_reconciliation_json(**{"changes": [listed_change_json(), hold()], **over})


# --- care gaps --------------------------------------------------------------------------------------------------------


def test_a_gap_is_closed_by_what_is_written_with_it_and_by_what_the_chart_has(desk: Desk) -> None:
    earlier = desk.write(vital_reading_json())
    weight = f"Observation/{desk.created(earlier.command_id, 'Observation')['id']}"
    action = care_gap_closure_json(
        evidence=[vital_reading_json("blood-pressure"), vital_reading_json("heart-rate")],
        evidenceReference=[{"reference": weight}],
        gapIdentifier=GAP,
    )
    accepted = desk.write(action, encounter={"reference": "Encounter/e1"})
    assert desk.ward.state(accepted.command_id) == "verified"
    closure = desk.created(accepted.command_id, "Task")
    parts = [desk.created(accepted.command_id, "Observation", f".{number}") for number in (1, 2)]
    named = [*(f"Observation/{part['id']}" for part in parts), weight]
    assert [item["valueReference"]["reference"] for item in closure["output"]] == named
    assert (closure["status"], closure["focus"]["identifier"]) == ("completed", GAP)
    assert {item["encounter"]["reference"] for item in (closure, *parts)} == {"Encounter/e1"}
    assert desk.view(accepted.command_id) == [
        *(("create", "Observation", "verified", reference) for reference in named[:2]),
        ("create", "Task", "verified", f"Task/{closure['id']}"),
    ]
    assert desk.ward.is_at_rest()


def test_a_closure_is_taken_back_and_its_evidence_stays(desk: Desk) -> None:
    closed = desk.write(care_gap_closure_json())
    back = desk.write(care_gap_closure_json("retract"), target={"command": str(closed.command_id)})
    assert [desk.ward.state(item.command_id) for item in (back, closed)] == ["verified", "compensated"]
    assert desk.created(closed.command_id, "Task")["status"] == "entered-in-error"
    assert desk.created(closed.command_id, "Observation", ".1")["status"] == "final"


def test_a_task_that_somebody_was_asked_to_do_is_no_closure_and_a_closure_no_such_task(desk: Desk) -> None:
    asked = desk.write(care_task_json(owner={"reference": "Practitioner/n1"}))
    back = desk.write(care_gap_closure_json("retract"), target={"command": str(asked.command_id)})
    assert desk.ward.cases(back.command_id) == ["other_task"]
    closed = desk.write(care_gap_closure_json())
    done = desk.write(care_task_json("cancel"), target={"command": str(closed.command_id)})
    assert desk.ward.cases(done.command_id) == ["status_ended"]
    assert desk.created(closed.command_id, "Task")["status"] == "completed"


@pytest.mark.parametrize(
    ("entry", "case"),
    [
        (None, "mentioned_gone"),
        ({"subject": {"reference": "Patient/p2"}}, "wrong_patient"),
        ({"status": "entered-in-error"}, "mentioned_in_error"),
    ],
)
def test_what_is_not_this_patient_s_or_not_so_closes_no_gap(desk: Desk, entry: Json | None, case: str) -> None:
    if entry is not None:
        seeded = {
            "resourceType": "Observation",
            "id": "theirs",
            "status": "final",
            "code": {"text": "x"},
            "subject": {"reference": "Patient/p1"},
        }
        desk.sandbox.seed([seeded | entry])
    accepted = desk.write(care_gap_closure_json(evidenceReference=[{"reference": "Observation/theirs"}]))
    assert desk.ward.cases(accepted.command_id) == [case]
    assert desk.writes() == []


def test_evidence_from_outside_the_encounter_goes_to_a_person_as_it_would_alone(desk: Desk) -> None:
    late = vital_reading_json(effectiveDateTime="2026-03-07T10:30:00-04:00")
    accepted = desk.write(care_gap_closure_json(evidence=[late]), encounter={"reference": "Encounter/e1"})
    assert desk.ward.state(accepted.command_id) == "in_review"
    assert desk.writes() == []


def test_evidence_that_the_ehr_refuses_leaves_what_was_written_and_closes_nothing(desk: Desk) -> None:
    desk.sandbox.faults(refuse("Observation", 2))
    action = care_gap_closure_json(evidence=[vital_reading_json(), vital_reading_json("heart-rate")])
    accepted = desk.write(action)
    assert desk.ward.state(accepted.command_id) == "incomplete"
    written = desk.created(accepted.command_id, "Observation", ".1")
    assert desk.view(accepted.command_id) == [
        ("create", "Observation", "verified", f"Observation/{written['id']}"),
        ("create", "Observation", "incomplete", None),
        ("create", "Task", "planned", None),
    ]
    assert desk.sandbox.resources("Task") == []
    assert sum(desk.sandbox.fired().values()) == 1


# --- medication lists -------------------------------------------------------------------------------------------------


def test_a_review_writes_its_changes_in_order_and_then_the_list_that_refers_to_them(desk: Desk) -> None:
    accepted = desk.write(review(), encounter={"reference": "Encounter/e1"})
    assert desk.ward.state(accepted.command_id) == "verified"
    started = desk.created(accepted.command_id, "MedicationStatement", ".1")
    assert desk.entry("m3")["status"] == "on-hold"
    assert desk.entry("m4")["meta"]["versionId"] == "1"
    written = desk.created(accepted.command_id, "List")
    assert [(item["flag"]["text"], item["item"]["reference"]) for item in written["entry"]] == [
        ("start", f"MedicationStatement/{started['id']}"),
        ("hold", "MedicationStatement/m3"),
        ("unchanged", "MedicationStatement/m4"),
    ]
    assert (written["status"], written["mode"]) == ("current", "snapshot")
    assert written["code"]["coding"] == [{"system": "http://loinc.org", "code": "10160-0"}]
    assert desk.writes() == [("POST", "MedicationStatement"), ("PUT", "MedicationStatement/m3"), ("POST", "List")]
    assert desk.view(accepted.command_id) == [
        ("create", "MedicationStatement", "verified", f"MedicationStatement/{started['id']}"),
        ("update", "MedicationStatement", "verified", "MedicationStatement/m3"),
        ("create", "List", "verified", f"List/{written['id']}"),
    ]


def test_a_review_is_taken_back_and_its_changes_stay(desk: Desk) -> None:
    reviewed = desk.write(review())
    back = desk.write(medication_reconciliation_json("retract"), target={"command": str(reviewed.command_id)})
    assert [desk.ward.state(item.command_id) for item in (back, reviewed)] == ["verified", "compensated"]
    written = desk.created(reviewed.command_id, "List")
    assert written["status"] == "entered-in-error"
    assert len(written["entry"]) == 3
    assert desk.entry("m3")["status"] == "on-hold"


def test_a_change_that_the_ehr_refuses_stops_the_review_there_and_the_view_says_what_is_written(desk: Desk) -> None:
    changes = [listed_change_json(), hold(), hold("MedicationStatement/m4")]
    desk.sandbox.faults(refuse("MedicationStatement", method="PUT"))
    accepted = desk.write(review(changes=changes, reviewed=ABSENT))
    started = desk.created(accepted.command_id, "MedicationStatement", ".1")
    assert desk.ward.state(accepted.command_id) == "incomplete"
    assert desk.ward.cases(accepted.command_id) == ["rejected_payload"]
    assert desk.view(accepted.command_id) == [
        ("create", "MedicationStatement", "verified", f"MedicationStatement/{started['id']}"),
        ("update", "MedicationStatement", "incomplete", "MedicationStatement/m3"),
        ("update", "MedicationStatement", "planned", "MedicationStatement/m4"),
        ("create", "List", "planned", None),
    ]
    assert [desk.entry(name)["status"] for name in ("m3", "m4")] == ["active", "active"]
    assert desk.sandbox.fired() == {"refusal": 1}
    assert desk.ward.is_at_rest()


def test_an_edit_that_the_author_did_not_see_stops_the_review_before_anything_is_written(desk: Desk) -> None:
    desk.sandbox.edit({**desk.entry("m3"), "note": [{"text": "takes it again, says Dr. Ames"}]})
    accepted = desk.write(review())
    assert desk.ward.cases(accepted.command_id) == ["conflict"]
    assert desk.writes() == []


def test_an_edit_between_two_changes_is_not_overwritten(desk: Desk) -> None:
    real = desk.ehr.send

    def send(operation: Any, trace: Any) -> Any:
        settled = real(operation, trace)
        if operation.seq == 1:
            desk.sandbox.edit({**desk.entry("m3"), "note": [{"text": "takes it again, says Dr. Ames"}]})
        return settled

    desk.ehr.send = send  # type: ignore[method-assign]
    accepted = desk.write(review())
    assert (desk.ward.state(accepted.command_id), desk.ward.cases(accepted.command_id)) == ("incomplete", ["conflict"])
    assert [state for *_, state, _ in desk.view(accepted.command_id)] == ["verified", "incomplete", "planned"]
    assert desk.entry("m3")["status"] == "active"
    assert desk.sandbox.resources("List") == []


def test_an_answer_lost_after_the_second_change_was_written_is_found_and_the_rest_follows(desk: Desk) -> None:
    desk.sandbox.faults(
        {"id": "lost", "fault": "commit_then_drop", "match": {"method": "PUT"}, "times": 1, "parameters": {}}
    )
    accepted = desk.write(review())
    assert desk.ward.state(accepted.command_id) == "unknown"
    desk.ward.let_time_pass(accepted.lane_id)
    desk.run(accepted)
    assert desk.ward.attempts(accepted.command_id) == [
        ("send", "applied"),
        ("send", "unknown"),
        ("probe", "probe_applied"),
        ("send", "applied"),
    ]
    assert desk.sandbox.fired() == {"lost": 1}
    assert desk.writes() == [("POST", "MedicationStatement"), ("PUT", "MedicationStatement/m3"), ("POST", "List")]
    assert desk.entry("m3")["meta"]["versionId"] == "2"
    assert len(desk.sandbox.resources("MedicationStatement")) == 3
    entries = [item["item"]["reference"] for item in desk.created(accepted.command_id, "List")["entry"]]
    assert entries[1:] == ["MedicationStatement/m3", "MedicationStatement/m4"]


def test_a_list_with_an_entry_that_the_review_does_not_mention_was_not_reviewed(desk: Desk) -> None:
    over = [statement("m5", status="stopped"), statement("m6", status="entered-in-error"), statement("m7", "p2")]
    desk.sandbox.seed(over)
    reviewed = desk.write(review())
    assert desk.ward.state(reviewed.command_id) == "verified"
    desk.sandbox.seed([statement("m8", status="on-hold")])
    again = desk.write(review(changes=[listed_change_json()]))
    assert desk.ward.cases(again.command_id) == ["list_incomplete"]


def test_another_patient_s_entry_is_neither_reviewed_nor_changed(desk: Desk) -> None:
    desk.sandbox.seed([statement("m7", "p2")])
    named = [{"reference": f"MedicationStatement/{name}"} for name in ("m4", "m7")]
    assert desk.ward.cases(desk.write(review(reviewed=named)).command_id) == ["wrong_patient"]
    changes = [hold(), hold("MedicationStatement/m7")]
    assert desk.ward.cases(desk.write(review(changes=changes)).command_id) == ["wrong_patient"]
    assert desk.writes() == []


def test_numbers_of_a_change_reach_the_chart_as_they_were_written(desk: Desk) -> None:
    strength = {"numerator": quantity("0.50", "mg", "mg"), "denominator": quantity("1", "tablet")}
    change = {"action": medication_change_json(strength=strength, medication=OTHER_MEDICINE)}
    accepted = desk.write(review(changes=[change, hold()]))
    (medication,) = desk.created(accepted.command_id, "MedicationStatement", ".1")["contained"]
    assert str(medication["ingredient"][0]["strength"]["numerator"]["value"]) == "0.50"


def test_taking_back_an_entry_that_a_review_changed_takes_back_neither_the_review_nor_its_list(desk: Desk) -> None:
    started = desk.write(medication_change_json(medication=OTHER_MEDICINE))
    entry = desk.created(started.command_id, "MedicationStatement")
    reference = f"MedicationStatement/{entry['id']}"
    held = {**hold(reference), "action": medication_change_json("hold", medication=OTHER_MEDICINE)}
    reviewed = desk.write(review(changes=[hold(), held]))
    assert desk.ward.state(reviewed.command_id) == "verified"
    seen = {"status": "on-hold"}
    acknowledged = hold()["target"]["acknowledged"]
    target = {"reference": reference, "versionId": "2", "seen": seen, "acknowledged": acknowledged}
    back = desk.write(medication_change_json("retract", medication=OTHER_MEDICINE), target=target)
    states = [desk.ward.state(item.command_id) for item in (back, started, reviewed)]
    assert states == ["verified", "compensated", "verified"]
    assert desk.created(reviewed.command_id, "List")["status"] == "current"


def test_a_switch_turned_off_after_the_first_change_parks_the_rest_and_nothing_is_written_twice(desk: Desk) -> None:
    real, turned = desk.ehr.send, list[object]()

    def send(operation: Any, trace: Any) -> Any:
        settled = real(operation, trace)
        if not turned:
            turned.append(desk.ward.query("UPDATE switches SET is_on = false WHERE kind = 'action' RETURNING id"))
        return settled

    desk.ehr.send = send  # type: ignore[method-assign]
    accepted = desk.write(review())
    assert (desk.ward.state(accepted.command_id), len(turned)) == ("parked", 1)
    assert [state for *_, state, _ in desk.view(accepted.command_id)] == ["verified", "planned", "planned"]
    desk.ward.query("UPDATE switches SET is_on = true WHERE kind = 'action'")
    WatchList(desk.ward.engine, actor="test").resume_parked(limit=10)
    desk.run(accepted)
    assert desk.ward.state(accepted.command_id) == "verified"
    assert desk.writes() == [("POST", "MedicationStatement"), ("PUT", "MedicationStatement/m3"), ("POST", "List")]
