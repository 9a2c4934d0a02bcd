"""What Epic is sent, what its answers come to, and what of a reading's return is its known way and what is not."""

from datetime import timedelta
from typing import Any

import pytest

from adapters.adapter import Adapter
from adapters.epic import ADAPTER, CAPABILITIES
from adapters.wire import Answer
from canonical import exact_json
from canonical.capabilities import Interaction, Landing, Way, within_contract
from canonical.errors import NeedsPersonError, UnsupportedActionError
from canonical.outcome import Outcome, ProbeVerdict
from canonical.ports import Operation
from tests.adapters.chart import TRACE, opened
from tests.adapters.commands import BLOOD_PRESSURE, KG, MMHG, NOW, START, WEIGHT, command, loinc, number
from tests.adapters.raw_server import RawServer, answering, http
from tests.adapters.vendors import (
    UnmappedCodeError,
    around,
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

LICENSED = {"licensed_vitals": True, "licensed_allergies": True, "licensed_problems": True}
UNITS = {"29463-7": "kg", "59408-5": "%", "8310-5": "[degF]"}
SITE = site(**LICENSED, units=UNITS, leaves_out=["performer"])
VISIT: dict[str, Any] = {"encounter": {"reference": "Encounter/e1"}}
CODES = "urn:oid:1.2.840.114350.1.13.0.1.7.2.657369"
SNOMED = "http://snomed.info/sct"
ICD10 = "http://hl7.org/fhir/sid/icd-10-cm"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
HIVES = {"coding": [{"system": SNOMED, "code": "247472004", "display": "Hives"}], "text": "hives"}
ALLERGY: dict[str, Any] = {
    "type": "AllergyUpdate",
    "operation": "record",
    "code": {"coding": [{"system": RXNORM, "code": "7980", "display": "Penicillin G"}], "text": "penicillin"},
    "category": ["medication"],
    "reaction": [{"manifestation": [HIVES]}],
}
PROBLEM: dict[str, Any] = {
    "type": "ProblemUpdate",
    "operation": "add",
    "category": "problem-list-item",
    "code": {"coding": [{"system": ICD10, "code": "I10", "display": "Essential hypertension"}]},
    "onsetDateTime": "2024-03",
}


def issue(code: str, **more: Any) -> dict[str, Any]:
    details = {"coding": [{"system": CODES, "code": code}]}
    return {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "fatal", "code": "invalid", "details": details, **more}],
    }


def one(action: dict[str, Any], **more: Any) -> Operation:
    if action["type"] == "VitalReading":
        more = {**VISIT, **more}
    (operation,) = planned(ADAPTER, action, SITE, **more)
    return operation


def stored(operation: Operation, **over: Any) -> dict[str, Any]:
    return {**body(operation), "id": "eXYZ", "meta": {"lastUpdated": "2026-11-22T13:20:00Z"}, **over}


def test_table_says_of_every_operation_how_it_is_taken_or_why_not() -> None:
    check_declared(ADAPTER)
    taken = {key: item.way for key, item in CAPABILITIES.supports.items() if item.way is not Way.REFUSED}
    assert taken == {
        ("VitalReading", "record"): Way.DIRECT,
        ("AllergyUpdate", "record"): Way.REVIEW,
        ("ProblemUpdate", "add"): Way.REVIEW,
        ("ClinicalNote", "create"): Way.DIRECT,
    }


def test_no_update_can_retract_since_there_is_none() -> None:
    check_no_update_takes_back(ADAPTER)
    assert {interaction for _, interaction in CAPABILITIES.writes} == {Interaction.CREATE}


@pytest.mark.parametrize(
    ("action", "flag"),
    [(WEIGHT, "licensed_vitals"), (ALLERGY, "licensed_allergies"), (PROBLEM, "licensed_problems")],
)
def test_api_that_the_hospital_did_not_license_is_not_called(action: dict[str, Any], flag: str) -> None:
    without = site(**{**LICENSED, flag: False}, units=UNITS, leaves_out=["performer"])
    refuses(ADAPTER, action, without, flag, **VISIT)
    key = (action["type"], action["operation"])
    assert within_contract(CAPABILITIES, {}).supports[key].way is Way.REFUSED


