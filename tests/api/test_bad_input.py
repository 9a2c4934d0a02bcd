"""Bad input: a problem document that names the field and the reason, nothing stored but the refusal, no value echoed."""

import socket
from datetime import timedelta
from typing import Any

import httpx
import pytest

from api import request_body
from api.problems import MEDIA_TYPE
from processes.condition import wait_until
from tests.factories import (
    ABSENT,
    as_bytes,
    envelope_json,
    medication_change_json,
    patient_json,
    quantity,
    target_json,
    vital_reading_json,
)
from tests.reception import Reception

#: A value that no answer may repeat.
SECRET = "s3cr3t-value"


def check(reception: Reception, answer: httpx.Response, status: int, code: str, *pointers: str) -> dict[str, Any]:
    """Check the document, and that the refusal is all that was stored."""
    document: dict[str, Any] = answer.json()
    assert (answer.status_code, document["code"]) == (status, code), document
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert document["type"] == f"urn:fhir-writeback:problem:{code}"
    assert document["status"] == status
    assert [error["pointer"] for error in document.get("errors", [])] == list(pointers)
    assert SECRET not in answer.text
    assert reception.stored() == 0
    (refusal,) = reception.refusals()
    assert (refusal["tenant"], refusal["app"], refusal["door"], refusal["code"]) == ("north", "visits", "http", code)
    assert [error["pointer"] for error in refusal["errors"]] == list(pointers)
    assert SECRET not in repr(refusal)
    return document


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"not json",
        b'{"a": NaN}',
        b'{"a": 1, "a": 2}',
        b'\xff\xfe{"a": 1}',
        b'{"reason": "\\ud800"}',
        b'{"reason": "\\u0000"}',
        b"[" * 100 + b"]" * 100,
        b'{"a": ' + b"[" * 70 + b"]" * 70 + b"}",
        b'{"a": "' + SECRET.encode(),
    ],
)
def test_malformed_json(reception: Reception, raw: bytes) -> None:
    document = check(reception, reception.post(raw, key="bad-input-1"), 400, "malformed-json")
    assert "line" in document["detail"] or "body" in document["detail"]


@pytest.mark.parametrize("raw", [b"[]", b'"text"', b"7", b"null"])
def test_json_that_is_no_object(reception: Reception, raw: bytes) -> None:
    check(reception, reception.post(raw, key="bad-input-1"), 422, "invalid-field")


@pytest.mark.parametrize(
    ("over", "pointers"),
    [
        ({"tenant": SECRET}, ["/tenant"]),
        ({"connection": 7}, ["/connection"]),
        ({"connection": ABSENT}, ["/connection"]),
        ({"schemaVersion": "2"}, ["/schemaVersion"]),
        ({"patient": SECRET}, ["/patient"]),
        ({"patient": patient_json(birthDate=ABSENT)}, ["/patient"]),
        ({"patient": patient_json(birthDate="1961-02-30")}, ["/patient/birthDate"]),
        ({"patient": patient_json(reference=f"Person/{SECRET}")}, ["/patient/reference"]),
        ({"author": {"role": SECRET}}, ["/author/role"]),
        ({"consent": ABSENT}, ["/consent"]),
        ({"purposeOfUse": SECRET}, ["/purposeOfUse"]),
        ({"after": [SECRET]}, ["/after/0"]),
        ({"notAfter": "2026-03-10T16:00:00"}, ["/notAfter"]),
        ({"notAfter": "2026-03-10"}, ["/notAfter"]),
        ({"correlationId": f"{SECRET} with spaces"}, ["/correlationId"]),
        ({"reason": ""}, ["/reason"]),
        ({"attestation": []}, ["/attestation"]),
        ({"priority": SECRET}, ["/priority"]),
        ({"a/b~c": 1}, ["/a~1b~0c"]),
    ],
)
def test_a_field_of_the_envelope_that_cannot_be_accepted(
    reception: Reception, over: dict[str, Any], pointers: list[str]
) -> None:
    body = envelope_json(**over)
    check(reception, reception.post(body, key="bad-input-1"), 422, "invalid-field", *pointers)


