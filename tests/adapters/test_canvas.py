from dataclasses import replace
from typing import Any

import pytest

from adapters.canvas import ADAPTER, CAPABILITIES, CanvasAdapter
from adapters.r4.change import Handler
from adapters.wire import Answer
from canonical import exact_json
from canonical.capabilities import Meaning, PreconditionKind
from canonical.errors import NeedsPersonError, TargetMovedError, UnsupportedActionError
from canonical.outcome import Outcome, ProbeVerdict
from canonical.ports import Interaction, Operation, Surrounding
from tests.adapters.commands import (
    BLOOD_PRESSURE,
    KG,
    METFORMIN,
    MMHG,
    NOW,
    START,
    WEIGHT,
    command,
    loinc,
    medication,
    number,
)
from tests.adapters.vendors import (
    UnmappedCodeError,
    body,
    came_to,
    check_declared,
    check_no_update_takes_back,
    check_trust,
    planned,
    refuses,
    searched,
    site,
)

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
FDB = "http://www.fdbhealth.com/"
MAPPED = {"codes": {"medication": {f"{RXNORM}|861007": "259181"}}, "leaves_out": ["informationSource"]}
SITE = site(**MAPPED)
CHANGED = "2026-11-21T10:00:00.750Z"
LATER = "2026-11-22T09:00:00Z"
TARGET = {"reference": "MedicationStatement/m1", "versionId": CHANGED}
DOSE: dict[str, Any] = {"text": "1 tablet twice daily"}
STORED: dict[str, Any] = {
    "resourceType": "MedicationStatement",
    "id": "m1",
    "meta": {"lastUpdated": CHANGED},
    "status": "active",
    "medicationCodeableConcept": {"coding": [{"system": FDB, "code": "259181"}, METFORMIN["coding"][0]]},
    "subject": {"reference": "Patient/p1"},
    "effectivePeriod": {"start": "2026-11-01T08:00:00Z"},
    "dosage": [DOSE],
}
TEMPERATURE = {
    **WEIGHT,
    "code": loinc("8310-5", "Body temperature"),
    "valueQuantity": {"value": number("37.2"), "unit": "Cel", "system": KG["system"], "code": "Cel"},
}


def one(action: dict[str, Any], **more: Any) -> Operation:
    (operation,) = planned(ADAPTER, action, SITE, **more)
    return operation


def acknowledged(**over: Any) -> dict[str, Any]:
    return {**TARGET, "seen": {"status": "active"}, **over}


def test_weight_goes_out_alone_in_the_vendors_words_and_its_digits() -> None:
    sent = body(one(WEIGHT))
    assert sent["code"] == {"coding": [{"system": "http://loinc.org", "code": "29463-7", "display": "Weight"}]}
    assert exact_json.dumps(sent["valueQuantity"]) == '{"value":72.50,"unit":"kg"}'
    assert sent["performer"] == WEIGHT["performer"]
    assert "category" not in sent
    assert "identifier" not in sent


def test_request_is_a_create_without_any_guard_that_would_be_ignored() -> None:
    request = ADAPTER.request(one(WEIGHT), SITE)
    assert (request.method, request.path) == ("POST", "Observation")
    assert not {"If-None-Exist", "If-Match"} & set(request.headers)


def test_temperature_is_stated_in_the_only_unit_that_is_taken() -> None:
    assert exact_json.dumps(body(one(TEMPERATURE))["valueQuantity"]) == '{"value":98.96,"unit":"°F"}'


def test_blood_pressure_is_stated_as_parts_and_as_the_text_that_is_shown() -> None:
    sent = body(one(BLOOD_PRESSURE))
    assert sent["valueString"] == "128/82"
    assert [part["valueQuantity"] for part in sent["component"]] == [
        {"value": 128, "unit": "mmHg"},
        {"value": 82, "unit": "mmHg"},
    ]


