"""MEDITECH's quirks, each played over HTTP."""

import httpx
import pytest

from tests.sandbox.vendor import play, problem, vital
from tests.sandbox_fixture import RunningSandbox

MESSAGE = {
    "resourceType": "Communication",
    "status": "completed",
    "subject": {"reference": "Patient/p1"},
    "payload": [{"contentString": "Please call."}],
}
ANSWERS = {"resourceType": "QuestionnaireResponse", "status": "completed", "subject": {"reference": "Patient/p1"}}


@pytest.fixture
def meditech(sandbox: RunningSandbox, fhir: httpx.Client) -> httpx.Client:
    play(sandbox, "meditech")
    return fhir


def test_messages_and_questionnaire_responses_are_all_that_is_written(meditech: httpx.Client) -> None:
    assert meditech.post("Communication", json=MESSAGE).status_code == 201
    made = meditech.post("QuestionnaireResponse", json=ANSWERS).json()
    changed = {**made, "status": "amended"}
    assert meditech.put(f"QuestionnaireResponse/{made['id']}", json=changed).status_code == 200
    for resource in (vital(), problem()):
        assert meditech.post(resource["resourceType"], json=resource).status_code == 405
    assert meditech.put("Communication/x", json=MESSAGE).status_code == 405


def test_scopes_are_advertised_for_what_cannot_be_written(meditech: httpx.Client, sandbox: RunningSandbox) -> None:
    document = httpx.get(f"{sandbox.origin}/.well-known/smart-configuration").json()
    assert {"system/Condition.cruds", "system/Observation.cruds"} <= set(document["scopes_supported"])
    rest = meditech.get("metadata").json()["rest"][0]
    stated = {it["type"]: {code["code"] for code in it["interaction"]} for it in rest["resource"]}
    assert {name for name, codes in stated.items() if codes & {"create", "update", "patch", "delete"}} == {
        "Communication",
        "QuestionnaireResponse",
    }
    assert {it["versioning"] for it in rest["resource"]} == {"no-version"}


def test_every_answer_has_an_id_of_its_request(meditech: httpx.Client) -> None:
    assert meditech.get("Patient/p1").headers["mtrestapi-requestid"]


def test_a_client_is_turned_away_at_the_token_endpoint(meditech: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.settings(token_auth=["client_secret_post"])
    sandbox.register({"client_id": "app", "client_secret": "s", "mapped": False})
    form = {"grant_type": "client_credentials", "client_id": "app", "client_secret": "s"}
    answer = httpx.post(f"{sandbox.origin}/oauth/token", data=form)
    assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")
