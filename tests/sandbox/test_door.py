import httpx
import pytest

from tests.sandbox.resources import observation
from tests.sandbox_fixture import RunningSandbox


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "Unicorn/1", 404),
        ("GET", "Unicorn", 404),
        ("GET", "", 405),
        ("PATCH", "Observation", 405),
        ("PUT", "Observation", 405),
        ("DELETE", "Observation", 405),
        ("GET", "Observation/_search", 405),
        ("POST", "Observation/1", 405),
        ("PUT", "Observation/1/_history/1", 405),
        ("POST", "Observation/1/_history", 405),
        ("POST", "metadata", 405),
    ],
)
def test_what_is_not_offered_is_refused_in_fhir(fhir: httpx.Client, method: str, path: str, status: int) -> None:
    answer = fhir.request(method, path)
    assert answer.status_code == status
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert ("Allow" in answer.headers) == (status == 405)


def test_a_body_beyond_the_limit_is_refused(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.settings(max_body_bytes=2000)
    answer = fhir.post("Observation", json=observation(note=[{"text": "x" * 2000}]))
    assert answer.status_code == 413
    assert sandbox.resources("Observation") == []
    assert fhir.post("Observation", json=observation()).status_code == 201


def test_another_format_than_json_is_not_to_be_had(fhir: httpx.Client) -> None:
    assert fhir.get("Patient/p1", headers={"Accept": "application/fhir+xml"}).status_code == 406
    assert fhir.get("Patient/p1", headers={"Accept": "application/fhir+json, */*;q=0.1"}).status_code == 200


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/json", b"{}", 415),
        ("application/x-www-form-urlencoded", b"\xff", 400),
        ("application/x-www-form-urlencoded", b"_id=p1", 200),
    ],
)
def test_a_search_is_posted_as_a_form(fhir: httpx.Client, content_type: str, body: bytes, status: int) -> None:
    answer = fhir.post("Patient/_search", content=body, headers={"Content-Type": content_type})
    assert answer.status_code == status
