"""A review that leaves out an entry in force was made of another list than the chart's."""

from __future__ import annotations

from typing import Any

import pytest

from canonical.medication_surroundings import judge
from tests.canonical.checked import parsed
from tests.compound_factories import listed_change_json, medication_reconciliation_json

LIST = ("MedicationStatement/m3", "MedicationStatement/m4")


def kinds(*entries: dict[str, str], **over: Any) -> list[str]:
    told = judge(parsed(medication_reconciliation_json(**over)), entries)
    assert all(finding.holds for finding in told)
    return [finding.kind for finding in told]


def entry(reference: str, status: str = "active") -> dict[str, str]:
    return {"reference": reference, "status": status}


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
    assert kinds({"reference": "MedicationStatement/m5"}) == ["list_incomplete"]


def test_a_change_mentions_its_entry_and_a_start_mentions_none() -> None:
    changes = [listed_change_json("stop", "MedicationStatement/m5"), listed_change_json()]
    assert kinds(entry("MedicationStatement/m5"), changes=changes) == []
    assert kinds(entry("MedicationStatement/m3"), changes=[listed_change_json()]) == ["list_incomplete"]
