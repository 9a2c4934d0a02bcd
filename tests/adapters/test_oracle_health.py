"""What Oracle Health is sent, what its answers come to, and what of an entry's return is its known way and what is not."""

import base64
from typing import Any

import pytest

from adapters.oracle_health import ADAPTER, CAPABILITIES
from adapters.oracle_health_entries import UPDATABLE
from adapters.wire import Answer
from canonical import exact_json
from canonical.capabilities import Interaction, Meaning, PreconditionKind, Way
from canonical.errors import EhrUnavailableError, NeedsPersonError, TargetMovedError
from canonical.outcome import Outcome, ProbeVerdict
from canonical.ports import Operation, Surrounding
from tests.adapters.chart import TRACE, opened
from tests.adapters.commands import BLOOD_PRESSURE, KG, NOW, START, WEIGHT, command, loinc, medication, number
from tests.adapters.raw_server import RawServer, answering, http
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

SITE = site(leaves_out=["informationSource"], pairs_blood_pressure=True)
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
SNOMED = "http://snomed.info/sct"
ICD10 = "http://hl7.org/fhir/sid/icd-10-cm"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
SYNONYM = {"system": "https://fhir.cerner.com/t1/synonym", "code": "2749886", "display": "metformin"}
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


def outcome(code: str) -> dict[str, Any]:
    return {"resourceType": "OperationOutcome", "issue": [{"severity": "fatal", "code": code}]}


def reading(**over: Any) -> dict[str, Any]:
    own = {"identifier": [{"system": UPDATABLE, "value": "CE1-2"}], "issued": "2026-11-22T13:20:00Z"}
    return {**stored(one(WEIGHT)), **own, **over}


def target(reference: str, version: str = "1", **over: Any) -> dict[str, Any]:
    seen = {"status": "active"} if reference.startswith("MedicationRequest") else {"verificationStatus": "unconfirmed"}
    return {"target": {"reference": reference, "versionId": version, "seen": seen, **over}}


def acknowledged(reference: str, version: str) -> dict[str, Any]:
    said = {"by": {"value": "n1"}, "when": "2026-11-22T11:59:00Z"}
    return target(reference, version, acknowledged=said)


def test_table_says_of_every_operation_how_it_is_taken_or_why_not() -> None:
    check_declared(ADAPTER)
    refused = {key for key, item in CAPABILITIES.supports.items() if item.way is Way.REFUSED}
    assert {operation for action, operation in refused if action == "MedicationChange"} == {
        *("changeDose", "correct", "hold", "resume", "notTaking", "retract"),
    }
    assert ("VitalReading", "retract") in refused
    assert CAPABILITIES.fallbacks == {"message": ("CareMessage", "send")}


def test_no_update_can_retract_and_every_change_is_guarded_by_the_authors_version() -> None:
    check_no_update_takes_back(ADAPTER)
    changes = {key: write for key, write in CAPABILITIES.writes.items() if key[1] is not Interaction.CREATE}
    assert {write.precondition for write in changes.values()} == {PreconditionKind.IF_MATCH}
    assert Meaning.RETRACTS not in {write.meaning for write in changes.values()}


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


@pytest.mark.parametrize(
    ("status", "differs"), [("stopped", ()), ("cancelled", ()), ("active", ("status",)), ("on-hold", ("status",))]
)
def test_stopped_and_cancelled_are_one_end_and_everything_else_is_none(status: str, differs: tuple[str, ...]) -> None:
    operation = stop()
    found = entry(status=status, meta={"versionId": "1"}, statusReason={"text": "done"})
    assert ADAPTER.differences(operation, found, SITE) == differs
    answer = Answer(status=200, body=exact_json.dumps(found).encode())
    verdict = ADAPTER.read_probe(operation, answer, SITE).verdict
    assert verdict is (ProbeVerdict.CANNOT_TELL if differs else ProbeVerdict.APPLIED)


def test_patch_that_never_arrived_is_seen_by_the_version_that_is_still_there() -> None:
    answer = Answer(status=200, body=exact_json.dumps(entry()).encode())
    assert ADAPTER.probe(stop(), SITE).path == "MedicationRequest/m1"
    assert ADAPTER.read_probe(stop(), answer, SITE).verdict is ProbeVerdict.NOT_APPLIED


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


def test_message_goes_to_an_inbox_as_plain_text_from_its_author() -> None:
    sent = body(one(MESSAGE, **FROM_NURSE))
    assert sent["status"] == "completed"
    assert sent["sender"] == {"reference": "Practitioner/n1"}
    assert sent["category"][0]["coding"][0]["code"] == "notification"
    (part,) = sent["payload"]
    assert part["contentAttachment"]["contentType"] == "text/plain; charset=utf-8"
    text = base64.b64decode(part["contentAttachment"]["data"]).decode()
    assert text == MESSAGE["payload"][0]["contentString"]


