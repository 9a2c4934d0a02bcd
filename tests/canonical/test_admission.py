from typing import Any

import pytest

from canonical.admission import author_digest, duplicate_key, patient_key
from tests.factories import EnvelopeFactory, medication_change_json, quantity, vital_reading_json

PATIENT = patient_key("north", "north-r4", "Patient/p1")


def key(**action: Any) -> bytes | None:
    return duplicate_key(EnvelopeFactory.create(action=vital_reading_json(**action)), PATIENT)


def test_a_patient_is_another_one_at_another_tenant_or_connection() -> None:
    places = {patient_key("north", "a", "Patient/p1"), patient_key("north", "b", "Patient/p1")}
    assert len(places | {patient_key("south", "a", "Patient/p1"), patient_key("north", "a", "Patient/p2")}) == 4


@pytest.mark.parametrize("value", ["72.5", "72.50", "7.25e1", "72.500"])
def test_one_measurement_is_recognised_however_its_number_is_written(value: str) -> None:
    assert key(valueQuantity=quantity(value, "kg", "kg")) == key()


def test_one_measurement_is_recognised_in_another_zone_and_with_another_key() -> None:
    assert key(effectiveDateTime="2026-03-10T14:30:00Z") == key(effectiveDateTime="2026-03-10T10:30:00-04:00")
    assert key(valueQuantity=quantity("72.50", "kilograms", "kg")) == key()


def test_another_value_time_device_or_patient_is_another_measurement() -> None:
    others = {
        key(),
        key(valueQuantity=quantity("72.6", "kg", "kg")),
        key(effectiveDateTime="2026-03-10T10:31:00-04:00"),
        key(device={"serialNumber": "s-1"}),
        key(vital="heart-rate"),
        duplicate_key(EnvelopeFactory.create(), patient_key("north", "north-r4", "Patient/p2")),
    }
    assert len(others) == 6
    assert None not in others


def test_what_measures_nothing_or_changes_something_has_no_such_key() -> None:
    assert duplicate_key(EnvelopeFactory.create(action=medication_change_json()), PATIENT) is None
    assert duplicate_key(EnvelopeFactory.create(action=vital_reading_json(operation="correct")), PATIENT) is None


def test_authors_are_told_apart_by_system_and_value() -> None:
    def digest(system: str, value: str) -> bytes:
        return author_digest(
            EnvelopeFactory.create(author={"identifier": {"system": system, "value": value}, "role": "nurse"}), "north"
        )

    assert len({digest("urn:a", "1"), digest("urn:b", "1"), digest("urn:a", "2")}) == 3
    assert digest("urn:a", "1") == digest("urn:a", "1")
