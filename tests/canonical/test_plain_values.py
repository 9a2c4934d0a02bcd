"""Values as people read them: what is counted is a word, and a code stands beside it only where it says something else."""

from __future__ import annotations

import pytest

from canonical.code_systems import UCUM
from canonical.datatypes import Quantity
from canonical.plain_values import told


@pytest.mark.parametrize(
    ("unit", "code", "said"),
    [
        ("tablet", "{tablet}", "2 tablet"),
        ("tablets", "{tablet}", "2 tablets"),
        (None, "{tablet}", "2 tablet"),
        ("tablet", "{capsule}", "2 tablet (capsule)"),
        ("mg", "mg", "2 mg"),
        ("puff", "mL", "2 puff (UCUM mL)"),
    ],
)
def test_what_is_counted_is_told_in_words(unit: str | None, code: str, said: str) -> None:
    quantity = {"value": 2, "unit": unit, "system": UCUM, "code": code}
    stated = {name: value for name, value in quantity.items() if value is not None}
    assert told(Quantity.model_validate(stated), is_dose=False) == said
