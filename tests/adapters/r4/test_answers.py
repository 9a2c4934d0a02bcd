import json
from datetime import timedelta
from typing import Any

import pytest

from adapters.fhir_r4 import ADAPTER
from adapters.r4.answers import ERRORS, classify
from adapters.site import Site
from adapters.wire import Answer, NoAnswer
from canonical.outcome import Outcome, Settlement
from canonical.ports import Interaction, Operation, Surrounding
from tests.adapters.commands import COMMAND_ID, NOW, WEIGHT, command

SITE = Site(base_url="https://ehr.example/fhir")
MARK = {"system": "urn:fhir-writeback:command", "value": str(COMMAND_ID)}
(CREATE,) = ADAPTER.plan(command(WEIGHT), Surrounding(), SITE)
UPDATE = Operation(
    interaction=Interaction.UPDATE,
    resource_type="Observation",
    reference="Observation/o1",
    body=b"{}",
    mark=f"urn:fhir-writeback:change|{COMMAND_ID}",
    if_match="1",
    mapping_version="x",
)
BOTH = pytest.mark.parametrize("operation", [CREATE, UPDATE], ids=["create", "update"])


def outcome(code: str | None, severity: str = "error", **more: Any) -> bytes:
    issues = [{"severity": severity, "code": code, **more}] if code else []
    return json.dumps({"resourceType": "OperationOutcome", "issue": issues}).encode()


def judged(operation: Operation, status: int, body: bytes = b"", /, **headers: str) -> Settlement:
    return classify(operation, Answer(status=status, headers=headers, body=body), now=NOW)


def stored(*, id: str = "o1", type: str = "Observation", version: str | None = "7", marked: bool = True) -> bytes:
    meta = {"meta": {"versionId": version}} if version else {}
    identifier = {"identifier": [MARK]} if marked else {}
    return json.dumps({"resourceType": type, "id": id, **meta, **identifier}).encode()


@BOTH
def test_answer_that_never_came_is_unknown_only_if_something_left(operation: Operation) -> None:
    assert classify(operation, NoAnswer(sent=True, reason="r"), now=NOW).outcome is Outcome.UNKNOWN
    assert classify(operation, NoAnswer(sent=False, reason="r"), now=NOW).outcome is Outcome.UNAVAILABLE


@pytest.mark.parametrize(
    ("headers", "body", "reference", "version"),
    [
        ({"location": "https://x/Observation/o1/_history/3", "etag": 'W/"3"'}, b"", "Observation/o1", "3"),
        ({"location": "Observation/o1"}, b"", "Observation/o1", None),
        ({"location": "Observation/o1", "etag": 'W/"0"', "content-type": "text/html"}, b"", "Observation/o1", "0"),
        ({"location": "http://internal/Observation/o1/_history/1"}, b"null", "Observation/o1", "1"),
        ({"location": "/Observation/o1"}, b'{"resourceType": "Obs', "Observation/o1", None),
        ({"content-location": "Observation/o1"}, b"", "Observation/o1", None),
        ({}, stored(), "Observation/o1", "7"),
        ({"etag": 'W/"9"'}, stored(version=None), "Observation/o1", "9"),
        ({"location": "Observation/o1"}, outcome("informational", "information"), "Observation/o1", None),
    ],
)
def test_created_is_applied_whichever_way_it_names_the_resource(
    headers: dict[str, str], body: bytes, reference: str, version: str | None
) -> None:
    settled = judged(CREATE, 201, body, **headers)
    assert (settled.outcome, settled.reference, settled.version) == (Outcome.APPLIED, reference, version)
    assert settled.differences is None


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"<html>signed out</html>", b'{"resourceType": "Obs', b'{"a": 1}', outcome(None)]
)
@BOTH
def test_success_that_names_nothing_is_unknown(operation: Operation, body: bytes) -> None:
    settled = judged(operation, 200, body)
    assert (settled.outcome, settled.reference) == (Outcome.UNKNOWN, None)