def test_saturation_goes_out_under_one_code_since_its_twin_is_made_there() -> None:
    action = {
        **WEIGHT,
        "code": loinc("59408-5", "Oxygen saturation"),
        "valueQuantity": {"value": 97, "unit": "%", "system": KG["system"], "code": "%"},
    }
    assert [item["code"] for item in body(one(action))["code"]["coding"]] == ["59408-5"]


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"bodySite": {"text": "left arm"}}, "bodySite"),
        ({"note": [{"text": "after rest"}]}, "note"),
        ({"performerRole": "nurse"}, "performerRole"),
        ({"state": "rest"}, "state"),
    ],
)
def test_what_would_be_lost_is_refused_by_name(more: dict[str, Any], named: str) -> None:
    refuses(ADAPTER, {**BLOOD_PRESSURE, **more}, SITE, named)


def test_hospital_may_leave_who_measured_to_our_record_but_never_what_was_measured() -> None:
    lax = site(leaves_out=["performerRole", "bodySite"])
    (operation,) = planned(ADAPTER, {**BLOOD_PRESSURE, "performerRole": "nurse"}, lax)
    assert "performer" not in body(operation)
    refuses(ADAPTER, {**BLOOD_PRESSURE, "bodySite": {"text": "left arm"}}, lax, "bodySite")


def test_vital_that_is_not_on_the_vendors_list_is_refused() -> None:
    head = {**WEIGHT, "code": loinc("9843-4", "Head circumference")}
    head["valueQuantity"] = {"value": 40, "unit": "cm", "system": KG["system"], "code": "cm"}
    refuses(ADAPTER, head, SITE, "no place for this vital sign")


def test_documented_medication_goes_out_by_the_vendors_code_with_its_text() -> None:
    sent = body(one(START))
    assert sent["medicationReference"]["reference"] == "Medication/fdb-259181"
    assert sent["dosage"] == [DOSE]
    assert set(sent) == {"resourceType", "status", "subject", "medicationReference", "dosage"}


def test_code_with_no_or_several_counterparts_is_for_a_person_with_the_candidates() -> None:
    with pytest.raises(UnmappedCodeError) as none:
        planned(ADAPTER, START, site(leaves_out=["informationSource"]))
    assert (none.value.kind, none.value.candidates) == ("unmapped_code", ())
    several = {"codes": {"medication": {f"{RXNORM}|861007": ["2", "1"]}}, "leaves_out": ["informationSource"]}
    with pytest.raises(UnmappedCodeError) as found:
        planned(ADAPTER, START, site(**several))
    assert found.value.candidates == ("1", "2")


def test_connection_may_say_that_rxnorm_is_taken_as_it_is() -> None:
    at = site(medication_codes="rxnorm", leaves_out=["informationSource"])
    sent = body(planned(ADAPTER, START, at)[0])
    assert sent["medicationCodeableConcept"]["coding"][0]["code"] == "861007"


def test_second_dosage_would_be_lost_and_is_refused() -> None:
    refuses(ADAPTER, {**START, "dosage": [START["dosage"][0], {"text": "and one at night"}]}, SITE, "one dosage")


def test_retraction_sends_the_entry_as_it_is_guarded_by_the_time_of_its_last_change() -> None:
    operation = one(medication("retract"), current=STORED, version=CHANGED, target=acknowledged())
    request = ADAPTER.request(operation, SITE)
    assert body(operation) == {**{k: v for k, v in STORED.items() if k != "meta"}, "status": "entered-in-error"}
    assert (request.method, request.path) == ("PUT", "MedicationStatement/m1")
    assert request.headers["If-Unmodified-Since"] == "Sat, 21 Nov 2026 10:00:00 GMT"


def test_retraction_of_what_moved_since_its_author_looked_is_not_sent() -> None:
    moved = {**STORED, "meta": {"lastUpdated": LATER}}
    with pytest.raises(TargetMovedError):
        one(medication("retract"), current=moved, version=LATER, target=acknowledged())


