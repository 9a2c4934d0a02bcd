"""What Oracle Health (Millennium) is sent, and that what it has no place for is refused."""

from typing import Any

import pytest

from adapters.millennium import UPDATABLE
from adapters.oracle_health import ADAPTER
from canonical import exact_json
from canonical.errors import NeedsPersonError, TargetMovedError
from canonical.ports import Operation, Surrounding
from tests.adapters.commands import BLOOD_PRESSURE, KG, START, WEIGHT, command, loinc, medication, number
from tests.adapters.vendors import (
    UnmappedCodeError,
    body,
    planned,
    refuses,
    site,
)

SITE = site(leaves_out=["informationSource"], pairs_blood_pressure=True)
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
SNOMED = "http://snomed.info/sct"
ICD10 = "http://hl7.org/fhir/sid/icd-10-cm"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
HIVES = {"coding": [{"system": SNOMED, "code": "247472004"}], "text": "hives"}
PENICILLIN = {"coding": [{"system": RXNORM, "code": "7980"}], "text": "penicillin"}
ALLERGY: dict[str, Any] = {
    "type": "AllergyUpdate",
    "operation": "record",
    "code": PENICILLIN,
    "category": ["medication"],
    "criticality": "high",
    "reaction": [{"manifestation": [HIVES], "severity": "severe"}],
}
HYPERTENSION = {"coding": [{"system": ICD10, "code": "I10"}], "text": "hypertension"}
PROBLEM: dict[str, Any] = {
    "type": "ProblemUpdate",
    "operation": "add",
    "category": "problem-list-item",
    "code": HYPERTENSION,
    "onsetDateTime": "2024-03-08T22:30:00-05:00",
}
MESSAGE: dict[str, Any] = {
    "type": "CareMessage",
    "operation": "send",
    "topic": {"text": "Blood pressure at home"},
    "payload": [{"contentString": "Above 160 for three days – please call."}],
    "recipient": [{"reference": "Practitioner/n2"}],
}
FROM_NURSE = {"author": {"role": "nurse", "reference": "Practitioner/n1"}}


def one(action: dict[str, Any], **more: Any) -> Operation:
    (operation,) = planned(ADAPTER, action, SITE, **more)
    return operation


def stored(operation: Operation, **over: Any) -> dict[str, Any]:
    return {**body(operation), "id": "VS-1", "meta": {"versionId": "1"}, **over}


def reading(**over: Any) -> dict[str, Any]:
    own = {"identifier": [{"system": UPDATABLE, "value": "CE1-2"}], "issued": "2026-11-22T13:20:00Z"}
    return {**stored(one(WEIGHT)), **own, **over}


def target(reference: str, version: str = "1", **over: Any) -> dict[str, Any]:
    seen = {"status": "active"} if reference.startswith("MedicationRequest") else {"verificationStatus": "unconfirmed"}
    return {"target": {"reference": reference, "versionId": version, "seen": seen, **over}}


def acknowledged(reference: str, version: str) -> dict[str, Any]:
    said = {"by": {"value": "n1"}, "when": "2026-11-22T11:59:00Z"}
    return target(reference, version, acknowledged=said)


def test_reading_names_who_answers_for_it_and_keeps_its_digits_and_role() -> None:
    operation = one({**WEIGHT, "performerRole": "nurse"})
    (performer,) = body(operation)["performer"]
    (function,) = performer["extension"]
    assert performer["reference"] == "Practitioner/n1"
    assert function["valueCodeableConcept"] == {"coding": [{"system": PARTICIPATION, "code": "LA"}], "text": "nurse"}
    assert b'"value":72.50,' in operation.body
    assert "identifier" not in body(operation)


def test_second_performer_is_the_one_who_measured() -> None:
    two = [{"reference": "Practitioner/n1"}, {"reference": "Practitioner/n2"}]
    functions = [
        item["extension"][0]["valueCodeableConcept"]["coding"][0]["code"]
        for item in body(one({**WEIGHT, "performer": two}))["performer"]
    ]
    assert functions == ["LA", "PPRF"]


@pytest.mark.parametrize(
    "over",
    [
        {"performer": [{"reference": "Patient/p1"}]},
        {"performer": [{"reference": f"Practitioner/n{at}"} for at in range(3)]},
        {"performer": [{"reference": "Practitioner/n1"}], "verifiedBy": {"reference": "Practitioner/n2"}},
    ],
)
def test_reading_without_practitioners_who_can_answer_for_it_is_refused(over: dict[str, Any]) -> None:
    refuses(ADAPTER, {**WEIGHT, **over}, SITE, "practitioners|verifiedBy")
    nobody = {name: item for name, item in WEIGHT.items() if name != "performer"}
    refuses(ADAPTER, nobody, SITE, "practitioners")


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"bodySite": {"text": "left"}}, "bodySite"),
        ({"state": "rest"}, "state"),
        ({"interpretation": [{"text": "high"}, {"text": "critical"}]}, "one interpretation"),
        ({"category": [{"text": "home"}]}, "category"),
    ],
)
def test_what_would_be_ignored_is_refused_by_name(more: dict[str, Any], named: str) -> None:
    refuses(ADAPTER, {**WEIGHT, **more}, SITE, named)


