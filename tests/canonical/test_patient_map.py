"""The map of patients: believed whole or not at all, a history, and never a circle."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canonical.patient_map import READ_IN_USE, MapLine, lines_of, parts, survivor_in, with_lines
from canonical.patient_trail import MergeStep, PatientTrail, ToldBy, TrailEnd

RECORDS = "abcdef"


def trail(*records: str, end: TrailEnd = TrailEnd.IN_USE) -> PatientTrail:
    steps = tuple(MergeStep(patient=old, into=new, told_by=ToldBy.LINK) for old, new in pairwise(records))
    return PatientTrail(start=records[0], steps=steps, end=end)


def line(patient: str, into: str | None, told_by: str = "link") -> MapLine:
    return MapLine(patient=patient, into=into, told_by=told_by)


def test_a_merge_is_one_line_and_told_once() -> None:
    lines = lines_of(trail("a", "b"), {})
    assert lines == (line("a", "b"),)
    assert lines_of(trail("a", "b"), with_lines({}, lines)) == ()


def test_a_chain_is_a_line_for_each_merge_and_leads_to_its_end() -> None:
    known = with_lines({"b": "c"}, lines_of(trail("a", "b", "c"), {"b": "c"}))
    assert known == {"a": "b", "b": "c"}
    assert survivor_in(known, "a") == "c"


@pytest.mark.parametrize("end", [end for end in TrailEnd if end is not TrailEnd.IN_USE])
def test_a_trail_that_ends_at_no_record_in_use_is_not_believed(end: TrailEnd) -> None:
    assert lines_of(trail("a", "b", end=end), {}) == ()
    assert lines_of(trail("a", end=end), {"a": "b"}) == ()


def test_a_record_in_use_again_is_a_line_of_its_own() -> None:
    lines = lines_of(trail("a"), {"a": "b"})
    assert lines == (line("a", None, READ_IN_USE),)
    assert parts(lines[0], {"a": "b"}, lines)


def test_a_record_that_was_never_merged_adds_nothing() -> None:
    assert lines_of(trail("a"), {}) == ()


def test_a_merge_turned_round_leaves_no_circle() -> None:
    lines = lines_of(trail("b", "a"), {"a": "b"})
    assert lines == (line("b", "a"), line("a", None, READ_IN_USE))
    assert survivor_in(with_lines({"a": "b"}, lines), "b") == "a"


def test_a_merge_told_more_shortly_parts_nobody_and_one_into_another_record_does() -> None:
    (shorter,) = lines_of(trail("a", "c"), {"a": "b", "b": "c"})
    assert not parts(shorter, {"a": "b", "b": "c"}, [shorter])
    (elsewhere,) = lines_of(trail("a", "c"), {"a": "b"})
    assert parts(elsewhere, {"a": "b"}, [elsewhere])


def test_a_first_merge_parts_nobody() -> None:
    (first,) = lines_of(trail("a", "b"), {})
    assert not parts(first, {}, [first])


def test_a_circle_in_a_map_is_refused() -> None:
    with pytest.raises(ValueError, match="into each other"):
        survivor_in({"a": "b", "b": "a"}, "a")


#: What registrars do, one after the other, to the records of one EHR: merge one into another, or part it again.
REGISTRARS = st.lists(st.tuples(st.sampled_from(RECORDS), st.sampled_from([*RECORDS, None])), max_size=12)
#: After which of their acts somebody looks, and at which record.
LOOKS = st.lists(st.sampled_from(RECORDS), min_size=1, max_size=4)


def followed(links: dict[str, str | None], start: str) -> PatientTrail:
    """Return what an EHR with these links would say of ``start``."""
    passed = [start]
    while (into := links.get(passed[-1])) is not None:
        if into in passed:
            return trail(*passed, end=TrailEnd.CIRCLE)
        passed.append(into)
    return trail(*passed)


@given(REGISTRARS, st.data())
def test_whatever_registrars_do_the_map_has_no_circle_and_says_what_was_last_seen(
    acts: list[tuple[str, str | None]], data: st.DataObject
) -> None:
    links: dict[str, str | None] = {}
    known: dict[str, str | None] = {}
    for patient, into in acts:
        links[patient] = into
        for record in data.draw(LOOKS):
            seen = followed(links, record)
            before, lines = dict(known), lines_of(seen, known)
            known = with_lines(known, lines)
            assert all(survivor_in(known, one) in RECORDS for one in RECORDS), "every record leads somewhere"
            if seen.end is TrailEnd.CIRCLE:
                assert known == before
            else:
                assert survivor_in(known, record) == seen.last
            assert lines_of(seen, known) == (), "what is known is not told again"
