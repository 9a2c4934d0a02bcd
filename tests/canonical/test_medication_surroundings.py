"""A review that leaves out an entry in force was made of another list than the chart's."""

from __future__ import annotations

from typing import Any

import pytest

from canonical.medication_surroundings import judge
from tests.canonical.checked import parsed
from tests.compound_factories import listed_change_json, medication_reconciliation_json
from tests.factories import RXNORM, Json, concept

LIST = ("MedicationStatement/m3", "MedicationStatement/m4")


def kinds(*entries: Json, **over: Any) -> list[str]:
    told = judge(parsed(medication_reconciliation_json(**over)), entries)
    assert all(finding.holds for finding in told)
    return [finding.kind for finding in told]


def entry(reference: str, status: str = "active", **over: Any) -> Json:
    return {"reference": reference, "status": status, "medication": {"text": "aspirin 81 MG"}, **over}


def test_a_review_of_the_whole_list_passes() -> None:
    assert kinds() == []
    assert kinds(*map(entry, LIST)) == []


@pytest.mark.parametrize("status", ["active", "on-hold", "intended", "unknown", "?"])
def test_an_entry_in_force_that_is_left_out_is_brought_before_a_person_once(status: str) -> None:
    left_out = [entry("MedicationStatement/m5", status), entry("MedicationStatement/m6", status)]
    assert kinds(*map(entry, LIST), *left_out) == ["list_incomplete"]


@pytest.mark.parametrize("status", ["completed", "stopped", "not-taken", "entered-in-error"])
def test_what_is_over_need_not_be_mentioned(status: str) -> None:
    assert kinds(entry("MedicationStatement/m5", status)) == []


def test_an_entry_without_a_status_counts_as_in_force() -> None:
    assert kinds({**entry("MedicationStatement/m5"), "status": None}) == ["list_incomplete"]


def test_a_change_mentions_its_entry_and_a_start_mentions_none() -> None:
    changes = [listed_change_json("stop", "MedicationStatement/m5"), listed_change_json()]
    assert kinds(entry("MedicationStatement/m5"), changes=changes) == []
    assert kinds(entry("MedicationStatement/m3"), changes=[listed_change_json()]) == ["list_incomplete"]


STARTED = concept(RXNORM, "83367", "atorvastatin")


def test_what_a_review_starts_must_not_be_on_the_list_already() -> None:
    """An order counts as well, though no review need mention it."""
    for reference in ("MedicationStatement/m4", "MedicationRequest/r1"):
        there = entry(reference, medication=STARTED)
        assert kinds(there, *map(entry, LIST[:1])) == ["possible_duplicate_therapy"]


def test_what_the_same_review_ends_is_no_duplicate_and_what_it_only_holds_is_one() -> None:
    there = entry("MedicationStatement/m3", medication=STARTED)
    for operation, found in (("stop", []), ("notTaking", []), ("hold", ["possible_duplicate_therapy"])):
        changes = [listed_change_json(operation, "MedicationStatement/m3"), listed_change_json()]
        assert kinds(there, changes=changes) == found, operation


def test_a_review_that_starts_nothing_is_not_held_by_what_is_on_the_list() -> None:
    there = entry("MedicationStatement/m3", medication=STARTED)
    assert kinds(there, changes=[listed_change_json("hold", "MedicationStatement/m3")]) == []
