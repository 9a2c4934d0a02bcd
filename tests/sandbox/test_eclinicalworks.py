"""eClinicalWorks' quirks, each played over HTTP: a bundle to the base, numbers that look like statuses."""

import base64
from typing import Any

import httpx
import pytest

from tests.sandbox.vendor import CLOSED, OPEN, VISIT, accept_all, allergy, concept, note, play, problem, quantity, vital
from tests.sandbox_fixture import RunningSandbox

RXNORM, NDC = "http://www.nlm.nih.gov/research/umls/rxnorm", "http://hl7.org/fhir/sid/ndc"
ORU = "MSH|^~\\&|APP|ORG|ECW|ORG|20260301||ORU^R01|1|P|2.5\rPID|1||p1\rOBR|1\rOBX|1|TX|1||Seen today."


@pytest.fixture
def ecw(sandbox: RunningSandbox, fhir: httpx.Client) -> httpx.Client:
    play(sandbox, "eclinicalworks")
    return fhir


def sent(client: httpx.Client, *resources: dict[str, Any]) -> httpx.Response:
    entries = [{"resource": it, "request": {"method": "POST", "url": it["resourceType"]}} for it in resources]
    return client.post("", json={"resourceType": "Bundle", "type": "transaction", "entry": entries})


def numbers(answer: httpx.Response) -> list[str]:
    assert answer.json()["type"] == "transaction-response"
    return [it["response"]["status"] for it in answer.json()["entry"]]


def hl7(text: str = ORU, **changes: Any) -> dict[str, Any]:
    attachment = {"contentType": "text/hl7v2", "data": base64.b64encode(text.encode()).decode()}
    return note(**{"content": [{"attachment": attachment}], "author": [{"display": "Dr. Test"}], **changes})


def statement(*codings: tuple[str, str]) -> dict[str, Any]:
    return {
        "resourceType": "MedicationStatement",
        "status": "active",
        "medicationCodeableConcept": {"coding": [{"system": system, "code": code} for system, code in codings]},
        "subject": {"reference": "Patient/p1"},
    }


PERSON = {"resourceType": "Patient", "name": [{"family": "New", "given": ["Ann"]}], "birthDate": "1990-01-01"}


def test_success_is_the_number_1_inside_a_transaction_response(ecw: httpx.Client, sandbox: RunningSandbox) -> None:
    answer = sent(ecw, vital())
    assert (answer.status_code, numbers(answer)) == (200, ["1"])
    assert (
        answer.json()["entry"][0]["response"]["location"] == f"Observation/{sandbox.resources('Observation')[0]['id']}"
    )
    assert "etag" not in {name.lower() for name in answer.headers}


def test_a_single_post_is_not_taken(ecw: httpx.Client) -> None:
    assert ecw.post("Observation", json=vital()).status_code == 405
    assert ecw.post("", json={"resourceType": "Bundle", "type": "batch", "entry": []}).status_code == 400


def test_most_items_wait_in_app_data_until_somebody_reconciles_them(ecw: httpx.Client, sandbox: RunningSandbox) -> None:
    assert numbers(sent(ecw, problem(), allergy())) == ["1", "1"]
    assert ecw.get("Condition", params={"patient": "p1"}).json()["total"] == 0
    for reference in accept_all(sandbox):
        assert ecw.get(reference).status_code == 200


def test_a_patient_who_exists_is_202_and_several_are_201_and_neither_is_a_success(
    ecw: httpx.Client, sandbox: RunningSandbox
) -> None:
    assert numbers(sent(ecw, PERSON)) == ["1"]
    answer = sent(ecw, PERSON)
    assert (answer.status_code, numbers(answer)) == (200, ["202"])
    assert answer.json()["entry"][0]["response"]["outcome"]["issue"][0]["diagnostics"] == "202: ALREADY_EXIST"
    sandbox.seed([{**PERSON, "id": "twin"}])
    assert numbers(sent(ecw, PERSON)) == ["201"]
    assert len([it for it in sandbox.resources("Patient") if it.get("birthDate")]) == 2


def test_one_failure_takes_the_rest_of_the_bundle_with_it(ecw: httpx.Client, sandbox: RunningSandbox) -> None:
    answer = sent(ecw, vital(), vital(code="0000-0"))
    assert numbers(answer) == ["1", "613"]
    assert sandbox.resources("Observation") == []


