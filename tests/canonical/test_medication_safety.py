from __future__ import annotations

from datetime import date

import pytest

from canonical.medication_safety import counted_unit, safety_lists

LISTS = safety_lists()


def test_the_lists_have_an_owner_and_a_date() -> None:
    assert LISTS.owner
    assert isinstance(LISTS.reviewed, date)


def test_methotrexate_is_weekly() -> None:
    assert "6851" in {medicine.ingredient for medicine in LISTS.weekly}


def test_a_row_is_a_code_with_names_in_lower_case() -> None:
    for medicine in LISTS.weekly:
        assert medicine.ingredient.isdigit()
        assert medicine.names
        assert all(name == name.lower() and name.isalpha() for name in medicine.names)


def test_a_name_is_meant_as_a_whole_word() -> None:
    methotrexate = next(medicine for medicine in LISTS.weekly if medicine.ingredient == "6851")
    assert methotrexate.is_meant([], frozenset({"methotrexate", "tablet"}))
    assert methotrexate.is_meant(["1", "6851"], frozenset())
    assert not methotrexate.is_meant(["68510"], frozenset({"methotrexat"}))


@pytest.mark.parametrize(("text", "thing"), [
    ("tablet", "tablet"), ("Tablets", "tablet"), ("tab", "tablet"), ("tabs", "tablet"), ("{tbl}", "tablet"),
    ("tablet(s)", "tablet"),
    ("patches", "patch"), ("capsules", "capsule"), ("suppositories", "suppository"), ("lozenges", "lozenge"), ("doses", "dose"),
    ("gtts", "drop"), ("mg", None), ("", None), (None, None), ("tabletop", None), ("s", None),
])  # fmt: skip
def test_what_is_counted_is_known_in_the_plural_too(text: str | None, thing: str | None) -> None:
    assert counted_unit(text) == thing