@pytest.mark.parametrize(
    ("operation", "headers", "body"),
    [
        (CREATE, {"location": "Patient/o1"}, b""),
        (CREATE, {"location": "Observation/o2"}, stored()),
        (CREATE, {}, stored(type="Patient")),
        (UPDATE, {}, stored(id="o2")),
        (UPDATE, {"location": "Observation/o2", "etag": 'W/"2"'}, b""),
    ],
)
def test_success_that_names_another_resource_is_unknown(
    operation: Operation, headers: dict[str, str], body: bytes
) -> None:
    assert judged(operation, 200, body, **headers).outcome is Outcome.UNKNOWN


def test_updated_needs_no_location() -> None:
    assert judged(UPDATE, 200, stored()).version == "7"
    whole = judged(UPDATE, 200, b"", etag='W/"2"')
    assert (whole.outcome, whole.reference, whole.version) == (Outcome.APPLIED, "Observation/o1", "2")
    assert judged(UPDATE, 204).outcome is Outcome.APPLIED


def test_conditional_create_answered_200_is_our_own_earlier_one_only_by_our_mark() -> None:
    assert judged(CREATE, 200, stored()).outcome is Outcome.ALREADY_AT_TARGET
    assert judged(CREATE, 200, stored(marked=False)).outcome is Outcome.APPLIED
    assert judged(CREATE, 200, b"", location="Observation/o1").outcome is Outcome.APPLIED
    assert judged(CREATE, 201, stored()).outcome is Outcome.APPLIED


@BOTH
def test_accepted_is_not_in_the_chart(operation: Operation) -> None:
    assert judged(operation, 202).outcome is Outcome.PENDING_REMOTE
    assert judged(operation, 202, location="Observation/o1").reference == "Observation/o1"


@BOTH
def test_success_status_with_a_failed_body_is_a_refusal_unless_something_was_named(operation: Operation) -> None:
    assert judged(operation, 200, outcome("invalid")).outcome is Outcome.REJECTED_PAYLOAD
    assert judged(operation, 200, outcome("exception", "fatal")).outcome is Outcome.REJECTED_PAYLOAD
    assert judged(operation, 201, outcome("invalid"), location="Observation/o1").outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("status", "code", "create", "update"),
    [
        (301, None, Outcome.REJECTED_SITE_CONFIG, Outcome.REJECTED_SITE_CONFIG),
        (302, None, Outcome.REJECTED_SITE_CONFIG, Outcome.REJECTED_SITE_CONFIG),
        (303, None, Outcome.UNKNOWN, Outcome.UNKNOWN),
        (304, None, Outcome.UNKNOWN, Outcome.UNKNOWN),
        (307, None, Outcome.REJECTED_SITE_CONFIG, Outcome.REJECTED_SITE_CONFIG),
        (400, None, Outcome.REJECTED_PAYLOAD, Outcome.REJECTED_PAYLOAD),
        (401, None, Outcome.AUTH, Outcome.AUTH),
        (403, None, Outcome.NOT_SUPPORTED, Outcome.NOT_SUPPORTED),
        (403, "forbidden", Outcome.NOT_SUPPORTED, Outcome.NOT_SUPPORTED),
        (403, "login", Outcome.AUTH, Outcome.AUTH),
        (404, None, Outcome.NOT_SUPPORTED, Outcome.GONE),
        (405, None, Outcome.NOT_SUPPORTED, Outcome.NOT_SUPPORTED),
        (408, None, Outcome.UNKNOWN, Outcome.UNKNOWN),
        (409, None, Outcome.UNKNOWN, Outcome.CONFLICT),
        (409, "conflict", Outcome.UNKNOWN, Outcome.CONFLICT),
        (409, "processing", Outcome.UNKNOWN, Outcome.CONFLICT),
        (409, "duplicate", Outcome.UNKNOWN, Outcome.CONFLICT),
        (409, "lock-error", Outcome.UNKNOWN, Outcome.LOCKED),
        (410, None, Outcome.NOT_SUPPORTED, Outcome.GONE),
        (412, None, Outcome.UNKNOWN, Outcome.CONFLICT),
        (412, "multiple-matches", Outcome.UNKNOWN, Outcome.UNKNOWN),
        (412, "not-supported", Outcome.NOT_SUPPORTED, Outcome.CONFLICT),
        (413, None, Outcome.REJECTED_PAYLOAD, Outcome.REJECTED_PAYLOAD),
        (415, None, Outcome.REJECTED_PAYLOAD, Outcome.REJECTED_PAYLOAD),
        (422, "business-rule", Outcome.REJECTED_PAYLOAD, Outcome.REJECTED_PAYLOAD),
        (423, None, Outcome.LOCKED, Outcome.LOCKED),
        (425, None, Outcome.UNKNOWN, Outcome.UNKNOWN),
        (429, None, Outcome.THROTTLED, Outcome.THROTTLED),
        (500, None, Outcome.UNKNOWN, Outcome.UNKNOWN),
        (501, None, Outcome.NOT_SUPPORTED, Outcome.NOT_SUPPORTED),
        (502, None, Outcome.UNKNOWN, Outcome.UNKNOWN),
        (503, None, Outcome.UNKNOWN, Outcome.UNKNOWN),
        (504, "timeout", Outcome.UNKNOWN, Outcome.UNKNOWN),
        (599, None, Outcome.UNKNOWN, Outcome.UNKNOWN),
    ],
)
def test_every_refusal_means_what_the_table_says(
    status: int, code: str | None, create: Outcome, update: Outcome
) -> None:
    body = outcome(code) if code else b"<html>"
    assert judged(CREATE, status, body).outcome is create
    assert judged(UPDATE, status, body).outcome is update


