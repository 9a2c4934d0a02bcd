from __future__ import annotations

from typing import Any

import pytest

from tests.canonical.checked import refusals
from tests.factories import ABSENT, RXNORM, SNOMED_CT, Json, concept, dosage_json, medication_change_json, quantity

DOSE = "/action/dosage/0/doseAndRate/0/doseQuantity"
ORAL = concept(SNOMED_CT, "26643006", "oral")
UNDER_THE_SKIN = concept(SNOMED_CT, "34206005", "subcutaneous")
WEEKLY = {"repeat": {"frequency": 1, "period": 1, "periodUnit": "wk"}}


def start(dosage: Json | None = None, **over: Any) -> Json:
    return medication_change_json(dosage=[dosage or dosage_json()], **over)


def dosed(value: str, unit: str | None, code: str | None = None, **over: Any) -> Json:
    amount = quantity(value, unit or "", code)
    if unit is None:
        del amount["unit"]
    return start(dosage_json(text="as directed", timing=ABSENT, doseAndRate=[{"doseQuantity": amount}], **over))


@pytest.mark.parametrize(("unit", "code"), [("mg", "mg"), ("mg", None), (None, "mg"), ("units", "[iU]"), ("mcg", "ug"),
                                            ("international units", None), ("mL/h", "mL/h"), ("unit/kg", None)])  # fmt: skip
def test_a_dose_with_a_unit_is_accepted(unit: str | None, code: str | None) -> None:
    assert refusals(dosed("5", unit, code)) == {}


def test_a_dose_without_a_unit_is_refused() -> None:
    assert refusals(dosed("5", None)) == {f"{DOSE}/unit": "unit-required"}


@pytest.mark.parametrize("unit", ["U", "u", "IU", "iu", "U/h", "IU/mL", "U / kg", "[IU]"])
def test_a_unit_that_is_misread_is_refused_even_with_a_code(unit: str) -> None:
    assert refusals(dosed("10", unit, "[iU]")) == {f"{DOSE}/unit": "unit-abbreviation"}


@pytest.mark.parametrize("value", ["0", "-1", "0.0"])
def test_a_dose_of_nothing_is_refused(value: str) -> None:
    assert refusals(dosed(value, "mg")) == {f"{DOSE}/value": "dose-not-positive"}


def test_every_amount_of_a_dosage_is_looked_at() -> None:
    bad = {"value": 5}
    dosage = dosage_json(
        text="as directed",
        doseAndRate=[
            {"doseRange": {"low": bad, "high": {"value": 9, "unit": "mg"}}, "rateQuantity": {"unit": "mL/h"}},
            {"rateRatio": {"numerator": {"value": 1, "unit": "U"}, "denominator": {"value": 1, "unit": "h"}}},
            {"rateRange": {"high": bad}},
        ],
        maxDosePerPeriod={"numerator": bad, "denominator": {"value": 24, "unit": "h"}},
        maxDosePerAdministration={"value": 0, "unit": "mg"},
        maxDosePerLifetime=bad,
    )
    action = start(dosage, strength={"numerator": bad, "denominator": {"value": 1, "unit": "tablet"}})
    at = "/action/dosage/0"
    assert refusals(action) == {
        f"{at}/doseAndRate/0/doseRange/low/unit": "unit-required",
        f"{at}/doseAndRate/0/rateQuantity/value": "required",
        f"{at}/doseAndRate/1/rateRatio/numerator/unit": "unit-abbreviation",
        f"{at}/doseAndRate/2/rateRange/high/unit": "unit-required",
        f"{at}/maxDosePerPeriod/numerator/unit": "unit-required",
        f"{at}/maxDosePerAdministration/value": "dose-not-positive",
        f"{at}/maxDosePerLifetime/unit": "unit-required",
        "/action/strength/numerator/unit": "unit-required",
    }


def test_a_range_may_begin_with_nothing() -> None:
    dose = {"doseRange": {"low": quantity("0", "mg"), "high": quantity("5", "mg")}}
    assert refusals(start(dosage_json(text="as directed", doseAndRate=[dose]))) == {}


ROUTES: list[tuple[str, Any, str]] = [
    ("none", ABSENT, "route-required"),
    ("text only", {"text": "by mouth"}, "route-required"),
    ("another system", concept("http://example.org/routes", "PO", "oral"), "route-required"),
    ("no identifier", concept(SNOMED_CT, "PO", "oral"), "snomed-syntax"),
    ("too short", concept(SNOMED_CT, "12345", "oral"), "snomed-syntax"),
    ("leading zero", concept(SNOMED_CT, "026643006", "oral"), "snomed-syntax"),
]


