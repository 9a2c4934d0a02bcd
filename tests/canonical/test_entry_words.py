from datetime import UTC
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from canonical.entry_words import concept, dosage, dosages, latest_first, quantity, when

BERLIN = ZoneInfo("Europe/Berlin")
UCUM = "http://unitsofmeasure.org"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"text": "weight", "coding": [{"code": "29463-7", "display": "Body weight"}]}, "weight"),
        ({"coding": [{"code": "29463-7", "display": "Body weight"}]}, "Body weight"),
        ({"coding": [{"system": "http://loinc.org", "code": "29463-7"}]}, "LOINC 29463-7"),
        ({"coding": [{"system": "urn:x", "code": "1"}]}, "urn:x 1"),
        ({}, ""),
        (None, ""),
    ],
)
def test_a_concept_is_told_in_words_before_codes(value: Any, words: str) -> None:
    assert concept(value) == words


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [("5.0", "mg", "5 mg"), ("0.50", "mg", "0.5 mg"), ("10", "ug", "10 mcg"), ("4", "IU", "4 units")],
)
def test_a_dose_follows_the_rules_against_misreading(value: str, unit: str, words: str) -> None:
    amount = {"value": Decimal(value), "unit": unit}
    assert quantity(amount, is_dose=True) == words
    assert dosage({"text": "as written: .5 U", "doseAndRate": [{"doseQuantity": amount}]}) == (
        f'"as written: .5 U", dose {words}'
    )


def test_a_measurement_keeps_its_zeros() -> None:
    assert quantity({"value": Decimal("72.50"), "unit": "kg", "system": UCUM, "code": "kg"}) == "72.50 kg"


def test_a_quantity_of_another_shape_is_told_member_by_member() -> None:
    assert quantity({"value": Decimal(1), "extension": [{"url": "urn:x"}]}) == "(value: 1; extension: (url: urn:x))"


def test_a_dosage_without_words_says_so_and_a_taper_keeps_its_order() -> None:
    one = {"doseAndRate": [{"doseQuantity": {"value": 2, "unit": "tablet"}}]}
    assert dosage(one) == "dose 2 tablet, no directions in words"
    assert dosages([{"text": "2 daily"}, {"text": "1 daily"}]) == '"2 daily"; then "1 daily"'
    assert dosage({"timing": {"code": {"text": "BID"}}}) == "(timing: (code: (text: BID)))"
    assert dosage("2 daily") == ""


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("2026-11-26T09:12:00Z", "10:12 CET on 26 November 2026"),
        ("2026-11", "2026-11"),
        ("2026-11-26", "2026-11-26"),
        ("soon", "soon"),
        (None, ""),
    ],
)
def test_a_clinical_time_is_told_in_the_zone_and_a_partial_one_as_written(value: Any, words: str) -> None:
    assert when(value, BERLIN) == words


def test_the_latest_comes_first_and_what_has_no_time_last() -> None:
    entries: list[dict[str, Any]] = [
        {"id": "none"},
        {"id": "old", "effectiveDateTime": "2026-01-01"},
        {"id": "new", "effectivePeriod": {"start": "2026-11-26T09:00:00Z"}},
    ]
    found = latest_first(entries, ("effectiveDateTime", "effectivePeriod"))
    assert [item["id"] for item in found] == ["new", "old", "none"]
    assert when("2026-11-26T09:00:00Z", UTC).startswith("09:00 UTC")