@pytest.mark.parametrize(
    ("more", "author", "match"),
    [
        ({"priority": "stat"}, FROM_NURSE, "urgent"),
        ({"payload": [{"contentString": "a"}, {"contentString": "b"}]}, FROM_NURSE, "one part"),
        ({"recipient": [{"reference": "PractitionerRole/r1"}]}, FROM_NURSE, "groups"),
        ({"category": [{"text": "alert"}]}, FROM_NURSE, "category"),
        ({}, {}, "author"),
    ],
)
def test_message_that_would_be_sent_otherwise_is_refused(
    more: dict[str, Any], author: dict[str, Any], match: str
) -> None:
    refuses(ADAPTER, {**MESSAGE, **more}, SITE, match, **author)


def test_message_is_not_looked_up_by_a_text_that_is_not_given_back() -> None:
    operation = one(MESSAGE, **FROM_NURSE)
    assert ADAPTER.twin_query(operation, SITE) is None
    assert ADAPTER.read_probe(operation, Answer(status=400), SITE).verdict is ProbeVerdict.CANNOT_TELL
    given = stored(operation, payload=[{"contentReference": {"reference": "Binary/XR-1"}}], sent="2026-11-22T13:00:00Z")
    assert ADAPTER.differences(operation, given, SITE) == ()
    assert "payload" in ADAPTER.differences(operation, {**given, "payload": []}, SITE)
    assert "recipient" in ADAPTER.differences(operation, {**given, "recipient": []}, SITE)


@pytest.mark.parametrize(
    ("location", "etag", "reference", "version"),
    [
        ("https://x/r4/t1/Observation/VS-197292857", 'W/"1"', "Observation/VS-197292857", "1"),
        ("https://x/r4/t1/Observation/BP-1-2", 'W/"0"', "Observation/BP-1-2", "0"),
        ("https://x/r4/t1/Observation/L-1", 'W/"10-1"', "Observation/L-1", "10-1"),
    ],
)
def test_created_is_an_absolute_place_and_an_opaque_version(
    location: str, etag: str, reference: str, version: str
) -> None:
    headers = {"location": location, "etag": etag, "content-type": "text/html", "content-length": "0"}
    settled = ADAPTER.classify(one(WEIGHT), Answer(status=201, headers=headers), NOW)
    assert (settled.outcome, settled.reference, settled.version) == (Outcome.APPLIED, reference, version)


def test_change_is_answered_with_its_new_version_alone() -> None:
    settled = ADAPTER.classify(stop(), Answer(status=200, headers={"etag": 'W/"1"'}), NOW)
    assert (settled.outcome, settled.reference, settled.version) == (Outcome.APPLIED, "MedicationRequest/m1", "1")


@pytest.mark.parametrize(
    ("status", "content", "outcome_"),
    [
        (409, outcome("conflict"), Outcome.CONFLICT),
        (409, b"", Outcome.CONFLICT),
        (412, b"", Outcome.CONFLICT),
        (412, outcome("required"), Outcome.REJECTED_SITE_CONFIG),
        (423, b"", Outcome.LOCKED),
        (424, outcome("processing"), Outcome.LOCKED),
        (404, outcome("not-found"), Outcome.GONE),
        (403, b"", Outcome.REJECTED_SITE_CONFIG),
        (406, b"", Outcome.REJECTED_SITE_CONFIG),
        (422, outcome("business-rule"), Outcome.REJECTED_PAYLOAD),
        (422, outcome("extension"), Outcome.REJECTED_PAYLOAD),
        (422, outcome("not-supported"), Outcome.REJECTED_PAYLOAD),
        (400, b"Invalid request", Outcome.REJECTED_PAYLOAD),
        (429, outcome("throttled"), Outcome.THROTTLED),
        (500, outcome("required"), Outcome.UNKNOWN),
    ],
)
def test_refusal_of_a_change_means_what_the_table_says(status: int, content: Any, outcome_: Outcome) -> None:
    assert came_to(ADAPTER, stop(), status, content) is outcome_


@pytest.mark.parametrize(
    ("status", "outcome_"), [(409, Outcome.UNKNOWN), (424, Outcome.LOCKED), (422, Outcome.REJECTED_PAYLOAD)]
)
def test_refusal_of_a_create_means_what_the_table_says(status: int, outcome_: Outcome) -> None:
    assert came_to(ADAPTER, one(WEIGHT), status) is outcome_


