from __future__ import annotations

import json
from typing import Any

import pytest

from canonical import exact_json
from canonical.actions.vital_reading import VitalReading
from canonical.envelope import ERRORS_LIMIT, POINTER_LIMIT, parse_envelope
from canonical.errors import RefusedError
from tests.canonical.checked import parsed, refusals
from tests.factories import (
    ABSENT,
    NOW,
    EnvelopeFactory,
    Json,
    acknowledged_json,
    as_bytes,
    envelope_json,
    medication_change_json,
    patient_json,
    quantity,
    target_json,
    vital_reading_json,
)


def test_an_envelope_leaves_as_it_came() -> None:
    action = medication_change_json("hold", expectedResume="2026-04", note=[{"text": "as told"}])
    sent = envelope_json(action, notAfter="2026-03-11T10:00:00+00:00", after=["5f0c1f1e-63a3-4f7e-9a58-0f2f6c7d1f10"])
    sent["target"] = target_json(
        action,
        seenAt="2026-03-10T14:40:00+00:00",
        acknowledged=acknowledged_json(when="2026-03-10T14:41:00+00:00"),
    )
    assert parse_envelope(as_bytes(sent)).as_json() == exact_json.parse(as_bytes(sent))


def test_decimals_survive_in_the_action_and_in_what_was_seen() -> None:
    action = vital_reading_json(operation="correct", valueQuantity=quantity("72.50", "kg", "kg"))
    target = target_json(
        action, seen={"valueQuantity": {"value": exact_json.parse("1e-3")}, "x": [exact_json.parse("0.10")]}
    )
    text = exact_json.dumps(parsed(action, target=target).as_json())
    assert '"value":72.50' in text
    assert '"value":1e-3' in text
    assert "[0.10]" in text


def test_null_is_told_from_absent() -> None:
    envelope = parsed(vital_reading_json(operation="correct", bodySite=None))
    assert isinstance(envelope.action, VitalReading)
    assert envelope.action.as_json()["bodySite"] is None
    assert "method" not in envelope.action.as_json()


WRONG: list[tuple[str, Json, dict[str, str]]] = [
    ("unknown member", {"tenant": "north"}, {"/tenant": "extra-forbidden"}),
    ("snake case member", {"purpose_of_use": "TREAT"}, {"/purpose_of_use": "extra-forbidden"}),
    ("callback address", {"callback": "https://a.example"}, {"/callback": "extra-forbidden"}),
    ("no connection", {"connection": ABSENT}, {"/connection": "missing"}),
    ("no author", {"author": ABSENT}, {"/author": "missing"}),
    ("no consent", {"consent": ABSENT}, {"/consent": "missing"}),
    ("consent null", {"consent": None}, {"/consent": "model-type"}),
    ("later schema", {"schemaVersion": "2"}, {"/schemaVersion": "literal-error"}),
    ("schema as number", {"schemaVersion": 1}, {"/schemaVersion": "literal-error"}),
    ("connection with a space", {"connection": "north r4"}, {"/connection": "string-pattern-mismatch"}),
    ("unknown role", {"author": {"role": "wizard"}}, {"/author/role": "literal-error"}),
    ("patient once only", {"patient": {"reference": "Patient/p1"}}, {"/patient": "second-identifier"}),
    ("birth date alone", {"patient": patient_json(family=ABSENT)}, {"/patient": "second-identifier"}),
    ("no such day", {"patient": patient_json(birthDate="1961-02-29")}, {"/patient/birthDate": "full-date"}),
    ("partial birth date", {"patient": patient_json(birthDate="1961")}, {"/patient/birthDate": "string-pattern-mismatch"}),
    ("patient is a group", {"patient": patient_json(reference="Group/1")}, {"/patient/reference": "string-pattern-mismatch"}),
    ("naive deadline", {"notAfter": "2026-03-11T10:00:00"}, {"/notAfter": "clinical-time"}),
    ("deadline of a day", {"notAfter": "2026-03-11"}, {"/notAfter": "clinical-instant"}),
    ("after no command", {"after": ["Lopez"]}, {"/after/0": "command-id"}),
    ("after too many", {"after": ["5f0c1f1e-63a3-4f7e-9a58-0f2f6c7d1f10"] * 21}, {"/after": "too-long"}),
    ("after none", {"after": []}, {"/after": "empty-list"}),
    ("target twice", {"target": {"reference": "Observation/1", "command": "5f0c1f1e-63a3-4f7e-9a58-0f2f6c7d1f10"}},
     {"/target": "target-name"}),
    ("target nowhere", {"target": {"versionId": "1"}}, {"/target": "target-name"}),
    ("nothing seen", {"target": {"reference": "Observation/1", "seen": {}}}, {"/target/seen": "too-short"}),
    ("reason too long", {"reason": "x" * 501}, {"/reason": "string-too-long"}),
    ("digest of another kind", {"source": {"contentHash": "md5:00"}}, {"/source/contentHash": "string-pattern-mismatch"}),
    ("unknown action", {"action": {"type": "Prescription", "operation": "start"}}, {"/action/type": "unknown-action"}),
    ("action without type", {"action": {"operation": "start"}}, {"/action/type": "unknown-action"}),
    ("action is no object", {"action": "VitalReading"}, {"/action": "model-type"}),
    ("no action", {"action": ABSENT}, {"/action": "missing"}),
]  # fmt: skip