def test_blood_pressure_is_one_reading_only_where_the_site_pairs_its_halves() -> None:
    pressure = {**BLOOD_PRESSURE, "performer": WEIGHT["performer"]}
    assert len(body(one(pressure))["component"]) == 2
    refuses(ADAPTER, pressure, site(), "pairs")


def test_vital_that_the_site_does_not_list_is_not_sent() -> None:
    listed = site(vitals=["29463-7"])
    assert planned(ADAPTER, WEIGHT, listed)
    temperature = {
        **WEIGHT,
        "code": loinc("8310-5", "Temperature"),
        "valueQuantity": {"value": 37, "unit": "Cel", "system": KG["system"], "code": "Cel"},
    }
    refuses(ADAPTER, temperature, listed, "does not list")


def test_create_is_a_post_without_a_guard_that_would_be_ignored() -> None:
    request = ADAPTER.request(one(WEIGHT), SITE)
    assert (request.method, request.path) == ("POST", "Observation")
    assert not {"If-None-Exist", "If-Match"} & set(request.headers)


def test_correction_replaces_with_the_whole_reading_under_the_authors_version() -> None:
    corrected = {**WEIGHT, "operation": "correct", "valueQuantity": {"value": number("71.90"), **KG}}
    more = {"target": {"reference": "Observation/VS-1", "versionId": "0"}}
    operation = one(corrected, current=reading(meta={"versionId": "0"}), version="0", **more)
    request = ADAPTER.request(operation, SITE)
    assert (request.method, request.path, request.headers["If-Match"]) == ("PUT", "Observation/VS-1", 'W/"0"')
    sent = body(operation)
    assert sent["status"] == "corrected"
    assert sent["identifier"] == [{"system": UPDATABLE, "value": "CE1-2"}]
    assert {"subject", "category", "effectiveDateTime", "performer", "issued"} <= set(sent)
    assert not {"meta", "text"} & set(sent)
    with pytest.raises(TargetMovedError):
        one(corrected, current=reading(meta={"versionId": "1"}), version="1", **more)


@pytest.mark.parametrize(
    ("over", "match"),
    [
        ({"device": {"display": "scale"}}, "device"),
        ({"identifier": []}, "identifier"),
        ({"hasMember": []}, "hasMember"),
    ],
)
def test_entry_of_which_a_replacing_update_would_clear_something_is_left_alone(
    over: dict[str, Any], match: str
) -> None:
    corrected = {**WEIGHT, "operation": "correct"}
    more = {"target": {"reference": "Observation/VS-1", "versionId": "1"}}
    refuses(ADAPTER, corrected, SITE, match, current=reading(**over), version="1", **more)


def test_only_a_final_reading_is_corrected() -> None:
    more = {"target": {"reference": "Observation/VS-1", "versionId": "1"}}
    with pytest.raises(NeedsPersonError) as caught:
        one({**WEIGHT, "operation": "correct"}, current=reading(status="preliminary"), version="1", **more)
    assert caught.value.kind == "status_ended"


def test_medication_is_reported_and_planned_by_one_code_with_its_sig_as_written() -> None:
    sent = body(one({**START, "effectivePeriod": {"start": "2026-11-01"}}))
    assert (sent["status"], sent["intent"], sent["reportedBoolean"]) == ("active", "plan", True)
    assert sent["medicationCodeableConcept"]["coding"] == [{"system": RXNORM, "code": "861007"}]
    assert sent["dosageInstruction"] == [
        {"text": "1 tablet twice daily", "timing": {"repeat": {"boundsPeriod": {"start": "2026-11-01"}}}}
    ]
    assert not {"dispenseRequest", "substitution", "requester"} & set(sent)


def test_medication_of_two_codes_is_for_a_person_to_choose() -> None:
    two = [*START["medication"]["coding"], {"system": RXNORM, "code": "860975"}]
    with pytest.raises(UnmappedCodeError) as caught:
        one({**START, "medication": {**START["medication"], "coding": two}})
    assert caught.value.candidates == ("860975", "861007")


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"isOtc": True}, "isOtc"),
        ({"reasonCode": [{"text": "diabetes"}]}, "reasonCode"),
        ({"dosage": [START["dosage"][0], {**START["dosage"][0], "sequence": 2}]}, "one dosage"),
    ],
)
def test_what_a_reported_medication_has_no_place_for_is_refused(more: dict[str, Any], named: str) -> None:
    refuses(ADAPTER, {**START, **more}, SITE, named)