@pytest.mark.parametrize(("route", "code"), [row[1:] for row in ROUTES], ids=[row[0] for row in ROUTES])
def test_a_route_is_a_snomed_concept(route: Any, code: str) -> None:
    action = medication_change_json(dosage=[dosage_json(), dosage_json(route=route)])
    assert refusals(action) == {"/action/dosage/1/route": code}


COUNTED = ["tablet", "Tablets", "{tbl}", "capsules", "puffs", "patch", "patches", "drops", "tablet(s)", "suppositories"]


@pytest.mark.parametrize("unit", COUNTED)
def test_a_counted_dose_says_nothing_without_form_and_strength(unit: str) -> None:
    action = dosed("1", unit) | {"form": {"text": "x"}}
    for missing in ("form", "strength"):
        stated = {name: value for name, value in action.items() if name != missing}
        assert refusals(stated) == {f"/action/{missing}": "strength-required"}


def test_a_counted_dose_by_code_counts_too() -> None:
    action = dosed("1", None, "{tbl}") | {"strength": None}
    assert refusals({name: value for name, value in action.items() if value}) == {
        "/action/strength": "strength-required"
    }


@pytest.mark.parametrize("kind", ["SCD", "SBD", "GPCK", "BPCK"])
def test_a_product_s_code_already_says_its_strength(kind: str) -> None:
    assert refusals(start(form=ABSENT, strength=ABSENT, medicationTermType=kind)) == {}


@pytest.mark.parametrize("kind", ["IN", "PIN", "MIN", "BN", "SCDF", "SBDF"])
def test_an_ingredient_s_or_brand_s_code_does_not(kind: str) -> None:
    wrong = refusals(start(form=ABSENT, strength=ABSENT, medicationTermType=kind))
    assert wrong == {"/action/form": "strength-required", "/action/strength": "strength-required"}


def test_a_weighed_dose_needs_no_strength() -> None:
    action = dosed("10", "mg", "mg")
    assert refusals({name: value for name, value in action.items() if name not in {"form", "strength"}}) == {}


HIGHEST = {"numerator": quantity("4", "tablet"), "denominator": quantity("24", "h")}
BOUNDED: list[tuple[str, Json, bool]] = [
    ("nothing", {"timing": ABSENT}, False),
    ("bounds only", {"timing": {"repeat": {"boundsPeriod": {"end": "2026-04"}}}}, False),
    ("most a dose", {"timing": ABSENT, "maxDosePerAdministration": quantity("2", "tablet")}, False),
    ("least interval", {"timing": {"repeat": {"frequency": 1, "period": 4, "periodUnit": "h"}}}, True),
    ("most a day", {"timing": ABSENT, "maxDosePerPeriod": HIGHEST}, True),
    ("a number of times", {"timing": {"repeat": {"count": 3}}}, True),
    ("at bedtime", {"timing": {"repeat": {"when": ["HS"]}}}, True),
    ("a usual code", {"timing": {"code": {"text": "Q6H"}}}, True),
]


@pytest.mark.parametrize(("over", "bounded"), [row[1:] for row in BOUNDED], ids=[row[0] for row in BOUNDED])
@pytest.mark.parametrize(
    "needed", [{"asNeededBoolean": True}, {"asNeededCodeableConcept": {"text": "pain"}}], ids=["yes", "why"]
)
def test_as_needed_is_never_open_ended(needed: Json, over: Json, *, bounded: bool) -> None:
    action = start(dosage_json(text="Take as needed", **needed, **over))
    wrong = {} if bounded else {"/action/dosage/0/maxDosePerPeriod": "as-needed-open-ended"}
    assert refusals(action) == wrong


def test_not_as_needed_needs_no_bound() -> None:
    assert refusals(start(dosage_json(asNeededBoolean=False, timing=ABSENT))) == {}