def _changed(over: Json) -> Json:
    return {name: value for name, value in (envelope_json() | over).items() if value is not ABSENT}


@pytest.mark.parametrize(("over", "wrong"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_a_wrong_envelope_is_refused_with_the_field_named(over: Json, wrong: dict[str, str]) -> None:
    with pytest.raises(RefusedError) as raised:
        parse_envelope(as_bytes(_changed(over)))
    assert {error.pointer: error.code for error in raised.value.errors} == wrong
    assert raised.value.retry == "never"


def test_every_wrong_field_is_named_at_once() -> None:
    wrong = refusals(vital_reading_json(), connection=ABSENT, author={"role": "wizard"}, tenant="x")
    assert set(wrong) == {"/connection", "/author/role", "/tenant"}


@pytest.mark.parametrize("raw", [b"", b"null", b"[]", b'"x"', b"{", b"\xff"], ids=repr)
def test_what_is_no_object_is_refused(raw: bytes) -> None:
    with pytest.raises(RefusedError) as raised:
        parse_envelope(raw)
    assert raised.value.code in {"malformed-json", "invalid-field"}


def _everywhere(value: Any, secret: str) -> list[Any]:
    """Return copies of ``value`` with one leaf after the other replaced by ``secret`` in a shape that cannot be right."""
    if isinstance(value, dict):
        return [{**value, name: other} for name, item in value.items() for other in _everywhere(item, secret)]
    if isinstance(value, list):
        return [[other] for item in value for other in _everywhere(item, secret)]
    return [{"x": secret}, [secret], f"\t{secret}\t"]


@pytest.mark.parametrize(
    "action", [vital_reading_json("blood-pressure"), medication_change_json()], ids=["VitalReading", "MedicationChange"]
)
def test_no_refusal_repeats_a_value_whatever_field_it_stands_in(action: Json) -> None:
    secret, refused = "Zq7secret", 0
    for body in _everywhere(json.loads(as_bytes(envelope_json(action))), secret):
        try:
            parse_envelope(json.dumps(body))
        except RefusedError as refusal:
            refused += 1
            said = f"{refusal} {refusal.errors!r} {refusal.code}"
            assert secret not in said
    assert refused > 40


def test_a_pointer_escapes_what_rfc_6901_reserves() -> None:
    assert refusals(vital_reading_json(), NOW, **{"a/b~c": 1}) == {"/a~1b~0c": "extra-forbidden"}


def test_an_envelope_does_not_print_its_patient() -> None:
    assert "Lopez" not in repr(EnvelopeFactory.create())
    assert "Lopez" not in str(EnvelopeFactory.create())


def test_a_refusal_does_not_grow_with_what_was_sent() -> None:
    unknown: dict[str, Any] = {f"unknown{number}": 1 for number in range(5_000)}
    with pytest.raises(RefusedError) as refused:
        parse_envelope(as_bytes(envelope_json(vital_reading_json(**unknown))))
    *told, last = refused.value.errors
    assert len(told) == ERRORS_LIMIT
    assert (last.pointer, last.code) == ("/action", "more-errors")
    assert last.detail == f"{5_000 - ERRORS_LIMIT} more cannot be accepted either"


def test_the_name_of_a_field_is_not_repeated_where_it_is_long() -> None:
    unknown: dict[str, Any] = {"n" * POINTER_LIMIT: 1}
    with pytest.raises(RefusedError) as refused:
        parse_envelope(as_bytes(envelope_json(vital_reading_json(**unknown))))
    assert [(error.pointer, error.code) for error in refused.value.errors] == [("/action", "extra-forbidden")]
