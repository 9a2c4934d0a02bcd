from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.accepted import (
    ATTRIBUTION,
    UnmappedCodeError,
    code_in,
    codes_for,
    outside_encounter,
    own_code,
    taken,
    takes_back,
    within,
)
from adapters.r4.change import Change
from adapters.site import Site
from canonical.errors import UnsupportedActionError

CODES = {"drug": {"s|1": "A", "s|2": ["A", "B"], "t|3": "B"}}


def at(**options: Any) -> Site:
    return Site(base_url="https://ehr.example/fhir", options=options)


def change(site: Site, encounter: Any = None, **content: Any) -> Change:
    return Change(operation="x", content=content, patient="Patient/p1", encounter=encounter, security=[], site=site)


def concept(*codes: tuple[str, str]) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code} for system, code in codes]}


@given(left=st.sets(st.sampled_from(["note", "bodySite", "performer", "issued", "code"])))
def test_only_who_said_it_may_be_left_to_our_record_and_only_if_the_hospital_says_so(left: set[str]) -> None:
    said = dict.fromkeys(("code", "note", "bodySite", "performer", "issued"), "x")
    lost = {"note", "bodySite", "performer", "issued"} - (left & ATTRIBUTION)
    with pytest.raises(UnsupportedActionError) as refused:
        taken(change(at(leaves_out=sorted(left)), **said), ("code",))
    assert str(refused.value) == f"this EHR has no place for {', '.join(sorted(lost))}"


def test_what_is_taken_is_left_as_it_is_and_what_is_ours_is_no_loss() -> None:
    kept = taken(change(at(leaves_out=["performer"]), code="c", performer="p", confirmed="yes", note=None), ("code",))
    assert kept.content == {"code": "c"}


def test_nothing_of_what_is_said_of_a_patient_may_be_left_out() -> None:
    clinical = {
        "code",
        "valueQuantity",
        "component",
        "dosage",
        "medication",
        "reaction",
        "criticality",
        "note",
        "bodySite",
    }
    assert not clinical & ATTRIBUTION


@pytest.mark.parametrize(
    ("codes", "own", "candidates"),
    [
        ([("s", "1")], "A", ()),
        ([("s", "1"), ("s", "2")], None, ("A", "B")),
        ([("s", "2")], None, ("A", "B")),
        ([("s", "9")], None, ()),
        ([], None, ()),
    ],
)
def test_code_is_mapped_to_one_or_is_for_a_person(
    codes: list[Any], own: str | None, candidates: tuple[str, ...]
) -> None:
    site = at(codes=CODES)
    if own is not None:
        assert own_code(site, "drug", concept(*codes)) == own
        return
    with pytest.raises(UnmappedCodeError) as unmapped:
        own_code(site, "drug", concept(*codes))
    assert (unmapped.value.kind, unmapped.value.candidates) == ("unmapped_code", candidates)


def test_map_is_read_backwards_to_all_that_lead_there() -> None:
    assert codes_for(at(codes=CODES), "drug", "A") == [{"system": "s", "code": "1"}, {"system": "s", "code": "2"}]
    assert codes_for(at(), "drug", "A") == []


def test_code_of_a_system_is_one_or_none() -> None:
    assert code_in(concept(("s", "1"), ("t", "2")), "s") == "1"
    assert code_in(concept(("s", "1"), ("s", "2")), "s") is None
    assert code_in(None, "s") is None


def test_text_that_is_too_long_is_refused_and_never_cut() -> None:
    assert within("abc", 3, "a note") == "abc"
    with pytest.raises(UnsupportedActionError, match="at most 2 characters"):
        within("abc", 2, "a note")


def test_encounter_is_left_out_only_where_the_hospital_says_so() -> None:
    visit = {"reference": "Encounter/e1"}
    assert outside_encounter(change(at())).encounter is None
    assert outside_encounter(change(at(leaves_out=["encounter"]), encounter=visit)).encounter is None
    with pytest.raises(UnsupportedActionError):
        outside_encounter(change(at(), encounter=visit))


@pytest.mark.parametrize(
    ("resource", "said"),
    [
        ({"status": "entered-in-error"}, True),
        ({"verificationStatus": concept(("s", "entered-in-error"))}, True),
        ({"status": "final", "verificationStatus": concept(("s", "confirmed"))}, False),
        ({}, False),
    ],
)
def test_error_is_what_a_resource_says_of_itself(resource: dict[str, Any], *, said: bool) -> None:
    assert takes_back(resource) is said