def entry(**over: Any) -> dict[str, Any]:
    return {
        **body(one(START)),
        "id": "m1",
        "meta": {"versionId": "0"},
        "authoredOn": "2026-11-01",
        "dispenseRequest": {"numberOfRepeatsAllowed": 0},
        **over,
    }


def stop(**over: Any) -> Operation:
    seen = {"status": over.get("status", "active")}
    more = target("MedicationRequest/m1", "0", seen=seen)
    return one(medication("stop"), current=entry(**over), version="0", **more)


def test_stopping_patches_the_status_alone_of_this_patients_entry() -> None:
    operation = stop()
    request = ADAPTER.request(operation, SITE)
    assert (request.method, request.path) == ("PATCH", "MedicationRequest/m1")
    assert request.headers["Content-Type"] == "application/json-patch+json"
    assert request.headers["If-Match"] == 'W/"0"'
    assert exact_json.parse(operation.body) == [
        {"op": "test", "path": "/subject/reference", "value": "Patient/p1"},
        {"op": "replace", "path": "/status", "value": "stopped"},
    ]


@pytest.mark.parametrize(
    ("over", "kind"),
    [
        ({"intent": "order", "reportedBoolean": False}, "not_ours_to_change"),
        ({"reportedBoolean": False}, "not_ours_to_change"),
        ({"status": "cancelled"}, "status_ended"),
        ({"medicationCodeableConcept": {"coding": [{"system": RXNORM, "code": "1"}]}}, "other_medication"),
        ({"subject": {"reference": "Patient/p2"}}, "wrong_patient"),
    ],
)
def test_what_may_not_be_stopped_from_here_is_for_a_person(over: dict[str, Any], kind: str) -> None:
    with pytest.raises(NeedsPersonError) as caught:
        stop(**over)
    assert caught.value.kind == kind


def test_allergy_has_one_manifestation_and_its_risk_apart_from_its_severity() -> None:
    sent = body(one(ALLERGY))
    assert (sent["criticality"], sent["reaction"][0]["severity"]) == ("high", "severe")
    refuses(ADAPTER, {**ALLERGY, "reaction": [{"manifestation": [HIVES, HIVES]}]}, SITE, "manifestation")
    refuses(ADAPTER, {**ALLERGY, "category": ["food", "medication"]}, SITE, "one category")
    refuses(ADAPTER, {**ALLERGY, "category": ["biologic"]}, SITE, "category")


def test_allergy_that_would_silently_change_another_entry_is_for_a_person() -> None:
    there = {**stored(one(ALLERGY)), "id": "a1", "clinicalStatus": {"coding": [{"code": "resolved"}]}}
    with pytest.raises(NeedsPersonError) as caught:
        ADAPTER.plan(command(ALLERGY), Surrounding(beside=(there,)), SITE)
    assert caught.value.kind == "possible_duplicate"


def allergy_entry(**over: Any) -> dict[str, Any]:
    return {**body(one(ALLERGY)), "id": "a1", "meta": {"versionId": "6767735"}, "recordedDate": "2026-01-01", **over}


def change_allergy(operation: str, *, current: dict[str, Any] | None = None, **fields: Any) -> Operation:
    action = {"type": "AllergyUpdate", "operation": operation, **fields}
    return one(
        action,
        current=current or allergy_entry(),
        version="6767735",
        **acknowledged("AllergyIntolerance/a1", "6767735"),
    )


def test_allergy_is_inactivated_with_everything_else_sent_again() -> None:
    noted = allergy_entry(note=[{"id": "n1", "text": "told by her mother"}])
    sent = body(change_allergy("inactivate", current=noted, code=PENICILLIN, changeReason="tolerated since"))
    assert sent["clinicalStatus"]["coding"][0]["code"] == "inactive"
    assert sent["note"] == [{"id": "n1", "text": "told by her mother"}, {"text": "tolerated since"}]
    assert {"code", "reaction", "criticality", "patient"} <= set(sent)
    assert "recordedDate" not in sent


def test_allergy_is_taken_back_as_an_error_and_by_no_other_operation() -> None:
    sent = body(change_allergy("retract", code=PENICILLIN, changeReason="other patient"))
    assert sent["verificationStatus"]["coding"][0]["code"] == "entered-in-error"
    assert "clinicalStatus" not in sent
    for operation in ("inactivate", "resolve"):
        said = body(change_allergy(operation, code=PENICILLIN, changeReason="tolerated"))["verificationStatus"]
        assert said["coding"][0]["code"] == "unconfirmed"