def test_a_replay_makes_a_second_record(ecw: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.faults({"fault": "commit_then_drop", "match": {"interaction": "transaction"}, "times": 1})
    with pytest.raises(httpx.TransportError):
        sent(ecw, vital())
    assert numbers(sent(ecw, vital())) == ["1"]
    assert len(sandbox.resources("Observation")) == 2


@pytest.mark.parametrize(
    ("resource", "number"),
    [
        (vital(valueQuantity=quantity(72, "/h")), "611"),
        (vital(valueQuantity={"unit": "/min", "code": "/min"}), "612"),
        (vital("0000-0"), "613"),
        (vital(status="amended"), "110"),
        (vital(effectiveDateTime=None), "204"),
        (vital(subject={"reference": "Patient/nobody"}), "207"),
        (vital(subject=None), "100"),
        (vital(colour="blue"), "2"),
        (problem(code=concept("urn:x", "1")), "102"),
        (statement(("urn:x", "1")), "2025"),
        (hl7(author=None), "101"),
        (hl7(context=None), "123"),
        (hl7(context={"encounter": [{"reference": f"Encounter/{CLOSED}"}]}), "139"),
        (note(author=[{"display": "x"}]), "114"),
        (hl7("MSH|^~\\&|||||||ADT^A01\rPID|1"), "615"),
        ({"resourceType": "Task", "status": "requested", "intent": "order"}, "103"),
    ],
)
def test_a_broken_rule_has_its_number(ecw: httpx.Client, resource: dict[str, Any], number: str) -> None:
    assert numbers(sent(ecw, resource)) == [number]


def test_a_note_is_an_hl7_message_and_a_locked_encounter_takes_none(ecw: httpx.Client, sandbox: RunningSandbox) -> None:
    assert numbers(sent(ecw, hl7())) == ["1"]
    sandbox.admin.post("lock", json={"reference": f"Encounter/{OPEN}"}).raise_for_status()
    assert numbers(sent(ecw, hl7())) == ["139"]


def test_a_vital_loses_its_encounter_and_is_filed_by_its_time(ecw: httpx.Client, sandbox: RunningSandbox) -> None:
    period = {"start": "2026-03-02T09:00:00Z", "end": "2026-03-02T10:00:00Z"}
    sandbox.seed([{**VISIT, "id": "timed", "period": period}])
    sent(ecw, vital())
    sent(ecw, vital(effectiveDateTime="2026-03-02T09:30:00Z"))
    notes, timed = sandbox.resources("Observation")
    assert ("encounter" in notes, notes["category"][-1]) == (False, {"text": "Vitals Notes"})
    assert timed["encounter"] == {"reference": "Encounter/timed"}


def test_surgical_history_wants_an_open_telephone_encounter(ecw: httpx.Client, sandbox: RunningSandbox) -> None:
    procedure = {
        "resourceType": "Procedure",
        "status": "completed",
        "code": {"text": "appendectomy"},
        "subject": {"reference": "Patient/p1"},
        "encounter": {"reference": f"Encounter/{OPEN}"},
    }
    assert numbers(sent(ecw, procedure)) == ["138"]
    sandbox.seed([{**VISIT, "id": "call", "class": {"code": "VR"}}])
    assert numbers(sent(ecw, {**procedure, "encounter": {"reference": "Encounter/call"}})) == ["1"]


def test_rxnorm_and_ndc_must_agree(ecw: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.settings(quirks={"agreeing_ndc": {"860975": "00093-1048"}})
    assert numbers(sent(ecw, statement((RXNORM, "860975"), (NDC, "00093-1048")))) == ["1"]
    assert numbers(sent(ecw, statement((RXNORM, "860975"), (NDC, "00000-0000")))) == ["2026"]


def test_a_gap_of_the_practice_is_308_or_a_type_that_it_has_not_contracted(
    ecw: httpx.Client, sandbox: RunningSandbox
) -> None:
    sandbox.settings(quirks={"writeback_user": False})
    assert numbers(sent(ecw, vital())) == ["308"]
    sandbox.settings(quirks={"contracted": ["Condition"]})
    assert numbers(sent(ecw, vital())) == ["103"]
    sandbox.settings(quirks={"success_status": 201, "failure_status": 400})
    assert [sent(ecw, it).status_code for it in (vital(), vital("0000-0"))] == [201, 400]


def test_everything_is_blocked_until_the_next_minute_and_tokens_count(
    ecw: httpx.Client, sandbox: RunningSandbox
) -> None:
    sandbox.settings(calls_per_minute=3)
    for _ in range(4):
        httpx.post(f"{sandbox.origin}/oauth/token", data={})
    answers = [sent(ecw, vital()) for _ in range(3)]
    assert answers[-1].status_code == 429
    assert not {"retry-after", "ratelimit"} & {name.lower() for name in answers[-1].headers}


def test_the_public_facade_takes_questionnaire_responses(ecw: httpx.Client) -> None:
    answers = {"resourceType": "QuestionnaireResponse", "status": "completed", "subject": {"reference": "Patient/p1"}}
    assert ecw.post("QuestionnaireResponse", json={**answers, "questionnaire": "urn:phq"}).status_code == 201
    refused = ecw.post("QuestionnaireResponse", json=answers)
    assert refused.json()["issue"][0]["diagnostics"].startswith("301: ")


def test_scopes_of_almost_everything_are_advertised_and_rs384_only(ecw: httpx.Client, sandbox: RunningSandbox) -> None:
    document = httpx.get(f"{sandbox.origin}/.well-known/smart-configuration").json()
    assert "system/Observation.cruds" in document["scopes_supported"]
    assert document["token_endpoint_auth_signing_alg_values_supported"] == ["RS384"]
    settings = sandbox.admin.get("settings").json()
    assert (settings["token_ttl_s"], settings["scope_refused"]) == (300, [500, "access_denied"])
