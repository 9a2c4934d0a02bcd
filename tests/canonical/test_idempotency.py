from __future__ import annotations

from typing import Any

import pytest

from canonical.envelope import parse_envelope
from canonical.errors import RefusedError
from canonical.idempotency import check_key, derived_key, fingerprint, key_hash
from tests.factories import (
    ABSENT,
    EnvelopeFactory,
    Json,
    as_bytes,
    envelope_json,
    medication_change_json,
    patient_json,
    quantity,
    vital_reading_json,
)

SOURCE = {"eventId": "visit-9.17"}


def key(sent_by: str = "visits", **over: Any) -> str:
    return derived_key(EnvelopeFactory.create(**({"source": SOURCE} | over)), sent_by)


@pytest.mark.parametrize("text", ["a" * 8, "a" * 128, "order.7:line_2-b", "01234567"])
def test_a_key_of_8_to_128_plain_characters_is_taken(text: str) -> None:
    assert check_key(text) == text


@pytest.mark.parametrize(
    "text", ["", "a" * 7, "a" * 129, "a b c d e", "clé-12345", "12345678\n", '"12345678"', "a/b/c/d/e"]
)
def test_any_other_key_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(RefusedError) as raised:
        check_key(text)
    assert raised.value.code == "invalid-idempotency-key"
    assert not text or text not in str(raised.value)


def test_without_a_key_and_without_an_event_nothing_can_be_derived() -> None:
    for source in (ABSENT, {"channel": "telehealth"}):
        with pytest.raises(RefusedError) as raised:
            key(source=source)
        assert raised.value.code == "idempotency-key-required"
        assert raised.value.errors[0].pointer == "/source/eventId"


@pytest.mark.parametrize("over", [
    {"patient": patient_json(reference="Patient/survivor")},
    {"encounter": {"reference": "Encounter/e8"}},
    {"action": vital_reading_json(valueQuantity=quantity("73.10", "kg", "kg"))},
    {"action": vital_reading_json(effectiveDateTime="2026-03-10T10:31:00-04:00")},
    {"action": vital_reading_json(code={"coding": [{"system": "http://loinc.org", "code": "29463-7"}], "text": "Weight"})},
    {"correlationId": "another", "app": {"version": "5"}, "reason": "again"},
], ids=["patient", "encounter", "value", "time", "text of the code", "sending"])  # fmt: skip
def test_a_derived_key_stays_when_only_what_may_change_between_two_tries_changed(over: Json) -> None:
    assert key(**over) == key()


@pytest.mark.parametrize("over", [
    {"sent_by": "other"},
    {"source": {"eventId": "visit-9.18"}},
    {"action": vital_reading_json("body-height")},
    {"action": vital_reading_json(operation="correct")},
    {"action": medication_change_json()},
], ids=["app", "event", "code", "operation", "type"])  # fmt: skip
def test_a_derived_key_changes_with_app_event_action_operation_and_code(over: dict[str, Any]) -> None:
    assert key(**over) != key()


def test_both_codings_of_oxygen_saturation_are_one_code() -> None:
    codes = ("59408-5", "2708-6")
    keys = {
        key(
            action=vital_reading_json(
                "oxygen-saturation", code={"coding": [{"system": "http://loinc.org", "code": code}]}
            )
        )
        for code in codes
    }
    assert len(keys) == 1


def test_a_key_is_scoped_to_tenant_and_app_and_kept_only_as_a_hash() -> None:
    assert len({key_hash(tenant, app, "12345678") for tenant in ("north", "south") for app in ("a", "b")}) == 4
    assert key_hash("ab", "c", "12345678") != key_hash("a", "bc", "12345678")
    assert len(key_hash("north", "a", "12345678")) == 32


def _body() -> str:
    return as_bytes(envelope_json(source=SOURCE, correlationId="c-1")).decode()


def test_member_order_and_white_space_do_not_count() -> None:
    body = _body()
    turned = "{ " + ",\n\t".join(reversed(_members(body))) + " }"
    assert turned != body
    assert fingerprint(parse_envelope(turned)) == fingerprint(parse_envelope(body))


def _members(body: str) -> list[str]:
    """Return the texts of the top-level members, as written."""
    found, depth, start = [], 0, 1
    for at, sign in enumerate(body):
        depth += (sign in "{[") - (sign in "}]")
        if (sign == "," and depth == 1) or depth == 0:
            found.append(body[start:at])
            start = at + 1
    return found


def test_a_trailing_zero_counts() -> None:
    body = _body()
    assert fingerprint(parse_envelope(body.replace("72.50", "72.5"))) != fingerprint(parse_envelope(body))


@pytest.mark.parametrize("over", [
    {"correlationId": "another"},
    {"app": {"version": "9.9"}},
    {"source": {"eventId": "visit-9.18"}},
    {"reason": "another"},
    {"notAfter": "2026-03-12T10:00:00Z"},
    {"priority": "stat"},
], ids=lambda over: next(iter(over)))  # fmt: skip
def test_what_only_surrounds_the_intent_does_not_count(over: Json) -> None:
    first = EnvelopeFactory.create(source=SOURCE)
    assert fingerprint(EnvelopeFactory.create(**({"source": SOURCE} | over))) == fingerprint(first)


@pytest.mark.parametrize("over", [
    {"connection": "south-r4"},
    {"action": vital_reading_json("body-height")},
    {"patient": patient_json(family="Lopes")},
    {"encounter": {"reference": "Encounter/e8"}},
    {"author": {"role": "physician"}},
    {"onBehalfOf": {"value": "dr-1"}},
    {"consent": {"reference": "consent-2"}},
    {"ai": {"model": "scribe"}},
    {"target": {"reference": "Observation/o9", "versionId": "1"}},
], ids=lambda over: next(iter(over)))  # fmt: skip
def test_what_makes_the_intent_counts(over: Json) -> None:
    assert fingerprint(EnvelopeFactory.create(**over)) != fingerprint(EnvelopeFactory.create())


def test_a_target_with_times_and_ids_has_a_fingerprint() -> None:
    target = {"command": "5f0c1f1e-63a3-4f7e-9a58-0f2f6c7d1f10", "seenAt": "2026-03-10T14:40:00Z"}
    once = EnvelopeFactory.create(action=vital_reading_json(operation="retract"), target=target)
    elsewhere = target | {"seenAt": "2026-03-10T15:40:00+01:00"}
    again = EnvelopeFactory.create(action=vital_reading_json(operation="retract"), target=elsewhere)
    assert fingerprint(once) == fingerprint(again)
