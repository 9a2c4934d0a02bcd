from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from canonical.dosage import Dosage, TimingRepeat
from tests.factories import Json, dosage_json


def repeat_error(**members: Any) -> str:
    with pytest.raises(ValidationError) as raised:
        TimingRepeat.model_validate(members, by_alias=True, by_name=False)
    return raised.value.errors()[0]["msg"]


BROKEN: list[tuple[str, Json]] = [
    ("tim-1", {"duration": 1}),
    ("tim-2", {"period": 1}),
    ("tim-4", {"duration": -1, "durationUnit": "h"}),
    ("tim-5", {"period": -1, "periodUnit": "h"}),
    ("tim-6", {"periodMax": 2, "periodUnit": "h"}),
    ("tim-7", {"durationMax": 2, "durationUnit": "h"}),
    ("tim-8", {"countMax": 2}),
    ("tim-9", {"offset": 30}),
    ("tim-9", {"offset": 30, "when": ["CM"]}),
    ("tim-10", {"timeOfDay": ["08:00:00"], "when": ["HS"]}),
]


@pytest.mark.parametrize(("invariant", "members"), BROKEN, ids=[f"{row[0]}-{at}" for at, row in enumerate(BROKEN)])
def test_fhir_s_own_invariants_of_timing_hold(invariant: str, members: Json) -> None:
    assert f"(invariant {invariant})" in repeat_error(**members)


@pytest.mark.parametrize("members", [
    {"offset": 30, "when": ["AC"]}, {"count": 2, "countMax": 3}, {"period": 4, "periodMax": 6, "periodUnit": "h"},
    {"duration": 1, "durationMax": 2, "durationUnit": "h"}, {"dayOfWeek": ["mon"], "timeOfDay": ["08:00:00"]},
], ids="-".join)  # fmt: skip
def test_what_fits_the_invariants_is_taken_as_it_is(members: Json) -> None:
    assert TimingRepeat.model_validate(members, by_alias=True, by_name=False).as_json() == members


def test_one_bound_is_enough() -> None:
    bounds = {"boundsPeriod": {"end": "2026"}, "boundsDuration": {"value": 3, "unit": "d"}}
    assert "one of the bounds" in repeat_error(**bounds)


@pytest.mark.parametrize("members", [
    {"frequency": 0}, {"frequency": 1.0}, {"frequency": "1"}, {"count": True}, {"offset": -1}, {"offset": "5"},
    {"periodUnit": "day"}, {"dayOfWeek": ["Monday"]}, {"when": ["BEDTIME"]}, {"timeOfDay": ["8:00"]}, {"timeOfDay": ["25:00:00"]},
], ids=str)  # fmt: skip
def test_codes_and_numbers_are_fhir_s(members: Json) -> None:
    assert repeat_error(**members)


WRONG: list[tuple[str, Json, str]] = [
    ("no text", {"text": None}, "null_member"),
    ("two doses", {"doseAndRate": [{"doseQuantity": {"value": 1}, "doseRange": {"low": {"value": 1}}}]}, "dose_choice"),
    ("two rates", {"doseAndRate": [{"rateQuantity": {"value": 1}, "rateRange": {"low": {"value": 1}}}]}, "rate_choice"),
    ("as needed twice", {"asNeededBoolean": True, "asNeededCodeableConcept": {"text": "pain"}}, "as_needed_choice"),
    ("empty timing", {"timing": {}}, "empty_element"),
    ("sequence 0", {"sequence": 0}, "greater_than"),
]


@pytest.mark.parametrize(("over", "code"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_a_choice_is_made_once(over: Json, code: str) -> None:
    with pytest.raises(ValidationError) as raised:
        Dosage.model_validate(dosage_json(**over), by_alias=True, by_name=False)
    assert [error["type"] for error in raised.value.errors()] == [code]


def test_the_sig_text_is_kept_letter_by_letter() -> None:
    text = "  Take 1  tablet\n(10 mg) — NOT more. "
    assert Dosage.model_validate(dosage_json(text=text), by_alias=True, by_name=False).as_json()["text"] == text
