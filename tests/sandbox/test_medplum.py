"""Medplum's quirks, each played over HTTP."""

import httpx
import pytest

from tests.sandbox.resources import observation
from tests.sandbox_fixture import RunningSandbox


@pytest.fixture
def medplum(sandbox: RunningSandbox, fhir: httpx.Client) -> httpx.Client:
    sandbox.settings(personality="medplum")
    return fhir


def test_versions_are_uuids_and_the_location_has_no_history(medplum: httpx.Client, sandbox: RunningSandbox) -> None:
    answer = medplum.post("Observation", json=observation())
    assert len(answer.headers["ETag"]) == len('W/""') + 36
    assert answer.headers["Location"] == f"{sandbox.url}/Observation/{answer.json()['id']}"


def test_an_unquoted_if_match_is_ignored_and_a_quoted_one_held_to(medplum: httpx.Client) -> None:
    made = medplum.post("Observation", json=observation()).json()
    path = f"Observation/{made['id']}"
    amended = {**made, "status": "amended"}
    assert medplum.put(path, json=amended, headers={"If-Match": 'W/"other"'}).status_code == 412
    assert medplum.put(path, json=amended, headers={"If-Match": "other"}).status_code == 200
    assert medplum.get(path).json()["status"] == "amended"


def test_what_does_not_validate_is_400(medplum: httpx.Client) -> None:
    assert medplum.post("Observation", json=observation(status="done")).status_code == 400


def test_a_put_on_an_id_that_is_no_uuid_is_400(medplum: httpx.Client) -> None:
    assert medplum.put("Observation/own", json=observation(id="own")).status_code == 400


def test_a_test_of_the_version_is_a_lock(medplum: httpx.Client) -> None:
    made = medplum.post("Observation", json=observation()).json()
    steps = [
        {"op": "test", "path": "/meta/versionId", "value": "other"},
        {"op": "replace", "path": "/status", "value": "amended"},
    ]
    headers = {"Content-Type": "application/json-patch+json"}
    assert medplum.patch(f"Observation/{made['id']}", json=steps, headers=headers).status_code == 400


def test_too_many_requests_are_told_when_to_come_back(medplum: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.settings(calls_per_minute=1)
    answers = [medplum.get("Patient/p1") for _ in range(3)]
    assert answers[-1].status_code == 429
    assert answers[-1].headers["RateLimit"].startswith('"requests";r=0;t=')