def test_weight_is_one_reading_of_one_code_in_its_encounter_with_its_digits() -> None:
    operation = one(WEIGHT)
    sent = body(operation)
    assert set(sent) == {
        *("resourceType", "status", "category", "code", "subject", "encounter", "effectiveDateTime", "valueQuantity"),
    }
    assert sent["status"] == "final"
    assert sent["code"] == {"coding": [{"system": "http://loinc.org", "code": "29463-7"}], "text": "Body weight"}
    assert sent["encounter"] == VISIT["encounter"]
    assert b'"value":72.50,' in operation.body


def test_request_is_one_post_without_a_guard_that_would_be_ignored() -> None:
    request = ADAPTER.request(one(WEIGHT), SITE)
    assert (request.method, request.path) == ("POST", "Observation")
    assert request.headers["Prefer"] == "return=representation"
    assert not {"If-None-Exist", "If-Match"} & set(request.headers)


def test_reading_without_an_encounter_is_for_a_person() -> None:
    with pytest.raises(NeedsPersonError) as caught:
        planned(ADAPTER, WEIGHT, SITE)
    assert caught.value.kind == "encounter_needed"


def test_vital_of_which_the_unit_is_not_declared_is_not_sent() -> None:
    refuses(ADAPTER, WEIGHT, site(**LICENSED, leaves_out=["performer"]), "units", **VISIT)


def test_value_is_sent_in_the_unit_that_the_organisation_keeps() -> None:
    at = site(**LICENSED, units={"8310-5": "[degF]"})
    fever = {
        **{name: item for name, item in WEIGHT.items() if name != "performer"},
        "code": loinc("8310-5", "Body temperature"),
        "valueQuantity": {"value": number("37.2"), "unit": "Cel", "system": KG["system"], "code": "Cel"},
    }
    (operation,) = planned(ADAPTER, fever, at, **VISIT)
    assert exact_json.dumps(body(operation)["valueQuantity"]) == (
        '{"value":98.96,"unit":"[degF]","system":"http://unitsofmeasure.org","code":"[degF]"}'
    )


@pytest.mark.parametrize("code", ["59408-5", "2708-6"])
def test_saturation_goes_out_under_the_one_code_its_author_gave(code: str) -> None:
    percent = {"value": 97, "unit": "%", "system": KG["system"], "code": "%"}
    action = {**WEIGHT, "code": loinc(code, "Oxygen saturation"), "valueQuantity": percent}
    at = site(**LICENSED, units={code: "%"}, leaves_out=["performer"])
    (operation,) = planned(ADAPTER, action, at, **VISIT)
    assert [item["code"] for item in body(operation)["code"]["coding"]] == [code]


def test_flowsheet_row_is_named_by_the_sites_own_code_and_never_chosen() -> None:
    row = {"http://loinc.org|29463-7": "urn:oid:1.2.840.1|14"}
    at = site(**LICENSED, units=UNITS, leaves_out=["performer"], codes={"vital": row})
    (operation,) = planned(ADAPTER, WEIGHT, at, **VISIT)
    assert body(operation)["code"]["coding"] == [{"system": "urn:oid:1.2.840.1", "code": "14"}]
    two = {"http://loinc.org|29463-7": ["urn:oid:1.2.840.1|14", "urn:oid:1.2.840.1|15"]}
    at = site(**LICENSED, units=UNITS, leaves_out=["performer"], codes={"vital": two})
    with pytest.raises(UnmappedCodeError) as caught:
        planned(ADAPTER, WEIGHT, at, **VISIT)
    assert caught.value.candidates == ("urn:oid:1.2.840.1|14", "urn:oid:1.2.840.1|15")