def test_retraction_of_an_entry_without_a_time_of_its_last_change_is_for_a_person() -> None:
    with pytest.raises(NeedsPersonError, match="no version"):
        one(medication("retract"), current=STORED, version=None, target=acknowledged())


def test_correction_is_a_new_entry_and_then_the_retraction_of_the_wrong_one() -> None:
    fixed = medication("correct", dosage=[{"text": "1 tablet once daily"}])
    new, old = planned(ADAPTER, fixed, SITE, current=STORED, version=CHANGED, target=acknowledged())
    assert (new.interaction, old.interaction) == (Interaction.CREATE, Interaction.UPDATE)
    assert (new.is_primary, old.is_primary) == (True, False)
    assert "id" not in body(new)
    assert body(new)["dosage"] == [{"text": "1 tablet once daily"}]
    assert body(new)["effectivePeriod"] == STORED["effectivePeriod"]
    assert body(old)["status"] == "entered-in-error"
    assert old.if_match == CHANGED


@pytest.mark.parametrize("operation", ["changeDose", "hold", "resume", "stop", "notTaking"])
def test_change_that_would_take_the_entry_back_is_never_built(operation: str) -> None:
    more = {"dosage": [DOSE]} if operation == "changeDose" else {}
    refuses(
        ADAPTER,
        medication(operation, **more),
        SITE,
        "entered in error",
        current=STORED,
        version=CHANGED,
        target=acknowledged(),
    )


@pytest.mark.parametrize(
    "action", [{**WEIGHT, "operation": "correct"}, {"type": "VitalReading", "operation": "retract"}]
)
def test_vital_sign_can_be_neither_changed_nor_taken_back(action: dict[str, Any]) -> None:
    more = {"retractReason": "wrong patient"} if action["operation"] == "retract" else {}
    stored = {"resourceType": "Observation", "id": "o1", "subject": {"reference": "Patient/p1"}, "status": "final"}
    target = {"reference": "Observation/o1", "versionId": CHANGED}
    refuses(ADAPTER, {**action, **more}, SITE, "take them back", current=stored, version=CHANGED, target=target)


@pytest.mark.parametrize("content", [b"", b"null"])
@pytest.mark.parametrize(
    "place",
    ["http://fumage.example/Observation/o1/_history/1", "/Observation/o1", "https://ehr.example/Observation/o1"],
)
def test_create_is_named_by_its_location_alone_in_every_shape(content: bytes, place: str) -> None:
    answer = Answer(status=201, headers={"location": place}, body=content)
    settled = ADAPTER.classify(one(WEIGHT), answer, NOW)
    assert (settled.outcome, settled.reference, settled.version) == (Outcome.APPLIED, "Observation/o1", None)


def test_update_is_answered_by_nothing_at_all() -> None:
    operation = one(medication("retract"), current=STORED, version=CHANGED, target=acknowledged())
    assert came_to(ADAPTER, operation, 200, b"null") is Outcome.APPLIED
    assert came_to(ADAPTER, operation, 200, b"") is Outcome.APPLIED
    assert came_to(ADAPTER, operation, 201, b"null") is Outcome.UNKNOWN
    assert came_to(ADAPTER, operation, 412) is Outcome.CONFLICT


def test_success_in_no_documented_shape_is_unknown() -> None:
    operation = one(WEIGHT)
    check_trust(ADAPTER, operation)
    assert came_to(ADAPTER, operation, 201, b"null") is Outcome.UNKNOWN
    assert came_to(ADAPTER, operation, 200, b"null", location="/Observation/o1") is Outcome.UNKNOWN
    failed = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "business-rule"}]}
    assert came_to(ADAPTER, operation, 201, failed, location="/Observation/o1") is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("status", "code", "outcome"),
    [
        (400, "invalid", Outcome.REJECTED_PAYLOAD),
        (401, "unknown", Outcome.AUTH),
        (403, "forbidden", Outcome.NOT_SUPPORTED),
        (405, "not-supported", Outcome.NOT_SUPPORTED),
        (422, "business-rule", Outcome.REJECTED_PAYLOAD),
        (429, "throttled", Outcome.THROTTLED),
        (500, "excepetion", Outcome.UNKNOWN),
    ],
)
def test_refusals_are_told_apart(status: int, code: str, outcome: Outcome) -> None:
    issue = {"severity": "error", "code": code, "details": {"text": "x"}}
    assert came_to(ADAPTER, one(WEIGHT), status, {"resourceType": "OperationOutcome", "issue": [issue]}) is outcome


