"""Looking ahead: the exact request, what speaks against it, and nothing of it kept anywhere."""

from dataclasses import replace
from typing import Any

import pytest

from canonical import exact_json
from tests.factories import envelope_json, medication_change_json, quantity, target_json, vital_reading_json
from tests.reception import Reception
from tests.sandbox_fixture import RunningSandbox, sandbox, sandbox_server

__all__ = ["sandbox", "sandbox_server"]
PATIENT = {"resourceType": "Patient", "id": "p1", "birthDate": "1961-04-02", "name": [{"family": "Lopez"}]}


@pytest.fixture
def chart(reception: Reception, sandbox: RunningSandbox) -> RunningSandbox:
    """Lead the tenant's connection to a chart with the patient of the factories."""
    stated = envelope_json()["patient"]
    patient = PATIENT | {"birthDate": stated["birthDate"], "name": [{"family": stated["family"]}]}
    sandbox.seed([patient])
    connections: Any = reception.services.ehr._connections
    key = (reception.services.connections["north", "north-r4"].tenant, "north-r4")
    connections[key] = replace(connections[key], base_url=sandbox.url)
    return sandbox


def preview(reception: Reception, body: Any = None, **headers: str) -> dict[str, Any]:
    answer = reception.post(body, path="/v1/commands:preview", **headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    found: dict[str, Any] = exact_json.parse(answer.content)
    assert (reception.stored(), reception.refusals()) == (0, [])
    return found


def test_the_exact_request_is_shown_with_its_guard_and_what_it_changes(
    reception: Reception, chart: RunningSandbox
) -> None:
    body = envelope_json(vital_reading_json(valueQuantity=quantity("72.50", "kg", "kg")))
    found = preview(reception, body)
    assert (found["accepted"], found["refusals"], found["stop"]) == (True, [], None)
    (request,) = found["requests"]
    assert (request["method"], request["url"]) == ("POST", f"{chart.url}/Observation")
    assert str(request["body"]["valueQuantity"]["value"]) == "72.50"
    assert "our identifier" in request["precondition"]
    assert {"valueQuantity", "code", "status"} <= {effect["field"] for effect in request["effects"]}
    assert any("72.50 kg" in line["text"] for line in found["says"])
    assert chart.resources("Observation") == []
    assert [entry for entry in chart.requests() if entry["method"] != "GET"] == []


def test_everything_that_would_be_refused_is_told_at_once_and_the_chart_is_not_read(
    reception: Reception, chart: RunningSandbox
) -> None:
    body = envelope_json(
        vital_reading_json(valueQuantity=quantity("72.5", "stone", "[stone_av]")),
        consent={"reference": "consent-nobody-gave"},
        securityLabel=[{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "PSY"}],
    )
    found = preview(reception, body)
    assert not found["accepted"]
    assert {refusal["code"] for refusal in found["refusals"]} == {
        "label-unsupported",
        "invalid-field",
        "consent-absent",
    }
    assert found["requests"] == []
    assert chart.requests() == []


def test_an_app_that_may_not_send_it_learns_nothing_of_the_chart(reception: Reception, chart: RunningSandbox) -> None:
    found = preview(reception, **reception.as_(scope="writeback/MedicationChange.*"))
    assert [refusal["code"] for refusal in found["refusals"]] == ["not-permitted"]
    assert chart.requests() == []


def test_what_would_hold_it_up_is_told_with_the_reason(reception: Reception, chart: RunningSandbox) -> None:
    action = medication_change_json("hold")
    found = preview(reception, envelope_json(action, target=target_json(action)))
    assert found["accepted"]
    assert found["stop"]["kind"] == "gone"
    assert found["requests"] == []


def test_an_ehr_that_is_away_is_no_refusal(reception: Reception) -> None:
    found = preview(reception)
    assert found["accepted"]
    assert found["stop"]["kind"] == "unavailable"


def test_what_is_no_command_is_a_problem_that_names_the_field(reception: Reception) -> None:
    answer = reception.post(b"{", path="/v1/commands:preview")
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed-json")
    answer = reception.post(envelope_json(unheardOf=1), path="/v1/commands:preview")
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/unheardOf")
