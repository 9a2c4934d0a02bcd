"""Clinical notes from the door to the chart of the sandbox: with readings, added to, replaced, taken back. Real PostgreSQL."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from adapters import open_ehr
from canonical.ports import ConnectionSettings, Ehr, Proof, Timings
from store.intake import Accepted
from tests.factories import clinical_note_json, vital_reading_json
from tests.sandbox_fixture import RunningSandbox, sandbox, sandbox_server
from tests.tasks.ward import PATIENT, Ward

__all__ = ["sandbox", "sandbox_server"]

MARK = "urn:fhir-writeback:command"
TIMINGS = Timings(
    request=timedelta(seconds=2),
    slowest_commit=timedelta(milliseconds=50),
    search_lag=timedelta(milliseconds=10),
    margin=timedelta(milliseconds=40),
    send_within=timedelta(seconds=2),
)
STAFF = [{"resourceType": "Practitioner", "id": "n1"}]
VISIT = {
    "resourceType": "Encounter",
    "id": "e1",
    "status": "finished",
    "class": {"code": "HH"},
    "subject": {"reference": "Patient/p1"},
    "period": {"start": "2026-03-10T09:00:00-04:00", "end": "2026-03-10T11:00:00-04:00"},
}
ACKNOWLEDGED = {"by": {"system": "urn:example:staff", "value": "n-17"}, "when": "2026-03-10T14:41:00Z"}


@dataclass
class Desk:
    """A ward whose chart is the sandbox."""

    ward: Ward
    ehr: Ehr
    sandbox: RunningSandbox

    def write(self, action: dict[str, Any], **envelope: Any) -> Accepted:
        """Submit and let it be written and proven."""
        accepted = self.ward.submit(action, **envelope)
        self.ward.run(accepted.lane_id, self.ward.turn(chart=self.ehr))
        return accepted

    def of(self, command: UUID, type: str = "DocumentReference", part: str = "") -> dict[str, Any]:
        """Return the one entry that the command, or a part of it, created."""
        mark = {"system": MARK, "value": f"{command}{part}"}
        (found,) = (item for item in self.sandbox.resources(type) if mark in item.get("identifier", []))
        return found

    def target(self, command: UUID, **over: Any) -> dict[str, Any]:
        """Return the target of a change to what ``command`` created, by its reference."""
        note = self.of(command)
        seen = {"docType": clinical_note_json()["docType"]}
        reference, version = f"DocumentReference/{note['id']}", note["meta"]["versionId"]
        return {"reference": reference, "versionId": version, "seen": seen, "acknowledged": ACKNOWLEDGED, **over}


@pytest.fixture
def desk(ward: Ward, sandbox: RunningSandbox) -> Iterator[Desk]:
    sandbox.seed([PATIENT, VISIT, *STAFF])
    settings = ConnectionSettings(
        tenant="t1", name="north", adapter="fhir_r4", base_url=sandbox.url, timings=TIMINGS, proof=Proof.ANSWER
    )
    ehr = open_ehr(settings)
    yield Desk(ward, ehr, sandbox)
    ehr.close()


def draft(operation: str = "create", **over: Any) -> dict[str, Any]:
    action = clinical_note_json(operation, docStatus="preliminary", **over)
    del action["authenticator"]
    return action


def test_a_note_with_two_readings_is_one_command_and_three_entries_that_refer_to_each_other(desk: Desk) -> None:
    readings = [vital_reading_json(), vital_reading_json("heart-rate")]
    encounter = {"reference": "Encounter/e1"}
    accepted = desk.write(clinical_note_json(observations=readings), encounter=encounter)
    assert desk.ward.state(accepted.command_id) == "verified"
    assert desk.ward.attempts(accepted.command_id) == [("send", "applied")] * 3
    note = desk.of(accepted.command_id)
    parts = [desk.of(accepted.command_id, "Observation", f".{number}") for number in (1, 2)]
    assert note["context"]["related"] == [{"reference": f"Observation/{part['id']}"} for part in parts]
    assert note["context"]["encounter"] == [encounter], "a finished visit stays the visit"
    assert [part["encounter"] for part in parts] == [encounter] * 2
    assert str(parts[0]["valueQuantity"]["value"]) == "72.50"
    assert base64.b64decode(note["content"][0]["attachment"]["data"]) == b"Seen at home.\nNo complaints."
    assert len(desk.sandbox.resources("Observation")) == 2
    assert desk.ward.is_at_rest()


def test_an_addendum_stands_beside_a_signed_note_and_taking_it_back_leaves_the_note_alone(desk: Desk) -> None:
    note = desk.write(clinical_note_json())
    added = desk.write(
        clinical_note_json("addendum", content="Daughter called."), target={"command": str(note.command_id)}
    )
    assert [desk.ward.state(item.command_id) for item in (note, added)] == ["verified", "verified"]
    relation = {"code": "appends", "target": {"reference": desk.target(note.command_id)["reference"]}}
    assert desk.of(added.command_id)["relatesTo"] == [relation]
    seen = desk.target(added.command_id)["seen"]
    target = {"command": str(added.command_id), "seen": seen, "acknowledged": ACKNOWLEDGED}
    back = desk.write(clinical_note_json("retract"), target=target)
    assert desk.ward.state(back.command_id) == "verified"
    assert desk.of(added.command_id)["status"] == "entered-in-error"
    assert desk.of(note.command_id)["status"] == "current"
    assert [desk.ward.state(item.command_id) for item in (note, added)] == ["verified", "compensated"]


def test_a_draft_is_replaced_and_the_old_one_is_superseded_in_the_same_command(desk: Desk) -> None:
    first = desk.write(draft())
    second = desk.write(clinical_note_json("replace", content="Signed now."), target=desk.target(first.command_id))
    assert desk.ward.state(second.command_id) == "verified"
    assert desk.ward.attempts(second.command_id) == [("send", "applied")] * 2
    old, new = desk.of(first.command_id), desk.of(second.command_id)
    assert (old["status"], new["status"], new["docStatus"]) == ("superseded", "current", "final")
    assert new["relatesTo"] == [{"code": "replaces", "target": {"reference": f"DocumentReference/{old['id']}"}}]


def test_taking_back_what_was_replaced_does_not_take_back_what_replaced_it(desk: Desk) -> None:
    desk.sandbox.seed(
        [
            {
                "resourceType": "DocumentReference",
                "id": "theirs",
                "status": "current",
                "docStatus": "preliminary",
                "type": clinical_note_json()["docType"],
                "subject": {"reference": "Patient/p1"},
                "content": [{"attachment": {"contentType": "text/plain", "data": "eA=="}}],
            }
        ]
    )
    target = {"reference": "DocumentReference/theirs", "versionId": "1", "seen": {"docStatus": "preliminary"}}
    ours = desk.write(clinical_note_json("replace"), target=target)
    assert desk.ward.state(ours.command_id) == "verified"
    back = desk.write(
        clinical_note_json("retract"),
        target={**target, "versionId": "2", "seen": {"status": "superseded"}, "acknowledged": ACKNOWLEDGED},
    )
    assert desk.ward.state(back.command_id) == "verified"
    assert desk.of(ours.command_id)["status"] == "current"
    assert desk.ward.state(ours.command_id) == "verified"


def test_taking_back_a_reading_of_a_note_does_not_take_back_the_note(desk: Desk) -> None:
    note = desk.write(clinical_note_json(observations=[vital_reading_json()]))
    part = desk.of(note.command_id, "Observation", ".1")
    target = {"reference": f"Observation/{part['id']}", "versionId": part["meta"]["versionId"]}
    back = desk.write(vital_reading_json(operation="retract"), target=target)
    assert [desk.ward.state(item.command_id) for item in (back, note)] == ["verified", "verified"]
    assert desk.of(note.command_id, "Observation", ".1")["status"] == "entered-in-error"
    assert desk.of(note.command_id)["status"] == "current"


def test_a_retracted_note_is_an_error_and_its_command_is_taken_back(desk: Desk) -> None:
    note = desk.write(clinical_note_json())
    back = desk.write(clinical_note_json("retract"), target=desk.target(note.command_id))
    assert desk.of(note.command_id)["status"] == "entered-in-error"
    assert [desk.ward.state(item.command_id) for item in (back, note)] == ["verified", "compensated"]


def test_an_addendum_that_names_a_note_before_its_name_is_known_stays_an_entry_of_its_own(desk: Desk) -> None:
    note = desk.write(clinical_note_json())
    reference = desk.target(note.command_id)["reference"]
    desk.ward.query("DELETE FROM links WHERE reference = %(reference)s", reference=reference)
    early = desk.ward.submit(clinical_note_json("addendum"), target=desk.target(note.command_id))
    named = desk.ward.query("SELECT subject, root FROM commands WHERE id = %(id)s", id=early.command_id)
    assert named == [{"subject": f"ref:{reference}", "root": early.command_id}]
    renamed = "UPDATE commands SET state = 'ready', due_at = clock_timestamp(), attempts = 0 WHERE id = %(id)s"
    desk.ward.query("DELETE FROM operations WHERE command_id = %(id)s", id=note.command_id)
    desk.ward.query(renamed, id=note.command_id)
    desk.ward.run(early.lane_id, desk.ward.turn(chart=desk.ehr))
    after = desk.ward.query("SELECT subject, root FROM commands WHERE id = %(id)s", id=early.command_id)
    assert after == [{"subject": f"command:{note.command_id}", "root": early.command_id}]


def test_what_an_author_did_not_see_is_not_added_to(desk: Desk) -> None:
    note = desk.write(clinical_note_json())
    target = desk.target(note.command_id)
    desk.sandbox.edit({**desk.of(note.command_id), "description": "changed by a clinician"})
    added = desk.write(clinical_note_json("addendum"), target=target)
    assert desk.ward.cases(added.command_id) == ["conflict"]
    assert len(desk.sandbox.resources("DocumentReference")) == 1