def test_blood_pressure_is_both_components_in_the_only_unit_that_is_not_ignored() -> None:
    parts = body(one(BLOOD_PRESSURE))["component"]
    assert [part["valueQuantity"]["code"] for part in parts] == ["mm[Hg]", "mm[Hg]"]
    mean = {"code": loinc("8478-0", "Mean"), "valueQuantity": {"value": 97, **MMHG}}
    refuses(
        ADAPTER, {**BLOOD_PRESSURE, "component": [*BLOOD_PRESSURE["component"], mean]}, SITE, "blood pressure", **VISIT
    )


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"bodySite": {"text": "left arm"}}, "bodySite"),
        ({"state": "rest"}, "state"),
        ({"origin": "patientReported"}, "origin"),
        ({"verifiedBy": {"reference": "Practitioner/n2"}}, "verifiedBy"),
    ],
)
def test_what_the_build_is_not_known_to_keep_is_refused_by_name(more: dict[str, Any], named: str) -> None:
    refuses(ADAPTER, {**BLOOD_PRESSURE, **more}, SITE, named, **VISIT)


def test_connection_may_declare_what_its_build_keeps_besides() -> None:
    at = site(**LICENSED, units=UNITS, keeps={"VitalReading": ["bodySite", "performer"]})
    (operation,) = planned(ADAPTER, {**WEIGHT, "bodySite": {"text": "scale"}}, at, **VISIT)
    assert {"bodySite", "performer"} <= set(body(operation))


def test_note_longer_than_its_place_is_refused_and_never_cut() -> None:
    def noted(*texts: str) -> dict[str, Any]:
        return {**WEIGHT, "note": [{"text": text} for text in texts]}

    assert body(one(noted("x" * 254)))["note"] == [{"text": "x" * 254}]
    refuses(ADAPTER, noted("x" * 255), SITE, "254", **VISIT)
    refuses(ADAPTER, noted("a", "b"), SITE, "one note", **VISIT)
    older = site(**LICENSED, units=UNITS, leaves_out=["performer"], vital_note_characters=60)
    refuses(ADAPTER, noted("x" * 61), older, "60", **VISIT)


def test_allergy_is_active_unconfirmed_and_one_manifestation_with_each_reaction() -> None:
    sent = body(one(ALLERGY))
    assert sent["clinicalStatus"]["coding"][0]["code"] == "active"
    assert sent["verificationStatus"]["coding"][0]["code"] == "unconfirmed"
    assert sent["patient"] == {"reference": "Patient/p1"}
    refuses(ADAPTER, {**ALLERGY, "reaction": [{"manifestation": [HIVES, HIVES]}]}, SITE, "manifestation")
    refuses(ADAPTER, {**ALLERGY, "criticality": "high"}, SITE, "criticality")


def test_problem_is_provisional_and_by_a_code_that_is_taken() -> None:
    sent = body(one(PROBLEM))
    assert sent["verificationStatus"]["coding"][0]["code"] == "provisional"
    with pytest.raises(UnmappedCodeError):
        one({**PROBLEM, "code": {"coding": [{"system": "urn:local", "code": "x"}], "text": "hypertension"}})
    refuses(ADAPTER, {**PROBLEM, "code": {"coding": [{"system": ICD10, "code": "I10"}]}}, SITE, "name")
    refuses(ADAPTER, {**PROBLEM, "category": "health-concern"}, SITE, "problem list")
    refuses(ADAPTER, {**PROBLEM, "note": [{"text": "x" * 451}]}, SITE, "450")


@pytest.mark.parametrize(
    ("action", "match"),
    [
        ({**WEIGHT, "operation": "correct"}, "by hand"),
        ({"type": "VitalReading", "operation": "retract", "retractReason": "wrong patient"}, "by hand"),
        (START, "no documented medication"),
    ],
)
def test_refusal_gives_the_reason_in_words(action: dict[str, Any], match: str) -> None:
    more = (
        {}
        if action["operation"] in {"record", "start"}
        else {"target": {"reference": "Observation/o1", "versionId": "1"}}
    )
    refuses(ADAPTER, action, SITE, match, **more)


def test_vital_answered_with_a_relative_location_alone_is_in_the_chart() -> None:
    settled = ADAPTER.classify(one(WEIGHT), Answer(status=201, headers={"location": "Observation/eXYZ"}), NOW)
    assert (settled.outcome, settled.reference, settled.version) == (Outcome.APPLIED, "Observation/eXYZ", None)


