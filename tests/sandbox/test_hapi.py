"""HAPI FHIR JPA's quirks, each played over HTTP."""

import httpx
import pytest

from tests.sandbox.resources import identified, observation
from tests.sandbox_fixture import RunningSandbox


@pytest.fixture
def hapi(sandbox: RunningSandbox, fhir: httpx.Client) -> httpx.Client:
    sandbox.settings(personality="hapi")
    return fhir


def test_a_stale_update_is_409_with_its_number(hapi: httpx.Client) -> None:
    made = hapi.post("Observation", json=observation()).json()
    path = f"Observation/{made['id']}"
    answer = hapi.put(path, json={**made, "status": "amended"}, headers={"If-Match": 'W/"9"'})
    assert answer.status_code == 409
    assert "HAPI-0989" in answer.json()["issue"][0]["diagnostics"]


def test_an_identical_update_keeps_the_version(hapi: httpx.Client) -> None:
    made = hapi.post("Observation", json=observation()).json()
    assert hapi.put(f"Observation/{made['id']}", json=made).headers["ETag"] == 'W/"1"'


def test_a_search_is_answered_again_for_a_minute_unless_no_cache_is_asked(
    hapi: httpx.Client, sandbox: RunningSandbox
) -> None:
    search = {"identifier": "urn:test|a"}
    assert hapi.get("Observation", params=search).json()["total"] == 0
    made = hapi.post("Observation", json=identified("a")).json()
    assert hapi.get("Observation", params=search).json()["total"] == 0
    assert hapi.get(f"Observation/{made['id']}").status_code == 200
    fresh = hapi.get("Observation", params=search, headers={"Cache-Control": "no-cache"})
    assert fresh.json()["total"] == 1
    sandbox.settings(search_reuse_s=0)
    assert hapi.get("Observation", params=search).json()["total"] == 1


def test_racing_conditional_creates_make_several_and_then_412_for_everybody(
    hapi: httpx.Client, sandbox: RunningSandbox
) -> None:
    sandbox.faults({"fault": "stale_search", "parameters": {"seconds": 3600, "conditional": True}})
    condition = {"If-None-Exist": "identifier=urn:test|a"}
    statuses = [hapi.post("Observation", json=identified("a"), headers=condition).status_code for _ in range(2)]
    sandbox.faults()
    assert statuses == [201, 201]
    assert hapi.post("Observation", json=identified("a"), headers=condition).status_code == 412