def test_answer_that_proves_nothing_is_trusted_for_nothing() -> None:
    for operation in (one(WEIGHT), one(START), one(ALLERGY), one(PROBLEM), one(MESSAGE, **FROM_NURSE)):
        check_trust(ADAPTER, operation)


def test_entry_that_can_never_be_shown_does_not_close_the_connection() -> None:
    refusal = http("500 Internal Server Error", body=exact_json.dumps(outcome("required")).encode())
    with (
        RawServer(answering(refusal)) as server,
        opened(server.url, adapter="oracle_health") as ehr,
        pytest.raises(NeedsPersonError) as caught,
    ):
        ehr.fetch("Condition/p1", TRACE)
    assert caught.value.kind == "not_readable"
    with (
        RawServer(answering(http("500 Internal Server Error"))) as server,
        opened(server.url, adapter="oracle_health") as ehr,
        pytest.raises(EhrUnavailableError),
    ):
        ehr.fetch("Condition/p1", TRACE)


def test_entries_are_looked_for_by_what_each_search_takes() -> None:
    assert ADAPTER.probe(one(WEIGHT), SITE).path.startswith(
        "Observation?patient=p1&code=http%3A%2F%2Floinc.org%7C29463-7"
    )
    assert ADAPTER.probe(one(START), SITE).path == "MedicationRequest?patient=p1"
    assert ADAPTER.probe(one(ALLERGY), SITE).path == "AllergyIntolerance?patient=p1"
    assert ADAPTER.probe(one(PROBLEM), SITE).path == "Condition?patient=p1"
    operation = one(START)
    found = stored(operation, authoredOn="2026-11-22", intent="order")
    assert ADAPTER.read_twins(operation, searched(found), SITE) == ("MedicationRequest/VS-1",)
    other = {**found, "dosageInstruction": [{"text": "2 tablets twice daily"}]}
    assert ADAPTER.read_twins(operation, searched(other), SITE) == ()


EVENT = {"system": "https://fhir.cerner.com/t1/codeSet/72", "code": "4154123", "userSelected": True}


@pytest.mark.parametrize(
    ("action", "over"),
    [
        (WEIGHT, {"code": {"coding": [EVENT, *WEIGHT["code"]["coding"]], "text": "Body weight"}}),
        (START, {"intent": "order", "authoredOn": "2026-11-22", "requester": {"reference": "Practitioner/n9"}}),
        (
            START,
            {
                "medicationCodeableConcept": {
                    "coding": [SYNONYM, START["medication"]["coding"][0]],
                    "text": START["medication"]["text"],
                }
            },
        ),
        (PROBLEM, {"onsetDateTime": "2024-03-09", "recordedDate": "2026-11-22"}),
        (ALLERGY, {"recorder": {"reference": "Practitioner/n9"}, "recordedDate": "2026-11-22"}),
    ],
)
def test_known_way_of_giving_an_entry_back_is_no_difference(action: dict[str, Any], over: dict[str, Any]) -> None:
    operation = one(action)
    assert ADAPTER.differences(operation, stored(operation, **over), SITE) == ()


@pytest.mark.parametrize(
    ("action", "over", "named"),
    [
        (WEIGHT, {"valueQuantity": {"value": number("72.51"), **KG}}, "valueQuantity"),
        (WEIGHT, {"code": {"coding": [EVENT], "text": "Body weight"}}, "code"),
        (WEIGHT, {"performer": [{"reference": "Practitioner/n2"}]}, "performer"),
        (START, {"reportedBoolean": False}, "reportedBoolean"),
        (START, {"intent": "proposal"}, "intent"),
        (START, {"status": "stopped"}, "status"),
        (START, {"dosageInstruction": [{"text": "1 tablet daily"}]}, "dosage"),
        (PROBLEM, {"onsetDateTime": "2024-03-08"}, "onsetDateTime"),
        (PROBLEM, {"verificationStatus": {"coding": [{"code": "refuted"}]}}, "verificationStatus"),
        (ALLERGY, {"criticality": "low"}, "criticality"),
        (ALLERGY, {"patient": {"reference": "Patient/p2"}}, "patient"),
    ],
)
def test_one_step_away_from_the_entry_is_noticed(action: dict[str, Any], over: dict[str, Any], named: str) -> None:
    operation = one(action)
    assert named in ADAPTER.differences(operation, stored(operation, **over), SITE)


def test_facts_are_told_with_their_sources() -> None:
    assert all(limit.source for limit in CAPABILITIES.limits)
    assert all(change.source for change in CAPABILITIES.known_changes)
    assert set(CAPABILITIES.compensations) == {key[0] for key in CAPABILITIES.actions}