@pytest.mark.parametrize(
    ("over", "pointers"),
    [
        ({"bloodType": SECRET}, ["/action/bloodType"]),
        ({"operation": SECRET}, ["/action/operation"]),
        ({"status": "final"}, ["/action/status"]),
        ({"valueQuantity": quantity("72.50", "kg", "kg") | {"value": SECRET}}, ["/action/valueQuantity/value"]),
        ({"valueQuantity": quantity("72.50", "kg", "kg") | {"value": True}}, ["/action/valueQuantity/value"]),
        ({"effectiveDateTime": "2026-03-10T10:30:00"}, ["/action/effectiveDateTime"]),
        ({"effectiveDateTime": "10.03.2026"}, ["/action/effectiveDateTime"]),
        ({"note": []}, ["/action/note"]),
        ({"performerRole": SECRET}, ["/action/performerRole"]),
    ],
)
def test_a_field_of_the_action_that_cannot_be_accepted(
    reception: Reception, over: dict[str, Any], pointers: list[str]
) -> None:
    body = envelope_json(vital_reading_json() | over) if "operation" not in over else None
    raw = as_bytes(body) if body else as_bytes(envelope_json() | {"action": vital_reading_json() | over})
    check(reception, reception.post(raw, key="bad-input-1"), 422, "invalid-field", *pointers)


@pytest.mark.parametrize(
    "action",
    [
        vital_reading_json(valueQuantity=quantity("7250", "kg", "kg")),
        vital_reading_json(valueQuantity=quantity("72.50", "kg", "mm[Hg]")),
        vital_reading_json(valueQuantity=quantity("72.50", "kg")),
        vital_reading_json(effectiveDateTime="2026-03-10T15:30:00Z"),
        medication_change_json(dosage=[{"text": SECRET}]),
    ],
    ids=["impossible", "wrong unit", "no unit code", "in the future", "incomplete dosage"],
)
def test_a_value_that_cannot_be(reception: Reception, action: dict[str, Any]) -> None:
    answer = reception.post(envelope_json(action), key="bad-input-1")
    pointers = [error["pointer"] for error in answer.json()["errors"]]
    assert pointers
    assert all(pointer.startswith("/action/") for pointer in pointers)
    check(reception, answer, 422, "invalid-field", *pointers)
    assert "7250" not in answer.text


def test_an_implausible_value_is_asked_about(reception: Reception) -> None:
    action = vital_reading_json(valueQuantity=quantity("340", "kg", "kg"))
    answer = reception.post(envelope_json(action), key="bad-input-1")
    document = check(reception, answer, 422, "confirmation-required", "/action/valueQuantity/value")
    assert document["retry"] == "afterConfirmation"


@pytest.mark.parametrize("type_", [SECRET, None, 7, ABSENT])
def test_an_unknown_action(reception: Reception, type_: object) -> None:
    action = {name: value for name, value in (vital_reading_json() | {"type": type_}).items() if value is not ABSENT}
    body = envelope_json() | {"action": action}
    document = check(reception, reception.post(body, key="bad-input-1"), 422, "unknown-action", "/action/type")
    assert "VitalReading" in document["detail"]


def test_an_unknown_connection(reception: Reception) -> None:
    body = envelope_json(connection=SECRET)
    check(reception, reception.post(body, key="bad-input-1"), 404, "connection-unknown", "/connection")


def test_a_tenant_without_connections(reception: Reception) -> None:
    answer = reception.post(envelope_json(), key="bad-input-1", **reception.as_(tenant="nowhere"))
    assert (answer.status_code, answer.json()["code"]) == (404, "connection-unknown")
    assert reception.stored() == 0
    assert [refusal["tenant"] for refusal in reception.refusals()] == ["nowhere"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (envelope_json(vital_reading_json(operation="correct"), target=ABSENT), "/target"),
        (
            envelope_json(
                medication_change_json("stop"), target=target_json(medication_change_json("stop"), seen=ABSENT)
            ),
            "/target/seen",
        ),
        (
            envelope_json(
                medication_change_json("changeDose"),
                target=target_json(
                    medication_change_json("changeDose"), versionId=ABSENT, seen={"status": "active", "note": None}
                ),
            ),
            "/target/seen",
        ),
    ],
)
def test_a_change_without_what_its_author_saw(reception: Reception, body: dict[str, Any], pointer: str) -> None:
    check(reception, reception.post(body, key="bad-input-1"), 422, "precondition-required", pointer)


def test_no_consent(reception: Reception) -> None:
    body = envelope_json(consent={"reference": SECRET})
    answer = reception.post(body, key="bad-input-1")
    document = check(reception, answer, 403, "consent-absent", "/consent/reference")
    assert document["retry"] == "afterConsent"


