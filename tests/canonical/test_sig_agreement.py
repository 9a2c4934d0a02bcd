from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from canonical.code_systems import GTS_ABBREVIATION
from canonical.datatypes import Ratio
from canonical.dosage import Dosage, Timing
from canonical.sig_agreement import disagreements, structured_rate
from tests.factories import ABSENT, Json, concept, dosage_json, quantity

WEEK = Fraction(1, 7)
STRENGTH = {"numerator": quantity("10", "mg", "mg"), "denominator": quantity("1", "tablet")}


def differ(text: str, dose: Json | None = None, strength: Json | None = STRENGTH, **over: Any) -> list[str]:
    members = dosage_json(text=text, doseAndRate=[dose or {"doseQuantity": quantity("1", "tablet")}], **over)
    dosage = Dosage.model_validate(members, by_alias=True, by_name=False)
    return disagreements(dosage, Ratio.model_validate(strength) if strength else None)


def mg(value: str) -> Json:
    return {"doseQuantity": quantity(value, "mg", "mg")}


def tablets(low: str, high: str) -> Json:
    return {"doseRange": {"low": quantity(low, "tablet"), "high": quantity(high, "tablet")}}


DOSES: list[tuple[str, str, Json | None, list[str]]] = [
    ("the same", "Take 1 tablet daily", None, []),
    ("another count", "Take 2 tablets daily", None, ["dose"]),
    ("a tenth", "Take 0.5 mg daily", mg("5"), ["dose"]),
    ("ten times", "Take 50 mg daily", mg("5"), ["dose"]),
    ("mcg for mg", "Take 5 mcg daily", mg("5"), ["dose"]),
    ("the same in another unit", "Take 5000 mcg daily", mg("5"), []),
    ("trailing zero", "Take 5.0 mg daily", mg("5"), []),
    ("by strength", "Take 2 tablets daily", mg("20"), []),
    ("against strength", "Take 2 tablets daily", mg("10"), ["dose"]),
    ("weighed text, counted dose", "Take 10 mg daily", None, []),
    ("weighed text, other counted dose", "Take 20 mg daily", None, ["dose"]),
    ("count times amount", "Take 3 tablets of 5 mg daily", mg("15"), []),
    ("text without numbers", "Take daily as directed", mg("15"), []),
    ("most a day beside it", "Take 1 tablet daily, no more than 4 tablets", None, []),
    ("half", "Take half a tablet daily", {"doseQuantity": quantity("0.5", "tablet")}, []),
    ("range agrees", "Take 1-2 tablets daily", tablets("1", "2"), []),
    ("range differs", "Take 1-2 tablets daily", tablets("1", "3"), ["dose"]),
    ("a unit nobody knows", "Take 2 scoops daily", {"doseQuantity": quantity("1", "scoop")}, []),
    ("only a rate", "Take 2 tablets daily", {"rateQuantity": quantity("5", "mL/h")}, []),
]  # fmt: skip


@pytest.mark.parametrize(("text", "dose", "found"), [row[1:] for row in DOSES], ids=[row[0] for row in DOSES])
def test_dose_and_text_are_held_against_each_other(text: str, dose: Json | None, found: list[str]) -> None:
    assert differ(text, dose) == found


def test_without_strength_a_count_says_nothing_of_a_weight() -> None:
    assert differ("Take 2 tablets daily", mg("10"), strength=None) == []


def repeat(**members: Any) -> Json:
    return {"repeat": members}


FREQUENCIES: list[tuple[str, str, Any, list[str]]] = [
    ("once", "once daily", repeat(frequency=1, period=1, periodUnit="d"), []),
    ("twice for once", "twice daily", repeat(frequency=1, period=1, periodUnit="d"), ["frequency"]),
    ("weekly for daily", "once weekly", repeat(frequency=1, period=1, periodUnit="d"), ["frequency"]),
    ("every 12 hours is twice", "every 12 hours", repeat(frequency=2, period=1, periodUnit="d"), []),
    ("BID", "BID", repeat(timeOfDay=["08:00:00", "20:00:00"]), []),
    ("at bedtime", "at bedtime", repeat(when=["HS"]), []),
    ("4-6 hours holds 4", "every 4-6 hours", repeat(frequency=1, period=4, periodUnit="h"), []),
    ("4-6 hours does not hold 8", "every 4-6 hours", repeat(frequency=1, period=8, periodUnit="h"), ["frequency"]),
    ("three days a week", "3 times a week", repeat(dayOfWeek=["mon", "wed", "fri"]), []),
    (
        "days and period",
        "3 times a week",
        repeat(frequency=3, period=1, periodUnit="wk", dayOfWeek=["mon", "wed", "fri"]),
        [],
    ),
    ("monthly", "once a month", repeat(frequency=1, period=30, periodUnit="d"), []),
    ("one of two agrees", "daily, at most 4 times a day", repeat(frequency=1, period=1, periodUnit="d"), []),
    ("no timing", "twice daily", ABSENT, []),
    ("no words", "as directed", repeat(frequency=1, period=1, periodUnit="d"), []),
    ("a code", "twice daily", {"code": concept(GTS_ABBREVIATION, "TID", "TID")}, ["frequency"]),
]


@pytest.mark.parametrize(
    ("text", "timing", "found"), [row[1:] for row in FREQUENCIES], ids=[row[0] for row in FREQUENCIES]
)
def test_frequency_and_text_are_held_against_each_other(text: str, timing: Any, found: list[str]) -> None:
    assert differ(text, timing=timing) == found


STRUCTURED: list[tuple[str, Json, Fraction | int | None, Fraction | int | None]] = [
    ("bounds only", repeat(boundsPeriod={"end": "2026"}), None, None),
    ("frequency range", repeat(frequency=1, frequencyMax=2, period=1, periodUnit="d"), 1, 2),
    ("period range", repeat(frequency=1, period=4, periodMax=6, periodUnit="h"), 4, 6),
    ("twice on two days", repeat(dayOfWeek=["mon", "thu"], when=["MORN", "EVE"]), WEEK * 4, WEEK * 4),
    ("daily on two days", repeat(dayOfWeek=["mon", "thu"], frequency=1, period=1, periodUnit="d"), WEEK * 2, WEEK * 2),
    ("every second monday", repeat(dayOfWeek=["mon"], period=2, periodUnit="wk"), WEEK / 2, WEEK / 2),
    ("no time at all", repeat(frequency=1, period=0, periodUnit="d"), None, None),
    ("only a text", {"code": {"text": "when the moon is full"}}, None, None),
    ("an event", {"event": ["2026-03-10"]}, None, None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("timing", "least", "most"), [row[1:] for row in STRUCTURED], ids=[row[0] for row in STRUCTURED]
)
def test_the_structure_s_own_frequency(timing: Json, least: Any, most: Any) -> None:
    rate = structured_rate(Timing.model_validate(timing, by_alias=True, by_name=False))
    assert rate == (None if least is None else (least, most))
