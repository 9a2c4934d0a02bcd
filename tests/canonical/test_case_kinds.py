"""Kinds of cases as data: what makes a cause is declared for all that operations are asked, and says nothing of a patient."""

from __future__ import annotations

import pytest

from canonical.case_kinds import CausePart, case_kind, case_kinds, cause_parts, cause_told, has_cause
from canonical.reviewer import Pool

OPERATIONS = sorted(name for name, kind in case_kinds().items() if kind.pool is Pool.OPERATIONS)


@pytest.mark.parametrize("name", OPERATIONS)
def test_what_operations_are_asked_is_one_question_for_each_cause(name: str) -> None:
    assert case_kind(name).cause is not None


def test_what_clinicians_are_asked_is_one_question_for_each_command_but_for_digests_and_merges() -> None:
    gathered = {name for name, kind in case_kinds().items() if kind.pool is Pool.CLINICAL and kind.cause is not None}
    assert gathered == {"time_box_ended", "merged_patient", "merge_undone"}


@pytest.mark.parametrize("name", ["merged_patient", "merge_undone"])
def test_merges_of_patients_are_gathered_only_where_it_is_known_which(name: str) -> None:
    """Else whatever happens to different people would stand in one line."""
    assert not has_cause(case_kind(name), {})
    assert not has_cause(case_kind(name), {CausePart.CODE: "4107"})
    assert has_cause(case_kind(name), {CausePart.MERGE: "7"})
    assert cause_told(case_kind(name), {CausePart.MERGE: "7", CausePart.CODE: "4107"}) == "merge=7"


def test_any_other_kind_is_gathered_by_what_it_asks_for_known_or_not() -> None:
    assert has_cause(case_kind("unmapped_code"), {})
    assert not has_cause(case_kind("conflict"), {CausePart.MERGE: "7"})


def test_a_cause_holds_what_its_kind_asks_for_in_one_order_and_no_more() -> None:
    known = {CausePart.MAPPING: "r4/3", CausePart.CODE: "http://loinc.org|8867-4"}
    assert cause_told(case_kind("unmapped_code"), known) == "code=http://loinc.org|8867-4"
    assert cause_told(case_kind("invalid_payload"), known) == "mapping=r4/3"
    assert cause_told(case_kind("conflict"), known) == ""
    assert cause_parts("action=VitalReading code=a=b") == ((CausePart.ACTION, "VitalReading"), (CausePart.CODE, "a=b"))


@pytest.mark.parametrize("text", ["Lopez, Ana", "born 1961", "a\nb", "x" * 201])
def test_free_text_is_no_part_of_a_cause(text: str) -> None:
    assert cause_told(case_kind("unmapped_code"), {CausePart.CODE: text}) == "code=other"