@pytest.mark.parametrize("action", [ALLERGY, PROBLEM])
def test_what_waits_to_be_reconciled_is_not_in_the_chart(action: dict[str, Any]) -> None:
    operation = one(action)
    place = f"{operation.resource_type}/eXYZ"
    settled = ADAPTER.classify(operation, Answer(status=201, headers={"location": place}), NOW)
    assert (settled.outcome, settled.reference) == (Outcome.PENDING_REMOTE, place)
    assert ADAPTER.read_probe(operation, searched(), SITE).verdict is ProbeVerdict.CANNOT_TELL
    assert CAPABILITIES.writes[operation.resource_type, Interaction.CREATE].landing is Landing.REVIEW


@pytest.mark.parametrize(
    ("status", "content", "outcome"),
    [
        (403, b"", Outcome.REJECTED_SITE_CONFIG),
        (403, issue("4118"), Outcome.REJECTED_SITE_CONFIG),
        (403, issue("4130"), Outcome.NOT_SUPPORTED),
        (403, issue("4131"), Outcome.NOT_SUPPORTED),
        (403, issue("4134"), Outcome.NOT_SUPPORTED),
        (400, issue("4135"), Outcome.THROTTLED),
        (400, issue("40000"), Outcome.REJECTED_SITE_CONFIG),
        (400, issue("59187"), Outcome.REJECTED_SITE_CONFIG),
        (400, issue("59188"), Outcome.REJECTED_SITE_CONFIG),
        (400, issue("59189"), Outcome.CONFLICT),
        (400, issue("59141"), Outcome.CONFLICT),
        (409, issue("59141"), Outcome.CONFLICT),
        (400, issue("59100"), Outcome.REJECTED_PAYLOAD),
        (400, issue("59108"), Outcome.REJECTED_PAYLOAD),
        (422, issue("59012"), Outcome.REJECTED_PAYLOAD),
        (400, issue("59177"), Outcome.UNKNOWN),
        (404, issue("4107"), Outcome.MERGED),
        (400, issue("99999"), Outcome.REJECTED_PAYLOAD),
        (502, issue("59102"), Outcome.UNKNOWN),
        (429, issue("59102"), Outcome.THROTTLED),
        (405, b"", Outcome.NOT_SUPPORTED),
    ],
)
def test_number_of_the_vendor_says_what_it_came_to(status: int, content: Any, outcome: Outcome) -> None:
    assert came_to(ADAPTER, one(WEIGHT), status, content) is outcome


def test_number_is_told_and_its_text_is_not() -> None:
    answer = Answer(status=400, body=exact_json.dumps(issue("59189", diagnostics="72.5 kg exists")).encode())
    settled = ADAPTER.classify(one(WEIGHT), answer, NOW)
    assert settled.vendor_code == "59189"
    assert "72.5" not in settled.detail


def test_answer_that_proves_nothing_is_trusted_for_nothing() -> None:
    for action in (WEIGHT, ALLERGY, PROBLEM):
        check_trust(ADAPTER, one(action))


@pytest.mark.parametrize(
    ("value", "outcome"), [("72.5", Outcome.ALREADY_AT_TARGET), ("71.9", Outcome.CONFLICT)], ids=["equal", "other"]
)
def test_reading_that_exists_is_ours_only_if_it_says_the_same(value: str, outcome: Outcome) -> None:
    """Two clinicians may measure at one instant: what the chart has then is no proof of what we sent."""
    operation = one(WEIGHT)
    existing = stored(operation, valueQuantity={"value": number(value), **KG})
    bundle = searched(existing).body
    options = {**LICENSED, "units": UNITS, "leaves_out": ["performer"]}
    refusal = http("400 Bad Request", body=exact_json.dumps(issue("59189")).encode())
    with (
        RawServer(answering(refusal), answering(http("200 OK", body=bundle))) as server,
        opened(server.url, adapter="epic", options=options) as ehr,
    ):
        (planned_here,) = ehr.plan(command(WEIGHT, **VISIT), around())
        assert ehr.send(planned_here, TRACE).outcome is outcome


