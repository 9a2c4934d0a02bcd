from typing import Any

import pytest

from adapters.r4.normalisation import Normalisation, added, not_kept, told, unexplained

SOURCE = "vendor page, 2026"
SENT: dict[str, Any] = {"resourceType": "Observation", "note": [{"text": "sitting"}]}
DROPS_NOTES = not_kept("Observation", "note", source=SOURCE, also=("remarks",))
FILLS_ISSUED = added("Observation", "issued", what="filled with the time of storing", source=SOURCE)


def left(names: set[str], stored: dict[str, Any], *known: Normalisation, sent: dict[str, Any] = SENT) -> set[str]:
    return unexplained(names, sent, stored, known)


def test_element_that_is_not_given_back_is_explained_under_both_its_names() -> None:
    assert left({"note", "remarks"}, {}, DROPS_NOTES) == set()


def test_element_that_comes_back_changed_is_not_explained_by_not_being_kept() -> None:
    assert left({"note"}, {"note": [{"text": "standing"}]}, DROPS_NOTES) == {"note"}


def test_element_filled_by_the_ehr_is_explained_only_where_nothing_was_sent() -> None:
    assert left({"issued"}, {"issued": "2026-11-22T13:15:01Z"}, FILLS_ISSUED) == set()
    sent = {**SENT, "issued": "2026-11-22T13:15:00Z"}
    assert left({"issued"}, {"issued": "2026-11-22T13:15:01Z"}, FILLS_ISSUED, sent=sent) == {"issued"}


@pytest.mark.parametrize("name", ["value", "subject", "status", "code"])
def test_nothing_else_is_excused(name: str) -> None:
    assert left({name, "note"}, {}, DROPS_NOTES, FILLS_ISSUED) == {name}


def test_normalisation_of_another_type_explains_nothing() -> None:
    assert left({"note"}, {}, not_kept("Condition", "note", source=SOURCE)) == {"note"}


def test_every_known_change_tells_its_source() -> None:
    changes = told([DROPS_NOTES, FILLS_ISSUED])
    assert [(item.element, item.source) for item in changes] == [("note", SOURCE), ("issued", SOURCE)]
    assert all(item.what for item in changes)