@pytest.mark.parametrize("status", range(500, 600))
@BOTH
def test_no_5xx_but_not_implemented_proves_that_nothing_was_done(operation: Operation, status: int) -> None:
    wanted = Outcome.NOT_SUPPORTED if status == 501 else Outcome.UNKNOWN
    assert judged(operation, status, b"", **{"retry-after": "5"}).outcome is wanted


def test_vendor_may_declare_that_503_proves_nothing_was_done() -> None:
    errors = {**ERRORS, (None, 503, None): Outcome.UNAVAILABLE}
    settled = classify(CREATE, Answer(status=503, headers={"retry-after": "9"}), now=NOW, errors=errors)
    assert (settled.outcome, settled.retry_after) == (Outcome.UNAVAILABLE, timedelta(seconds=9))


def test_throttling_carries_the_wish_of_the_ehr() -> None:
    assert judged(CREATE, 429, b"", **{"retry-after": "17"}).retry_after == timedelta(seconds=17)


def test_reason_names_elements_and_codes_and_never_repeats_a_text() -> None:
    issue: dict[str, Any] = {
        "diagnostics": "Maria Lopez weighs 72.50 kg",
        "details": {"text": "Maria", "coding": [{"code": "59109"}]},
        "expression": ["Observation.value.ofType(Quantity).value", "Observation.subject", "x = 'Maria'"],
    }
    settled = judged(CREATE, 422, outcome("business-rule", **issue))
    assert settled.vendor_code == "59109"
    assert settled.detail == "HTTP 422 at Observation.subject"
    assert judged(CREATE, 422, outcome("invalid")).vendor_code == "invalid"


@pytest.mark.parametrize(
    "body",
    [
        b'{"resourceType": "OperationOutcome", "issue": "x"}',
        b'{"resourceType": "OperationOutcome", "issue": [1, {"severity": "error", "details": 5, "code": 7}]}',
        b'{"resourceType": "OperationOutcome"}',
        b"\xff\xfe",
    ],
)
def test_malformed_error_body_does_not_hide_the_status(body: bytes) -> None:
    assert judged(CREATE, 422, body).outcome is Outcome.REJECTED_PAYLOAD
