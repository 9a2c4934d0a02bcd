from __future__ import annotations

import pytest

from canonical.datatypes import CodeableConcept
from canonical.vital_signs import named_by, unit_meant, vital_signs
from tests.factories import LOINC

VITALS = vital_signs()


def concept(*codes: tuple[str, str]) -> CodeableConcept:
    return CodeableConcept.model_validate({"coding": [{"system": system, "code": code} for system, code in codes]})


def test_no_code_names_two_vital_signs() -> None:
    codes = [code for vital in VITALS.values() for code in vital.loinc]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("key", VITALS)
def test_a_vital_sign_has_a_number_or_parts_that_exist(key: str) -> None:
    vital = VITALS[key]
    assert vital.key == key
    assert vital.units or vital.parts
    assert all(part in VITALS and VITALS[part].units for part in vital.parts + vital.optional_parts)


def test_a_code_is_found_among_others() -> None:
    assert [one.key for one in named_by(concept((LOINC, "8867-4")))] == ["heart-rate"]
    assert [one.key for one in named_by(concept(("urn:local", "P"), (LOINC, "2708-6"), (LOINC, "59408-5")))] == [
        "oxygen-saturation"
    ]


@pytest.mark.parametrize("codes", [(), (("urn:local", "8867-4"),), ((LOINC, "0000-0"),)], ids=str)
def test_another_code_names_none(codes: tuple[tuple[str, str], ...]) -> None:
    named = named_by(concept(*codes) if codes else CodeableConcept(text="heart rate"))
    assert named == ()


def test_two_vital_signs_in_one_concept_are_both_found() -> None:
    assert len(named_by(concept((LOINC, "8867-4"), (LOINC, "8310-5")))) == 2


@pytest.mark.parametrize(("text", "unit"), [
    ("mmHg", "mm[Hg]"), ("MM HG", "mm[Hg]"), ("lbs", "[lb_av]"), ("°F", "[degF]"), (" kg ", "kg"), ("beats / min", None),
    ("", None),
])  # fmt: skip
def test_a_unit_for_people_is_understood_if_it_is_known(text: str, unit: str | None) -> None:
    assert unit_meant(text) == unit


def test_every_unit_that_may_be_stated_is_understood_as_itself_or_not_at_all() -> None:
    for vital in VITALS.values():
        for unit in vital.units:
            assert unit_meant(unit) in {unit, None}