def test_substance_and_old_notes_of_an_allergy_cannot_be_changed() -> None:
    other = {"coding": [{"system": RXNORM, "code": "1191"}], "text": "aspirin"}
    more = {"version": "6767735", **acknowledged("AllergyIntolerance/a1", "6767735")}
    update = {"type": "AllergyUpdate", "operation": "update", "criticality": "low"}
    refuses(ADAPTER, {**update, "code": other}, SITE, "substance", current=allergy_entry(), **more)
    unnumbered = allergy_entry(note=[{"text": "told by her mother"}])
    refuses(ADAPTER, update, SITE, "notes", current=unnumbered, **more)


@pytest.mark.parametrize(("scope", "is_taken"), [("all", True), ("drug", True), ("latex", False)])
def test_none_known_is_said_where_it_has_a_code_there(scope: str, is_taken: bool) -> None:  # noqa: FBT001 - a table
    action = {"type": "AllergyUpdate", "operation": "assertNoneKnown", "noneKnownScope": scope}
    if is_taken:
        assert body(one(action))["code"]["coding"][0]["code"] in {"716186003", "409137002"}
    else:
        refuses(ADAPTER, action, SITE, "none known")


def test_problem_marks_the_one_code_that_its_author_chose() -> None:
    assert [item["userSelected"] for item in body(one(PROBLEM))["code"]["coding"]] == [True]
    two = [{"system": SNOMED, "code": "38341003", "userSelected": True}, {"system": ICD10, "code": "I10"}]
    sent = body(one({**PROBLEM, "code": {"coding": two, "text": "hypertension"}}))
    assert [item["userSelected"] for item in sent["code"]["coding"]] == [True, False]
    neither = [{"system": SNOMED, "code": "38341003"}, {"system": ICD10, "code": "I10"}]
    with pytest.raises(UnmappedCodeError) as caught:
        one({**PROBLEM, "code": {"coding": neither, "text": "hypertension"}})
    assert caught.value.candidates == ("38341003", "I10")
    refuses(ADAPTER, {**PROBLEM, "category": "health-concern"}, SITE, "health concerns")


def problem_entry(**over: Any) -> dict[str, Any]:
    own = {"id": "p12793861", "meta": {"versionId": "12793861"}, "recorder": {"reference": "Practitioner/n9"}}
    return {**body(one(PROBLEM)), **own, **over}


def change_problem(operation: str, at: Any = SITE, current: dict[str, Any] | None = None, **fields: Any) -> Operation:
    action = {
        "type": "ProblemUpdate",
        "operation": operation,
        "category": "problem-list-item",
        "code": HYPERTENSION,
        **fields,
    }
    more = {"version": "12793861", **acknowledged("Condition/p12793861", "12793861")}
    (operation_,) = planned(ADAPTER, action, at, current=current or problem_entry(), **more)
    return operation_


def test_problem_is_resolved_and_kept_whole() -> None:
    sent = body(change_problem("resolve", abatementDateTime="2026-11-01"))
    assert sent["clinicalStatus"]["coding"][0]["code"] == "resolved"
    assert sent["abatementDateTime"] == "2026-11-01"
    assert {"code", "category", "onsetDateTime", "subject"} <= set(sent)
    assert "recorder" not in sent


def test_reason_beside_an_old_note_needs_leave_to_stay_in_our_record() -> None:
    noted = problem_entry(note=[{"text": "since 2024"}])
    more = {"version": "12793861", **acknowledged("Condition/p12793861", "12793861")}
    inactivate = {
        "type": "ProblemUpdate",
        "operation": "inactivate",
        "category": "problem-list-item",
        "code": HYPERTENSION,
        "changeReason": "normal without medicine",
    }
    refuses(ADAPTER, inactivate, SITE, "note", current=noted, **more)
    allowed = site(leaves_out=["changeReason"])
    sent = body(change_problem("inactivate", allowed, noted, changeReason="normal without medicine"))
    assert sent["note"] == noted["note"]


def test_diagnosis_of_an_encounter_is_active_or_nothing() -> None:
    diagnosis = body(one({**PROBLEM, "category": "encounter-diagnosis"}, encounter={"reference": "Encounter/e1"}))
    current = problem_entry(**diagnosis)
    more = {"version": "12793861", **acknowledged("Condition/p12793861", "12793861")}
    resolve = {"type": "ProblemUpdate", "operation": "resolve", "category": "encounter-diagnosis", "code": HYPERTENSION}
    refuses(ADAPTER, resolve, SITE, "active only", current=current, **more)
    retracted = body(
        change_problem("retract", current=current, category="encounter-diagnosis", changeReason="other patient")
    )
    assert retracted["verificationStatus"]["coding"][0]["code"] == "entered-in-error"
    assert retracted["encounter"] == {"reference": "Encounter/e1"}