TIMINGS: list[tuple[str, Any, bool]] = [
    ("none", ABSENT, True),
    ("once a week", WEEKLY, True),
    ("every seven days", {"repeat": {"frequency": 1, "period": 7, "periodUnit": "d"}}, True),
    ("on mondays", {"repeat": {"dayOfWeek": ["mon"], "timeOfDay": ["08:00:00"]}}, True),
    ("weekly with an end", {"repeat": {"period": 1, "periodUnit": "wk", "boundsPeriod": {"end": "2026-06"}}}, True),
    (
        "weekly, as a code",
        {"code": concept("http://terminology.hl7.org/CodeSystem/v3-GTSAbbreviation", "WK", "weekly")},
        True,
    ),
    ("daily", {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}}, False),
    ("twice a week", {"repeat": {"frequency": 2, "period": 1, "periodUnit": "wk"}}, False),
    ("once or twice a week", {"repeat": {"frequency": 1, "frequencyMax": 2, "period": 1, "periodUnit": "wk"}}, False),
    ("every 7 to 10 days", {"repeat": {"period": 7, "periodMax": 10, "periodUnit": "d"}}, False),
    ("on two days", {"repeat": {"dayOfWeek": ["mon", "thu"]}}, False),
    ("twice on mondays", {"repeat": {"dayOfWeek": ["mon"], "when": ["MORN", "EVE"]}}, False),
    ("every 7 hours", {"repeat": {"frequency": 1, "period": 7, "periodUnit": "h"}}, False),
    ("each morning", {"repeat": {"when": ["MORN"]}}, False),
    ("on given days", {"event": ["2026-03-10"]}, False),
    (
        "daily, as a code",
        {"code": concept("http://terminology.hl7.org/CodeSystem/v3-GTSAbbreviation", "QD", "daily")},
        False,
    ),
    ("weekly in words only", {"code": {"text": "weekly"}}, False),
]
METHOTREXATE = concept(RXNORM, "6851", "methotrexate")


@pytest.mark.parametrize(("timing", "fits"), [row[1:] for row in TIMINGS], ids=[row[0] for row in TIMINGS])
def test_a_weekly_medicine_is_weekly_or_says_nothing(timing: Any, *, fits: bool) -> None:
    action = start(dosage_json(text="as directed", timing=timing), medication=METHOTREXATE)
    assert refusals(action) == ({} if fits else {"/action/dosage/0/timing": "weekly-only"})


@pytest.mark.parametrize("text", [
    "Take 1 tablet daily", "1 tab BID", "Take every day", "one tablet q12h", "twice a week", "nightly", "1 tablet q.d.",
    "Take one tablet each morning and every evening", "3 times per week",
])  # fmt: skip
def test_a_weekly_medicine_is_not_written_to_be_taken_more_often(text: str) -> None:
    action = start(dosage_json(text=text, timing=ABSENT), medication=METHOTREXATE)
    assert refusals(action) == {"/action/dosage/0/text": "weekly-only"}


@pytest.mark.parametrize(
    "text", ["Take 4 tablets once a week", "Every Monday take 10 mg", "10 mg weekly", "Once weekly"]
)
def test_a_weekly_medicine_written_as_weekly_passes(text: str) -> None:
    assert refusals(start(dosage_json(text=text, timing=WEEKLY), medication=METHOTREXATE)) == {}


@pytest.mark.parametrize(("over"), [
    {"medication": concept(RXNORM, "105585", "methotrexate 2.5 MG Oral Tablet")},
    {"medication": concept(RXNORM, "105585", "MTX", coding=[{"system": RXNORM, "code": "105585", "display": "Trexall"}])},
    {"medication": concept(RXNORM, "105585", "MTX"), "ingredient": [METHOTREXATE]},
    {"medication": concept(RXNORM, "105585", "MTX"), "ingredient": [{"coding": [{"system": RXNORM, "code": "6851"}]}]},
    {"medication": concept(RXNORM, "1551291", "x")},
    {"medication": concept(RXNORM, "2601723", "x")},
], ids=["text", "display", "ingredient", "ingredient code", "dulaglutide", "tirzepatide"])  # fmt: skip
def test_a_weekly_medicine_is_known_by_code_ingredient_or_name(over: Json) -> None:
    assert refusals(start(dosage_json(), **over)) == {
        "/action/dosage/0/timing": "weekly-only",
        "/action/dosage/0/text": "weekly-only",
    }


def test_a_row_with_routes_holds_for_those_routes_only() -> None:
    semaglutide = concept(RXNORM, "1991302", "semaglutide")
    assert refusals(start(dosage_json(route=ORAL), medication=semaglutide)) == {}
    wrong = refusals(start(dosage_json(route=UNDER_THE_SKIN), medication=semaglutide))
    assert set(wrong.values()) == {"weekly-only"}


def test_a_change_of_dose_is_watched_like_a_start() -> None:
    action = medication_change_json("changeDose", medication=METHOTREXATE)
    assert set(refusals(action).values()) == {"weekly-only"}
