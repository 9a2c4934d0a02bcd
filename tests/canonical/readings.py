"""Readings with a value of the test's own; not what an app sends around them."""

from __future__ import annotations

from typing import Any

from tests.factories import USUAL, Json, component_json, quantity, vital_reading_json


def blood_pressure(systolic: str, diastolic: str, **over: Any) -> Json:
    return vital_reading_json(
        "blood-pressure",
        component=[
            component_json("systolic", valueQuantity=quantity(systolic, "mmHg", "mm[Hg]")),
            component_json("diastolic", valueQuantity=quantity(diastolic, "mmHg", "mm[Hg]")),
        ],
        **over,
    )


def reading(vital: str, value: str, **over: Any) -> Json:
    _, unit, code = USUAL[vital]
    return vital_reading_json(vital, valueQuantity=quantity(value, unit, code), **over)