def in_chart(**over: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": "o7",
        "status": "final",
        "category": [{"coding": [{"system": "c", "code": "vital-signs"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7", "display": "Weight"}]},
        "subject": {"reference": "Patient/p1", "type": "Patient"},
        "effectiveDateTime": "2026-11-22T13:15:00+00:00",
        "issued": "2026-11-22T13:16:00+00:00",
        "performer": WEIGHT["performer"],
        "valueQuantity": {"value": number("159.8"), "unit": "lb", "system": KG["system"], "code": "[lb_av]"},
        "derivedFrom": [{"reference": "Observation/panel"}],
        **over,
    }


def test_value_given_back_in_another_unit_is_explained() -> None:
    assert ADAPTER.differences(one(WEIGHT), in_chart(), SITE) == ()


@pytest.mark.parametrize(
    ("over", "named"),
    [
        ({"valueQuantity": {"value": number("159.2"), "unit": "lb", "code": "[lb_av]"}}, "valueQuantity"),
        ({"valueQuantity": {"value": number("72.5"), "unit": "lb", "code": "[lb_av]"}}, "valueQuantity"),
        ({"valueQuantity": None}, "valueQuantity"),
        ({"status": "entered-in-error"}, "status"),
        ({"performer": [{"reference": "Practitioner/other"}]}, "performer"),
        ({"effectiveDateTime": "2026-11-22T14:15:00+00:00"}, "effectiveDateTime"),
        ({"subject": {"reference": "Patient/p2"}}, "subject"),
    ],
)
def test_another_content_is_noticed(over: dict[str, Any], named: str) -> None:
    assert named in ADAPTER.differences(one(WEIGHT), in_chart(**over), SITE)


def test_pressure_given_back_with_its_units_is_explained_and_another_number_is_not() -> None:
    operation = one(BLOOD_PRESSURE)
    sent = body(operation)
    stored = {**sent, "id": "o8", "component": [
        {**part, "valueQuantity": {**MMHG, "value": part["valueQuantity"]["value"]}} for part in sent["component"]
    ]}  # fmt: skip
    assert ADAPTER.differences(operation, stored, SITE) == ()
    stored["component"][0]["valueQuantity"]["value"] = 129
    assert "component" in ADAPTER.differences(operation, stored, SITE)


def test_medication_given_back_by_its_codes_is_explained_and_another_one_is_not() -> None:
    operation = one(START)
    assert ADAPTER.differences(operation, STORED, SITE) == ()
    other = {**STORED, "medicationCodeableConcept": {"coding": [{"system": FDB, "code": "1"}]}}
    assert "medicationReference" in ADAPTER.differences(operation, other, SITE)


def test_twin_and_lost_create_are_found_by_what_they_say() -> None:
    operation = one(WEIGHT)
    query = ADAPTER.twin_query(operation, SITE)
    assert query is not None
    assert query.path.startswith("Observation?patient=p1&code=")
    assert ADAPTER.read_twins(operation, searched(in_chart()), SITE) == ("Observation/o7",)
    found = ADAPTER.read_probe(operation, searched(in_chart()), SITE)
    assert (found.verdict, found.reference) == (ProbeVerdict.APPLIED, "Observation/o7")
    assert ADAPTER.read_probe(operation, searched(), SITE).verdict is ProbeVerdict.NOT_APPLIED
    both = searched(in_chart(), in_chart(id="o9"))
    assert ADAPTER.read_probe(operation, both, SITE).verdict is ProbeVerdict.CANNOT_TELL


def test_medications_are_searched_by_patient_since_no_more_is_offered() -> None:
    query = ADAPTER.twin_query(one(START), SITE)
    assert query is not None
    assert query.path == "MedicationStatement?patient=p1"


def test_table_says_what_is_built() -> None:
    check_declared(ADAPTER)
    check_no_update_takes_back(ADAPTER)
    update = CAPABILITIES.writes["MedicationStatement", Interaction.UPDATE]
    assert (update.meaning, update.precondition) == (Meaning.RETRACTS, PreconditionKind.IF_UNMODIFIED_SINCE)
    assert ("Observation", Interaction.UPDATE) not in CAPABILITIES.writes


def test_update_that_does_not_say_that_the_entry_was_an_error_is_stopped_even_if_a_mapping_built_it() -> None:
    assert isinstance(ADAPTER, CanvasAdapter)
    wrong = replace(
        ADAPTER,
        handlers={("MedicationChange", "retract"): Handler(
            resource_type="MedicationStatement", build=lambda change: {**(change.current or {}), "status": "stopped"}
        )},
    )  # fmt: skip
    with pytest.raises(UnsupportedActionError, match="takes a MedicationStatement back"):
        planned(wrong, medication("retract"), SITE, current=STORED, version=CHANGED, target=acknowledged())


def test_reads_name_the_time_of_the_last_change_as_the_version() -> None:
    assert ADAPTER.version_of(STORED) == CHANGED
    assert ADAPTER.version_of({"meta": {"versionId": "1"}}) is None


# The lists, messages and tasks

PENICILLIN = {"coding": [{"system": RXNORM, "code": "7980"}], "text": "penicillin G"}
ALLERGY: dict[str, Any] = {
    "type": "AllergyUpdate",
    "operation": "record",
    "code": PENICILLIN,
    "allergyType": "allergy",
    "reaction": [{"manifestation": [{"text": "hives"}], "severity": "moderate"}],
}
ALLERGIES = site(codes={"allergy": {f"{RXNORM}|7980": "2-15588"}})
PROBLEM: dict[str, Any] = {
    "type": "ProblemUpdate",
    "operation": "add",
    "category": "problem-list-item",
    "code": {"coding": [{"system": "http://snomed.info/sct", "code": "38341003"}], "text": "Hypertension"},
    "onsetDateTime": "2024-05-01",
}
DOCTOR: dict[str, Any] = {"author": {"role": "physician", "reference": "Practitioner/d1"}}


THO = "http://terminology.hl7.org/CodeSystem/"


def coded(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


def taken_back(action: dict[str, Any], resource: dict[str, Any]) -> Operation:
    target = {"reference": f"{resource['resourceType']}/x1", "versionId": CHANGED, "seen": {"code": resource["code"]}}
    (operation,) = planned(ADAPTER, action, ALLERGIES, current=resource, version=CHANGED, target=target)
    return operation


def test_allergy_goes_out_by_its_fdb_code_and_without_a_certainty_that_nobody_stated() -> None:
    (operation,) = planned(ADAPTER, ALLERGY, ALLERGIES)
    sent = body(operation)
    assert sent["code"]["coding"] == [{"system": FDB, "code": "2-15588", "display": "penicillin G"}]
    assert "verificationStatus" not in sent
    stored = {**sent, "id": "a1", "verificationStatus": {"coding": [{"system": "v", "code": "confirmed"}]}}
    assert ADAPTER.differences(operation, stored, ALLERGIES) == ()
    assert "reaction" in ADAPTER.differences(operation, {**stored, "reaction": []}, ALLERGIES)


def test_criticality_of_an_allergy_would_be_lost_and_is_refused() -> None:
    refuses(ADAPTER, {**ALLERGY, "criticality": "high"}, ALLERGIES, "criticality")


def test_allergy_beside_the_statement_that_none_is_known_is_not_sent_since_that_cannot_be_made_inactive() -> None:
    none_known = {
        "resourceType": "AllergyIntolerance",
        "id": "n1",
        "meta": {"lastUpdated": CHANGED},
        "clinicalStatus": coded(f"{THO}allergyintolerance-clinical", "active"),
        "code": coded("http://snomed.info/sct", "716186003"),
        "patient": {"reference": "Patient/p1"},
    }
    with pytest.raises(UnsupportedActionError, match="takes a AllergyIntolerance back"):
        ADAPTER.plan(command(ALLERGY), Surrounding(beside=(none_known,)), ALLERGIES)


WRONG_ALLERGY = {
    "resourceType": "AllergyIntolerance",
    "clinicalStatus": coded(f"{THO}allergyintolerance-clinical", "active"),
    "code": PENICILLIN,
    "patient": {"reference": "Patient/p1"},
}
WRONG_PROBLEM = {
    "resourceType": "Condition",
    "clinicalStatus": coded(f"{THO}condition-clinical", "resolved"),
    "category": [coded(f"{THO}condition-category", "problem-list-item")],
    "code": PROBLEM["code"],
    "subject": {"reference": "Patient/p1"},
    "abatementDateTime": "2025-01-01",
    "note": [{"text": "old"}],
}
RETRACT = {"operation": "retract", "changeReason": "wrong patient"}


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ({"type": "AllergyUpdate", "code": PENICILLIN, **RETRACT}, WRONG_ALLERGY),
        ({"type": "ProblemUpdate", "code": PROBLEM["code"], "category": "problem-list-item", **RETRACT}, WRONG_PROBLEM),
    ],
)
def test_retraction_of_a_list_entry_sends_the_mark_and_nothing_else_that_is_new(
    action: dict[str, Any], resource: dict[str, Any]
) -> None:
    whole = {"id": "x1", "meta": {"lastUpdated": CHANGED}, **resource}
    operation = taken_back(action, whole)
    sent = body(operation)
    assert operation.if_match == CHANGED
    assert sent["verificationStatus"]["coding"][0]["code"] == "entered-in-error"
    assert sent.get("note") == resource.get("note")
    assert not {"clinicalStatus", "abatementDateTime"} & set(sent)
    stored = {**whole, "verificationStatus": sent["verificationStatus"]}
    assert ADAPTER.differences(operation, stored, ALLERGIES) == ()
    assert "verificationStatus" in ADAPTER.differences(operation, whole, ALLERGIES)


@pytest.mark.parametrize("operation", ["update", "resolve", "inactivate", "reactivate", "refute"])
def test_problem_is_never_changed_since_that_would_take_it_back(operation: str) -> None:
    reason = {} if operation == "update" else {"changeReason": "asked"}
    action = {
        "type": "ProblemUpdate",
        "operation": operation,
        "category": "problem-list-item",
        "code": PROBLEM["code"],
        **reason,
    }
    target = {
        "reference": "Condition/c1",
        "versionId": CHANGED,
        "seen": {"code": PROBLEM["code"]},
    }
    with pytest.raises(UnsupportedActionError, match="entered in error"):
        planned(
            ADAPTER, action, SITE, current={"resourceType": "Condition", "id": "c1"}, version=CHANGED, target=target
        )


def test_problem_goes_out_as_its_author_coded_it() -> None:
    (operation,) = planned(ADAPTER, PROBLEM, SITE)
    sent = body(operation)
    assert sent["code"] == PROBLEM["code"]
    assert sent["clinicalStatus"]["coding"][0]["code"] == "active"
    refuses(ADAPTER, {**PROBLEM, "bodySite": [{"text": "left"}]}, SITE, "bodySite")


def test_only_a_patients_message_to_one_practitioner_is_sent() -> None:
    message = {
        "type": "CareMessage",
        "operation": "send",
        "payload": [{"contentString": "a < b & I feel better"}],
        "recipient": [{"reference": "Practitioner/d1"}],
    }
    patient: dict[str, Any] = {"author": {"role": "patient", "reference": "Patient/p1"}}
    (operation,) = planned(ADAPTER, message, SITE, **patient)
    sent = body(operation)
    assert (sent["status"], sent["sender"]) == ("unknown", {"reference": "Patient/p1"})
    html = {**sent, "id": "m1", "payload": [{"contentString": "<p>a &lt; b &amp; I feel better</p>"}], "sent": CHANGED}
    assert ADAPTER.differences(operation, html, SITE) == ()
    assert "payload" in ADAPTER.differences(operation, {**html, "payload": [{"contentString": "<p>worse</p>"}]}, SITE)
    refuses(ADAPTER, message, SITE, "stay drafts", **DOCTOR)


ASKED: dict[str, Any] = {
    "type": "CareTask",
    "operation": "create",
    "description": "Call the patient",
    "note": [{"text": "one"}],
}
TASK: dict[str, Any] = {
    "resourceType": "Task",
    "id": "t1",
    "meta": {"lastUpdated": CHANGED},
    "status": "requested",
    "intent": "unknown",
    "description": "Call the patient",
    "for": {"reference": "Patient/p1"},
    "requester": {"reference": "Practitioner/d1"},
    "owner": {"reference": "Practitioner/d2"},
    "note": [{"text": "one"}],
    "input": [{"type": {"text": "label"}, "valueString": "Urgent"}],
}


def test_task_is_asked_for_by_a_practitioner_with_the_intent_that_is_taken() -> None:
    (operation,) = planned(ADAPTER, ASKED, SITE, **DOCTOR)
    sent = body(operation)
    assert (sent["intent"], sent["requester"], sent["for"]) == (
        "unknown",
        {"reference": "Practitioner/d1"},
        {"reference": "Patient/p1"},
    )
    refuses(ADAPTER, ASKED, SITE, "practitioner asks for")
    refuses(ADAPTER, {**ASKED, "priority": "urgent"}, SITE, "priority", **DOCTOR)


def test_what_a_task_is_called_stands_before_its_description_and_routine_needs_no_priority() -> None:
    called = {**ASKED, "code": {"text": "For the chart, by hand"}, "priority": "routine"}
    sent = body(planned(ADAPTER, called, SITE, **DOCTOR)[0])
    assert sent["description"] == "For the chart, by hand\nCall the patient"
    assert not {"code", "priority"} & sent.keys()
    coded = {"coding": [{"system": "urn:example", "code": "1"}], "text": "call"}
    refuses(ADAPTER, {**ASKED, "code": coded}, SITE, "no place for code", **DOCTOR)


def test_task_is_ended_by_the_whole_task_with_the_comments_that_are_new() -> None:
    action = {"type": "CareTask", "operation": "cancel", "statusReason": {"text": "done by phone"}}
    target = {"reference": "Task/t1", "versionId": CHANGED}
    (operation,) = planned(ADAPTER, action, SITE, current=TASK, version=CHANGED, target=target, **DOCTOR)
    sent = body(operation)
    assert sent == {
        **{k: v for k, v in TASK.items() if k != "meta"},
        "status": "cancelled",
        "note": [{"text": "done by phone"}],
    }
    assert "If-Unmodified-Since" in ADAPTER.request(operation, SITE).headers
    stored = {**sent, "note": [*TASK["note"], *sent["note"]]}
    assert ADAPTER.differences(operation, stored, SITE) == ()
    assert ADAPTER.differences(operation, {**stored, "note": TASK["note"]}, SITE) == ("note",)
    assert ADAPTER.differences(operation, {**stored, "owner": {"reference": "Practitioner/d3"}}, SITE) == ("owner",)