def test_vital_is_looked_for_by_patient_code_and_instant_before_and_after() -> None:
    operation = one(WEIGHT)
    asked = ADAPTER.probe(operation, SITE)
    assert asked.path == (
        "Observation?patient=p1&code=http%3A%2F%2Floinc.org%7C29463-7&date=2026-11-22T08%3A15%3A00-05%3A00"
    )
    assert ADAPTER.twin_query(operation, SITE) == asked
    found = stored(operation)
    assert ADAPTER.read_twins(operation, searched(found), SITE) == ("Observation/eXYZ",)
    assert ADAPTER.read_probe(operation, searched(found), SITE).verdict is ProbeVerdict.APPLIED
    assert ADAPTER.read_probe(operation, searched(), SITE).verdict is ProbeVerdict.NOT_APPLIED
    assert (
        ADAPTER.read_probe(operation, searched(found, {**found, "id": "e2"}), SITE).verdict is ProbeVerdict.CANNOT_TELL
    )


ROW = {"system": "urn:oid:1.2.840.114350.1.13.0.1.7.2.707679", "code": "14", "display": "Weight"}


@pytest.mark.parametrize(
    "over",
    [
        {"code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}, ROW], "text": "Body weight"}},
        {
            "valueQuantity": {
                "value": number("159.8"),
                "unit": "lb",
                "system": "http://unitsofmeasure.org",
                "code": "[lb_av]",
            }
        },
        {"valueQuantity": {"value": number("72.5"), **KG}},
    ],
    ids=["row added", "other unit", "zero dropped"],
)
def test_known_way_of_giving_a_reading_back_is_no_difference(over: dict[str, Any]) -> None:
    operation = one(WEIGHT)
    assert ADAPTER.differences(operation, stored(operation, **over), SITE) == ()


@pytest.mark.parametrize(
    ("over", "named"),
    [
        ({"valueQuantity": {"value": number("72.6"), **KG}}, "valueQuantity"),
        ({"valueQuantity": {"value": number("72.50"), **KG, "unit": "lb", "code": "[lb_av]"}}, "valueQuantity"),
        ({"code": {"coding": [ROW], "text": "Body weight"}}, "code"),
        ({"subject": {"reference": "Patient/p2"}}, "subject"),
        ({"status": "entered-in-error"}, "status"),
        ({"effectiveDateTime": "2026-11-22T08:16:00-05:00"}, "effectiveDateTime"),
        ({"note": [{"text": "added"}]}, "note"),
    ],
)
def test_one_step_away_from_the_reading_is_noticed(over: dict[str, Any], named: str) -> None:
    operation = one(WEIGHT)
    assert named in ADAPTER.differences(operation, stored(operation, **over), SITE)


def test_allergy_comes_back_under_the_name_of_its_code_and_without_what_is_not_kept() -> None:
    operation = one(ALLERGY)
    found = stored(operation)
    found["code"] = {"coding": ALLERGY["code"]["coding"], "text": "Penicillin G"}
    del found["category"]
    assert ADAPTER.differences(operation, found, SITE) == ()
    assert "code" in ADAPTER.differences(operation, {**found, "code": {**found["code"], "text": "Aspirin"}}, SITE)
    other = {"coding": [{"system": RXNORM, "code": "1191", "display": "Aspirin"}], "text": "Aspirin"}
    assert "code" in ADAPTER.differences(operation, {**found, "code": other}, SITE)
    assert "category" in ADAPTER.differences(operation, {**found, "category": ["food"]}, SITE)


def test_facts_are_told_with_their_sources() -> None:
    assert all(limit.source for limit in CAPABILITIES.limits)
    assert all(change.source for change in CAPABILITIES.known_changes)
    assert CAPABILITIES.search_lag >= timedelta(0)
    assert set(CAPABILITIES.compensations) == {key[0] for key in CAPABILITIES.actions}


def test_connection_is_the_same_adapter() -> None:
    found: Adapter = ADAPTER.connected(SITE)
    assert found is ADAPTER
    with pytest.raises(UnsupportedActionError):
        found.plan(command(WEIGHT, **VISIT), around(), site())
