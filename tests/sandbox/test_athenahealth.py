"""athenaOne's quirks, each played over HTTP: form posts, flags of success, hidden vitals."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.sandbox.vendor import CLOSED, OPEN, play, problem
from tests.sandbox_fixture import RunningSandbox

CHART = "chart/p1"


@pytest.fixture
def athena(sandbox: RunningSandbox, fhir: httpx.Client) -> Iterator[httpx.Client]:
    """A client of /v1 of practice 195900."""
    play(sandbox, "athenahealth")
    with httpx.Client(base_url=f"{sandbox.origin}/v1/195900/", timeout=10, verify=False) as client:
        yield client


def form(**fields: Any) -> dict[str, str]:
    given = {"departmentid": "1", **fields}
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in given.items()
        if value is not None
    }


def weight(value: str = "72500", **more: str) -> list[list[dict[str, str]]]:
    return [[{"clinicalelementid": "VITALS.WEIGHT", "value": value, "readingtaken": "03/01/2026", **more}]]


def allergies(*reactions: str, number: str = "18581") -> list[dict[str, Any]]:
    return [{"allergenid": number, "reactions": [{"reactionname": name, "snomedcode": "1"} for name in reactions]}]


def test_a_write_answers_200_with_a_flag_and_an_id(athena: httpx.Client, sandbox: RunningSandbox) -> None:
    answer = athena.post(f"{CHART}/problems", data=form(snomedcode="44054006", startdate="03/01/2026"))
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json() == {"success": True, "problemid": sandbox.resources("Condition")[0]["id"]}
    assert not {"etag", "location"} & {name.lower() for name in answer.headers}
    assert athena.get(f"{CHART}/problems").json()["problems"][0]["startdate"] == "03/01/2026"


def test_a_replay_makes_a_second_problem(athena: httpx.Client, sandbox: RunningSandbox) -> None:
    for _ in range(2):
        athena.post(f"{CHART}/problems", data=form(snomedcode="44054006"))
    assert athena.get(f"{CHART}/problems").json()["totalcount"] == 2


def test_a_lost_answer_of_a_problem_left_it_written(athena: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.faults({"fault": "commit_then_drop", "match": {"type": "Condition"}})
    with pytest.raises(httpx.TransportError):
        athena.post(f"{CHART}/problems", data=form(snomedcode="44054006"))
    assert len(sandbox.resources("Condition")) == 1
    assert sandbox.requests()[-1]["reference"].startswith("Condition/")


@pytest.mark.parametrize(
    ("path", "fields", "status"),
    [
        ("chart/p1/problems", {"snomedcode": "44054006", "departmentid": None}, 400),
        ("chart/p1/problems", {"icd10code": "E11.9"}, 400),
        ("chart/p1/problems", {"snomedcode": "44054006", "startdate": "2026-03-01"}, 400),
        ("chart/nobody/problems", {"snomedcode": "44054006"}, 404),
        ("chart/p1/medications", {"medicationid": "0"}, 400),
        ("chart/p1/vitals", {"vitals": weight()}, 400),
        ("chart/p1/vitals", {"vitals": weight("heavy"), "source": "DEVICEGENERATED"}, 400),
        ("chart/encounter/nobody/vitals", {"vitals": weight()}, 404),
        ("patients/p1/documents/clinicaldocument", {}, 400),
    ],
)
def test_an_error_is_an_object_of_two_sentences(
    athena: httpx.Client, path: str, fields: dict[str, Any], status: int
) -> None:
    answer = athena.post(path, data=form(**fields))
    assert (answer.status_code, answer.json().keys()) == (status, {"error", "detailedmessage"})


def test_json_is_no_form(athena: httpx.Client) -> None:
    assert athena.post(f"{CHART}/problems", json={"snomedcode": "1"}).status_code == 400


def test_an_unrouted_path_is_404_with_a_bare_sentence(athena: httpx.Client) -> None:
    answer = athena.post("chart/p1/unicorns", data=form())
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "text/plain")
    assert not answer.text.startswith("{")


def test_a_frozen_encounter_is_a_failure_inside_a_success(athena: httpx.Client, sandbox: RunningSandbox) -> None:
    fields = form(vitals=weight())
    assert athena.post(f"chart/encounter/{OPEN}/vitals", data=fields).json() == {"success": True}
    answer = athena.post(f"chart/encounter/{CLOSED}/vitals", data=fields)
    assert (answer.status_code, answer.json()["success"]) == (200, False)
    assert "frozen" in answer.json()["errormessage"]
    assert len(sandbox.resources("Observation")) == 1


def test_a_weight_is_grams(athena: httpx.Client, sandbox: RunningSandbox) -> None:
    athena.post(f"chart/encounter/{OPEN}/vitals", data=form(vitals=weight("72.50")))
    found = sandbox.resources("Observation")[0]["valueQuantity"]
    assert (str(found["value"]), found["code"]) == ("72.50", "g")


def test_vitals_outside_an_encounter_stay_hidden_until_the_toggle_is_on(
    athena: httpx.Client, sandbox: RunningSandbox
) -> None:
    fields = form(vitals=weight(), source="DEVICEGENERATED")
    assert athena.post(f"{CHART}/vitals", data=fields).json()["success"] is True
    assert athena.get(f"{CHART}/vitals").json()["totalcount"] == 0
    (waiting,) = sandbox.admin.get("held").json()["held"]
    sandbox.admin.post(f"held/{waiting['id']}/accept").raise_for_status()
    assert athena.get(f"{CHART}/vitals").json()["totalcount"] == 1
    sandbox.settings(quirks={"shows_vitals_outside_encounters": True})
    athena.post(f"{CHART}/vitals", data=fields)
    assert athena.get(f"{CHART}/vitals").json()["totalcount"] == 2


def test_a_blood_pressure_is_one_reading_of_two_halves(athena: httpx.Client, sandbox: RunningSandbox) -> None:
    halves = [
        {"clinicalelementid": "VITALS.BLOODPRESSURE.SYSTOLIC", "value": "120"},
        {"clinicalelementid": "VITALS.BLOODPRESSURE.DIASTOLIC", "value": "80"},
    ]
    athena.post(f"chart/encounter/{OPEN}/vitals", data=form(vitals=[halves]))
    (found,) = sandbox.resources("Observation")
    assert [it["valueQuantity"]["value"] for it in found["component"]] == [120, 80]
    mixed = [[halves[0], *weight()[0]]]
    assert athena.post(f"chart/encounter/{OPEN}/vitals", data=form(vitals=mixed)).status_code == 400


def test_an_allergy_is_upserted_by_allergen_and_its_reactions_replaced_without_an_id(
    athena: httpx.Client, sandbox: RunningSandbox
) -> None:
    first = athena.put(f"{CHART}/allergies", data=form(allergies=allergies("hives", "rash")))
    assert first.json() == {"success": True}
    athena.put(f"{CHART}/allergies", data=form(allergies=allergies("wheeze")))
    shown = athena.get(f"{CHART}/allergies").json()["allergies"]
    assert [[it["reactionname"] for it in each["reactions"]] for each in shown] == [["wheeze"]]
    athena.put(f"{CHART}/allergies", data=form(allergies=allergies("hives", number="12744")))
    assert len(sandbox.resources("AllergyIntolerance")) == 2
    assert athena.put(f"{CHART}/allergies", data=form(allergies=allergies("x", number="0"))).status_code == 400


def test_a_medication_is_found_by_name_and_written_by_its_id(athena: httpx.Client, sandbox: RunningSandbox) -> None:
    (found,) = athena.get("reference/medications", params={"searchvalue": "metf"}).json()
    fields = form(medicationid=found["medicationid"], startdate="03/01/2026", unstructuredsig="1 tablet daily")
    assert athena.post(f"{CHART}/medications", data=fields).json()["success"] is True
    ((shown,),) = athena.get(f"{CHART}/medications").json()["medications"]
    assert (shown["medicationid"], shown["unstructuredsig"]) == (found["medicationid"], "1 tablet daily")
    athena.post(f"{CHART}/medications", data=form(medicationid=found["medicationid"], stopdate="03/02/2026"))
    assert [it["status"] for it in sandbox.resources("MedicationStatement")] == ["active", "stopped"]
    assert athena.get("reference/allergies", params={"searchvalue": "a"}).status_code == 400


def test_a_document_is_open_for_review_unless_it_is_autoclosed(athena: httpx.Client, sandbox: RunningSandbox) -> None:
    path = "patients/p1/documents/clinicaldocument"
    made = athena.post(path, data=form(attachmentcontents="QQ==", documentsubclass="CLINICALDOCUMENT")).json()
    athena.post(path, data=form(attachmentcontents="QQ==", autoclose="true"))
    assert [it["docStatus"] for it in sandbox.resources("DocumentReference")] == ["preliminary", "final"]
    assert athena.delete(f"{path}/{made['clinicaldocumentid']}").json() == {"success": True}
    assert athena.delete(f"{path}/{made['clinicaldocumentid']}").status_code == 404


def test_a_patient_case_is_a_task_of_a_clinician(athena: httpx.Client, sandbox: RunningSandbox) -> None:
    fields = form(documentsubclass="CLINICALQUESTION", documentsource="PATIENT", internalnote="Call back")
    answer = athena.post("patients/p1/documents/patientcase", data=fields)
    assert answer.json()["patientcaseid"] == sandbox.resources("Task")[0]["id"]


def test_an_order_waits_for_a_signature(athena: httpx.Client, sandbox: RunningSandbox) -> None:
    fields = {"ordertypeid": "1", "diagnosissnomedcode": "44054006"}
    assert athena.post(f"chart/encounter/{OPEN}/orders/lab", data=fields).json()["success"] is True
    assert sandbox.resources("ServiceRequest") == []
    (waiting,) = sandbox.admin.get("held").json()["held"]
    sandbox.admin.post(f"held/{waiting['id']}/accept").raise_for_status()
    assert sandbox.resources("ServiceRequest")[0]["id"] == waiting["reference"].partition("/")[2]
    assert athena.post(f"chart/encounter/{CLOSED}/orders/lab", data=fields).json()["success"] is False


def test_a_patient_create_answers_with_a_list(athena: httpx.Client, sandbox: RunningSandbox) -> None:
    answer = athena.post("patients", data=form(firstname="Ann", lastname="Test", dob="01/31/1990"))
    number = answer.json()[0]["patientid"]
    athena.put(f"patients/{number}", data=form(mobilephone="555"))
    found = next(it for it in sandbox.resources("Patient") if it["id"] == number)
    assert (found["birthDate"], found["telecom"][0]["value"]) == ("1990-01-31", "555")


def test_who_acted_is_what_the_caller_says(athena: httpx.Client, sandbox: RunningSandbox) -> None:
    athena.post(f"{CHART}/problems", data=form(snomedcode="1", THIRDPARTYUSERNAME="nurse"))
    assert sandbox.resources("Condition")[0]["recorder"] == {"display": "nurse"}


def test_fhir_takes_nothing_but_a_questionnaire_response(athena: httpx.Client, fhir: httpx.Client) -> None:
    assert fhir.post("Condition", json=problem()).status_code == 403
    answers = {"resourceType": "QuestionnaireResponse", "status": "completed", "subject": {"reference": "Patient/p1"}}
    assert fhir.post("QuestionnaireResponse", json=answers).status_code == 201
    athena.post(f"{CHART}/problems", data=form(snomedcode="44054006"))
    assert fhir.get("Condition", params={"patient": "p1"}).json()["total"] == 1


def test_the_token_endpoint_has_a_limit_of_its_own(athena: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.settings(token_calls_per_minute=1)
    answers = [httpx.post(f"{sandbox.origin}/oauth/token", data={}) for _ in range(3)]
    assert 429 in [it.status_code for it in answers]
    assert "Retry-After" not in answers[-1].headers
    assert athena.get(f"{CHART}/problems").status_code == 200


def test_a_daily_quota_stops_everything_until_midnight(athena: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.settings(calls_per_day=1)
    statuses = [athena.get(f"{CHART}/problems").status_code for _ in range(3)]
    assert statuses[-1] == 429


def test_a_secret_gets_a_token_that_opens_v1(athena: httpx.Client, sandbox: RunningSandbox) -> None:
    scope = "athena/service/Athenanet.MDP.*"
    sandbox.register({"client_id": "app", "client_secret": "s3cret", "scopes": scope})
    sandbox.register({"client_id": "reader", "client_secret": "s3cret", "scopes": "system/Condition.read"})
    sandbox.settings(open=False)
    assert athena.get(f"{CHART}/problems").status_code == 401
    for name, expected in (("app", 200), ("reader", 403)):
        token = httpx.post(
            f"{sandbox.origin}/oauth/token", data={"grant_type": "client_credentials"}, auth=(name, "s3cret")
        ).json()
        assert token["expires_in"] == 3600
        headers = {"Authorization": f"Bearer {token['access_token']}"}
        assert athena.get(f"{CHART}/problems", headers=headers).status_code == expected