def test_no_scope(reception: Reception) -> None:
    answer = reception.post(envelope_json(), key="bad-input-1", **reception.as_(scope="writeback/read"))
    check(reception, answer, 403, "not-permitted")


@pytest.mark.parametrize("key", ["short", "with spaces in it", f"{SECRET}/{SECRET}", '"unterminated-string', "x" * 129])
def test_a_key_that_is_not_well_formed(reception: Reception, key: str) -> None:
    check(reception, reception.post(envelope_json(), key=key), 400, "invalid-idempotency-key")


def test_two_keys(reception: Reception) -> None:
    headers = [
        ("Idempotency-Key", "first-key-1"),
        ("Idempotency-Key", "other-key-1"),
        ("Content-Type", "application/json"),
    ]
    answer = reception.client.post("/v1/commands", content=as_bytes(envelope_json()), headers=headers)
    check(reception, answer, 400, "invalid-idempotency-key")


def test_no_key_and_no_event(reception: Reception) -> None:
    answer = reception.post(envelope_json(source=ABSENT))
    check(reception, answer, 400, "idempotency-key-required", "/source/eventId")


def test_a_body_that_says_its_size_is_refused_before_it_is_read(reception: Reception) -> None:
    answer = reception.post(b" " * (256 * 1024 + 1), key="bad-input-1")
    check(reception, answer, 413, "body-too-large")


def test_a_body_that_hides_its_size_is_cut_off(reception: Reception) -> None:
    sent = 0

    def chunks() -> Any:
        nonlocal sent
        for _ in range(400):
            sent += 8192
            yield b" " * 8192

    answer = reception.client.post("/v1/commands", content=chunks(), headers={"Content-Type": "application/json"})
    check(reception, answer, 413, "body-too-large")


def test_a_body_whose_sender_goes_away_is_not_taken(reception: Reception) -> None:
    url = reception.client.base_url
    token = reception.issuer.token()
    with socket.create_connection((url.host, url.port or 0)) as connection:
        head = f"POST /v1/commands HTTP/1.1\r\nHost: {url.host}\r\nAuthorization: Bearer {token}\r\n"
        length = "Content-Type: application/json\r\nContent-Length: 5000\r\n\r\n"
        connection.sendall((head + length).encode() + as_bytes(envelope_json()))
    assert wait_until(lambda: bool(reception.refusals()), within=timedelta(seconds=10))
    assert [refusal["code"] for refusal in reception.refusals()] == ["malformed-request"]
    assert reception.stored() == 0


def test_a_body_that_trickles_is_not_waited_for(reception: Reception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_body, "BODY_TIME", timedelta(milliseconds=300))
    url = reception.client.base_url
    with socket.create_connection((url.host, url.port or 0), timeout=10) as connection:
        head = f"POST /v1/commands HTTP/1.1\r\nHost: {url.host}\r\nAuthorization: Bearer {reception.issuer.token()}\r\n"
        length = "Content-Type: application/json\r\nContent-Length: 5000\r\n\r\n"
        connection.sendall((head + length).encode() + b'{"schemaVersion":')
        # Read to the end: the service closes the connection itself.
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"body-too-slow"' in answer
    assert [refusal["code"] for refusal in reception.refusals()] == ["body-too-slow"]
    assert reception.stored() == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/json; charset=utf-16"},
        {"Content-Type": "application/fhir+json"},
        {"Content-Encoding": "gzip"},
    ],
)
def test_another_media_type(reception: Reception, headers: dict[str, str]) -> None:
    answer = reception.post(envelope_json(), key="bad-input-1", **headers)
    check(reception, answer, 415, "unsupported-media-type")


def test_the_largest_body_that_is_allowed_is_read(reception: Reception) -> None:
    raw = as_bytes(envelope_json())
    assert reception.post(raw + b" " * (256 * 1024 - len(raw)), key="largest-1").status_code == 202


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", f"/v1/{SECRET}", 404, "not-found"),
        ("PUT", "/v1/commands", 405, "method-not-allowed"),
        ("GET", f"/v1/commands/{SECRET}", 404, "not-found"),
        ("POST", f"/v1/commands/{SECRET}:cancel", 404, "not-found"),
        ("GET", f"/v1/endpoints/{SECRET}", 404, "not-found"),
        ("GET", f"/v1/schemas/{SECRET}", 404, "not-found"),
    ],
)
def test_an_address_or_method_that_is_not_there(
    reception: Reception, method: str, path: str, status: int, code: str
) -> None:
    answer = reception.client.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert SECRET not in answer.text
