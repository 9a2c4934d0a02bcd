"""At every EHR that takes a documented medicine: what is active on its list is not started again unless a person decided so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from adapters import adapters
from canonical.capabilities import MedicationList, Way
from tests.conformance import examples
from tests.conformance.desk import Desk, Desks
from tests.factories import Json

START = ("MedicationChange", "start")
#: EHRs that take a start at once, or for their staff to accept.
TAKING = [
    key for key in sorted(adapters()) if adapters()[key].capabilities.support(*START).way in {Way.DIRECT, Way.REVIEW}
]


def said(desk: Desk) -> Json:
    return examples.example(*START, desk.connection)


def put(desk: Desk, patient: str, kind: str, **over: Any) -> Json:
    """Put the example's medicine onto the patient's list, as a clinician would in this EHR."""
    named = said(desk)["medication"]
    entry = {
        "resourceType": kind,
        "id": f"there-{patient}",
        "status": "active",
        "subject": {"reference": f"Patient/{patient}"},
        "medicationCodeableConcept": {"text": named["text"], "coding": named["coding"]},
        **({"intent": "order"} if kind == "MedicationRequest" else {}),
        **over,
    }
    desk.sandbox.seed([entry])
    return entry


def test_there_are_such_ehrs() -> None:
    assert {"fhir_r4", "canvas"} <= set(TAKING)


@pytest.mark.parametrize("key", TAKING)
def test_what_is_active_on_the_list_is_not_started_again(desks: Desks, key: str) -> None:
    desk = desks.at(adapters()[key])
    types = desk.capabilities.medication_list.types
    assert types, "an EHR that takes what is started and whose list nobody can read must be declared so here"
    for kind in types:
        patient, since = desk.admit(), desk.last_request()
        put(desk, patient, kind)
        before = desk.chart(patient)
        accepted = desk.submit(patient, said(desk))
        assert desk.drive(accepted) == "in_review", desk.told(accepted.command_id)
        assert desk.ward.cases(accepted.command_id) == ["possible_duplicate_therapy"]
        assert desk.ward.events(accepted.command_id) == ["received", "accepted", "review_required"]
        assert (desk.writes(since), desk.held(patient), desk.chart(patient)) == ([], [], before)
        again = desk.again(accepted.command_id)
        assert (again.replayed, again.command_id) == (True, accepted.command_id)


@pytest.mark.parametrize("key", TAKING)
def test_what_ended_is_started_and_stands_beside_it(desks: Desks, key: str) -> None:
    desk = desks.at(adapters()[key])
    patient, since = desk.admit(), desk.last_request()
    put(desk, patient, desk.capabilities.medication_list.types[0], status="stopped")
    accepted = desk.submit(patient, said(desk))
    assert desk.drive(accepted) in {"verified", "pending_remote"}, desk.told(accepted.command_id)
    assert len(desk.writes(since)) == 1


@pytest.mark.parametrize("key", TAKING)
def test_where_the_list_cannot_be_read_it_is_sent_and_told_to_be_unchecked(desks: Desks, key: str) -> None:
    desk = desks.at(adapters()[key])
    known = desk.ehr.capabilities
    desk.ehr.capabilities = replace(known, medication_list=MedicationList())
    try:
        patient, since = desk.admit(), desk.last_request()
        other = {"coding": [{"system": "urn:x", "code": "1"}], "text": "another entry of the list"}
        put(desk, patient, known.medication_list.types[0], medicationCodeableConcept=other)
        accepted = desk.submit(patient, said(desk))
        assert desk.drive(accepted) in {"verified", "pending_remote"}, desk.told(accepted.command_id)
        assert len(desk.writes(since)) == 1
    finally:
        desk.ehr.capabilities = known
