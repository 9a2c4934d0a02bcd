"""The documented medication list on two servers: changed on what its author saw, and never a prescriber's order."""

from __future__ import annotations

from typing import Any

import pytest

from tests.factories import ABSENT, concept, dosage_json, medication_change_json
from tests.interop.station import Station

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"


def _started(station: Station) -> tuple[int | None, dict[str, Any]]:
    """Start the medicine on a list on which it is not active: what earlier tests left there is over."""
    for entry in station.server.all("MedicationStatement"):
        if entry["status"] not in {"entered-in-error", "completed"}:
            station.server.put({**entry, "status": "completed"})
    accepted = station.ward.submit(medication_change_json())
    station.run(accepted.lane_id)
    assert station.ward.state(accepted.command_id) == "verified"
    return accepted.lane_id, station.marked(accepted.command_id, "MedicationStatement")[0]


def _target(stored: dict[str, Any], **over: Any) -> dict[str, Any]:
    seen = {"status": "active", "medication": concept(RXNORM, "29046", "lisinopril"), "dosage": [dosage_json()]}
    target = {
        "reference": f"MedicationStatement/{stored['id']}",
        "versionId": stored["meta"]["versionId"],
        "seen": seen,
    } | over
    return {name: value for name, value in target.items() if value is not ABSENT}


@pytest.mark.parametrize(
    ("operation", "status"),
    [("hold", "on-hold"), ("stop", "stopped"), ("notTaking", "not-taken"), ("retract", "entered-in-error")],
)
def test_each_operation_leads_to_its_status_and_keeps_the_dose(station: Station, operation: str, status: str) -> None:
    lane, stored = _started(station)
    change = station.ward.submit(medication_change_json(operation), target=_target(stored))
    station.run(lane)
    assert station.ward.state(change.command_id) == "verified"
    now = station.server.get(f"MedicationStatement/{stored['id']}")
    assert (now["status"], now["dosage"]) == (status, stored["dosage"])


def test_a_dose_change_replaces_the_whole_dosage(station: Station) -> None:
    lane, stored = _started(station)
    dosage = dosage_json(
        text="Take 1 tablet by mouth twice daily", timing={"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}}
    )
    change = station.ward.submit(medication_change_json("changeDose", dosage=[dosage]), target=_target(stored))
    station.run(lane)
    assert station.ward.state(change.command_id) == "verified"
    now = station.server.get(f"MedicationStatement/{stored['id']}")
    assert [item["text"] for item in now["dosage"]] == ["Take 1 tablet by mouth twice daily"]


def test_what_was_seen_stands_in_for_a_version_only_while_the_chart_still_says_it(station: Station) -> None:
    lane, stored = _started(station)
    held = station.ward.submit(medication_change_json("hold"), target=_target(stored, versionId=ABSENT))
    station.run(lane)
    assert station.ward.state(held.command_id) == "verified"
    # The same author's picture is out of date now: the entry is on hold, not active.
    late = station.ward.submit(
        medication_change_json("stop"), target=_target(stored, versionId=ABSENT), new={"app": "another-app"}
    )
    station.run(lane)
    assert station.ward.state(late.command_id) == "conflicted"
    assert station.server.get(f"MedicationStatement/{stored['id']}")["status"] == "on-hold"


def test_a_dose_that_its_author_never_saw_is_not_overwritten(station: Station) -> None:
    """Named by the command that made it, and seen in its status only: what a clinician made of its dose since stays."""
    lane, stored = _started(station)
    station.server.put({**stored, "dosage": [dosage_json(text="Take half a tablet by mouth once daily")]})
    target = {"command": str(_by_mark(stored)), "seen": {"status": "active"}}
    change = station.ward.submit(medication_change_json("changeDose"), target=target, new={"app": "another-app"})
    station.run(lane)
    assert station.ward.state(change.command_id) == "conflicted"
    assert station.ward.events(change.command_id)[-1] == "target_moved"
    assert station.ward.attempts(change.command_id) == []
    now = station.server.get(f"MedicationStatement/{stored['id']}")
    assert [item["text"] for item in now["dosage"]] == ["Take half a tablet by mouth once daily"]


def _by_mark(stored: dict[str, Any]) -> str:
    """Return the id of the command that made an entry, as the entry says."""
    return str(next(item["value"] for item in stored["identifier"] if item["system"] == "urn:fhir-writeback:command"))


def test_hold_then_resume_by_one_author_is_no_conflict(station: Station) -> None:
    lane, stored = _started(station)
    held = station.ward.submit(medication_change_json("hold"), target=_target(stored))
    resumed = station.ward.submit(
        medication_change_json("resume"), target=_target(stored), after=[str(held.command_id)]
    )
    station.run(lane)
    assert [station.ward.state(item.command_id) for item in (held, resumed)] == ["verified", "verified"]
    assert station.server.get(f"MedicationStatement/{stored['id']}")["status"] == "active"


def test_a_prescribers_order_is_not_ours_to_change(station: Station) -> None:
    order = {
        "resourceType": "MedicationRequest",
        "id": "order-1",
        "status": "active",
        "intent": "order",
        "subject": {"reference": "Patient/p1"},
        "medicationCodeableConcept": concept(RXNORM, "29046", "lisinopril"),
    }
    station.server.put(order)
    version = station.server.get("MedicationRequest/order-1")["meta"]["versionId"]
    target = {"reference": "MedicationRequest/order-1", "versionId": version, "seen": {"status": "active"}}
    stop = station.ward.submit(medication_change_json("stop"), target=target)
    station.run(stop.lane_id)
    assert (station.ward.state(stop.command_id), station.ward.cases(stop.command_id)) == (
        "in_review",
        ["not_ours_to_change"],
    )
    assert station.server.get("MedicationRequest/order-1")["meta"]["versionId"] == version
