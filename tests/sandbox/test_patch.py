"""PATCH with JSON Patch, as a client sees it over HTTP."""

from typing import Any

import httpx
import pytest

from tests.sandbox.resources import observation
from tests.sandbox_fixture import RunningSandbox

JSON_PATCH = {"Content-Type": "application/json-patch+json"}
AMEND = {"op": "replace", "path": "/status", "value": "amended"}


@pytest.fixture
def path(fhir: httpx.Client) -> str:
    return f"Observation/{fhir.post('Observation', json=observation()).json()['id']}"


def test_a_patch_makes_the_next_version(fhir: httpx.Client, path: str) -> None:
    steps = [{"op": "test", "path": "/meta/versionId", "value": "1"}, AMEND]
    answer = fhir.patch(path, json=steps, headers={**JSON_PATCH, "If-Match": 'W/"1"'})
    assert (answer.status_code, answer.headers["ETag"]) == (200, 'W/"2"')
    assert answer.json()["status"] == "amended"
    assert fhir.get(path).json()["valueQuantity"]["value"] == 72.5


def test_a_failed_test_changes_nothing(fhir: httpx.Client, path: str, sandbox: RunningSandbox) -> None:
    steps = [AMEND, {"op": "test", "path": "/meta/versionId", "value": "9"}]
    assert fhir.patch(path, json=steps, headers=JSON_PATCH).status_code == 422
    assert len(sandbox.history(path)) == 1


def test_a_patch_on_an_older_version_is_refused(fhir: httpx.Client, path: str) -> None:
    answer = fhir.patch(path, json=[AMEND], headers={**JSON_PATCH, "If-Match": 'W/"0"'})
    assert answer.status_code == 412


def test_a_patch_that_changes_nothing_keeps_the_version(fhir: httpx.Client, path: str) -> None:
    answer = fhir.patch(path, json=[{**AMEND, "value": "final"}], headers=JSON_PATCH)
    assert (answer.status_code, answer.headers["ETag"]) == (200, 'W/"1"')


@pytest.mark.parametrize(
    ("steps", "headers", "status"),
    [
        ([AMEND], {"Content-Type": "application/fhir+json"}, 415),
        ({"op": "add"}, JSON_PATCH, 400),
        ([{**AMEND, "value": "done"}], JSON_PATCH, 422),
        ([{"op": "remove", "path": "/code"}], JSON_PATCH, 422),
        ([{"op": "replace", "path": "/id", "value": "other"}], JSON_PATCH, 422),
        ([{"op": "replace", "path": "", "value": []}], JSON_PATCH, 422),
    ],
)
def test_a_patch_that_makes_no_resource_is_refused(
    fhir: httpx.Client, path: str, steps: Any, headers: dict[str, str], status: int
) -> None:
    assert fhir.patch(path, json=steps, headers=headers).status_code == status
    assert fhir.get(path).headers["ETag"] == 'W/"1"'


def test_what_is_not_there_cannot_be_patched(fhir: httpx.Client, path: str, sandbox: RunningSandbox) -> None:
    assert fhir.patch("Observation/nobody", json=[AMEND], headers=JSON_PATCH).status_code == 404
    sandbox.delete(path)
    assert fhir.patch(path, json=[AMEND], headers=JSON_PATCH).status_code == 410


def test_the_history_of_a_resource_is_newest_first(fhir: httpx.Client, path: str) -> None:
    fhir.patch(path, json=[AMEND], headers=JSON_PATCH)
    fhir.delete(path)
    bundle = fhir.get(f"{path}/_history").json()
    assert (bundle["type"], bundle["total"]) == ("history", 3)
    assert [entry["request"]["method"] for entry in bundle["entry"]] == ["DELETE", "PUT", "POST"]
    assert [entry["response"]["etag"] for entry in bundle["entry"]] == ['W/"3"', 'W/"2"', 'W/"1"']
    assert ["resource" in entry for entry in bundle["entry"]] == [False, True, True]
    assert fhir.get("Observation/nobody/_history").status_code == 404
