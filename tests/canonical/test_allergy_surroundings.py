"""What the chart's allergies say about one to come, over every scope, category and status."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canonical.action import Finding
from canonical.actions.allergy_update import SPEC
from canonical.allergy_lists import contradicts, none_known_code, none_known_scope
from tests.canonical.checked import parsed
from tests.factories import RXNORM, SNOMED_CT, Json, concept, target_json
from tests.list_factories import allergy_update_json

CATEGORIES = ["food", "medication", "environment", "biologic"]
SCOPES = ["all", "drug", "food", "environment", "latex"]
ENDED: list[Json] = [
    {"clinicalStatus": "inactive"},
    {"clinicalStatus": "resolved"},
    {"verificationStatus": "refuted"},
    {"verificationStatus": "entered-in-error", "clinicalStatus": None},
]
LATEX = concept(SNOMED_CT, "111088007", "Latex")


def entry(**over: Any) -> Json:
    """An active allergy to peanuts as the adapter tells of it."""
    members = {
        "reference": "AllergyIntolerance/a9",
        "code": concept(SNOMED_CT, "256349002", "Peanut"),
        "clinicalStatus": "active",
        "verificationStatus": "confirmed",
        "category": ["food"],
    }
    return {name: value for name, value in (members | over).items() if value is not None}


def none_known(scope: str, **over: Any) -> Json:
    return entry(reference="AllergyIntolerance/n9", code=none_known_code(scope), category=None, **over)


def judged(action: Json, *entries: Json, **envelope: Any) -> list[Finding]:
    assert SPEC.surroundings is not None
    found = SPEC.surroundings.judge(parsed(action, **envelope), entries)
    assert all(finding.holds for finding in found)
    return found


def kinds(action: Json, *entries: Json, **envelope: Any) -> list[str]:
    return [finding.kind for finding in judged(action, *entries, **envelope)]


def test_an_empty_list_holds_nothing_up() -> None:
    assert kinds(allergy_update_json()) == kinds(allergy_update_json("assertNoneKnown")) == []


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("category", CATEGORIES)
def test_nothing_known_is_held_exactly_where_an_active_allergy_speaks_against_it(scope: str, category: str) -> None:
    action = allergy_update_json("assertNoneKnown", noneKnownScope=scope)
    against = {"all": set(CATEGORIES), "drug": {"medication", "biologic"}, "food": {"food"}}
    held = category in {**against, "environment": {"environment"}, "latex": set()}[scope]
    assert kinds(action, entry(category=[category])) == (["active_allergy"] if held else [])


@pytest.mark.parametrize("ended", ENDED, ids=repr)
@pytest.mark.parametrize("scope", SCOPES)
def test_what_is_over_or_was_never_so_speaks_against_nothing(scope: str, ended: Json) -> None:
    action = allergy_update_json("assertNoneKnown", noneKnownScope=scope)
    assert kinds(action, entry(category=CATEGORIES, **ended), none_known(scope, **ended)) == []


@pytest.mark.parametrize("scope", ["drug", "food", "environment"])
def test_an_allergy_without_a_category_may_be_of_every_kind(scope: str) -> None:
    assert kinds(allergy_update_json("assertNoneKnown", noneKnownScope=scope), entry(category=None)) == [
        "active_allergy"
    ]


@pytest.mark.parametrize("code", [LATEX, {"text": "latex gloves"}], ids=["code", "word"])
def test_latex_speaks_against_nothing_known_of_latex(code: Json) -> None:
    action = allergy_update_json("assertNoneKnown", noneKnownScope="latex")
    assert kinds(action, entry(code=code, category=["environment"])) == ["active_allergy"]


def test_an_entry_whose_status_is_unknown_to_fhir_counts_as_active() -> None:
    action = allergy_update_json("assertNoneKnown")
    for status in (None, {"text": "active, says the vendor"}, "dormant"):
        assert kinds(action, entry(clinicalStatus=status, verificationStatus=None)) == ["active_allergy"]


def test_nothing_known_twice_is_a_duplicate_and_another_scope_is_not() -> None:
    action = allergy_update_json("assertNoneKnown", noneKnownScope="drug")
    assert kinds(action, none_known("drug")) == ["possible_duplicate"]
    assert kinds(action, none_known("food"), none_known("all")) == []
    assert kinds(action, entry(code={"text": "NKDA"}, category=None)) == []


PENICILLIN = concept(RXNORM, "7980", "penicillin G")
SAME: list[tuple[Json, bool]] = [
    (PENICILLIN, True),
    ({"coding": [{"system": SNOMED_CT, "code": "764146007"}, {"system": RXNORM, "code": "7980"}]}, True),
    ({"text": "Penicillin  g"}, True),
    (concept(SNOMED_CT, "764146007", "Penicillin"), False),
    (concept(RXNORM, "723", "amoxicillin"), False),
    (concept(SNOMED_CT, "7980", "another system's number"), False),
]


@pytest.mark.parametrize(("code", "same"), SAME, ids=[str(at) for at, _ in enumerate(SAME)])
def test_the_same_substance_active_already_is_a_duplicate(code: Json, *, same: bool) -> None:
    there = entry(code=code, category=["medication"])
    assert kinds(allergy_update_json(), there) == (["possible_duplicate"] if same else [])
    for ended in ENDED:
        assert kinds(allergy_update_json(), {**there, **ended}) == []


def test_an_update_that_names_another_substance_looks_for_it_beside_its_own_target() -> None:
    action = allergy_update_json("update", code=PENICILLIN)
    own = entry(reference="AllergyIntolerance/a3", code=PENICILLIN)
    assert kinds(action, own) == []
    assert kinds(action, own, entry(code=PENICILLIN)) == ["possible_duplicate"]
    assert kinds(allergy_update_json("update"), own, entry(code=PENICILLIN)) == []
    by_command = target_json(action, reference="AllergyIntolerance/a3") | {"command": UUID_OF_OURS}
    del by_command["reference"]
    assert kinds(action, own, target=by_command) == []


UUID_OF_OURS = "11111111-1111-4111-8111-111111111111"


@pytest.mark.parametrize("scope", SCOPES)
def test_an_allergy_whose_kind_is_told_is_not_held_by_nothing_known(scope: str) -> None:
    """The adapter retires the statement where it becomes untrue, and leaves it where it does not."""
    assert kinds(allergy_update_json(category=["food"]), none_known(scope)) == []


@pytest.mark.parametrize("scope", ["drug", "food", "environment"])
def test_an_allergy_of_no_kind_beside_nothing_known_of_one_kind_is_for_a_person(scope: str) -> None:
    action = {name: item for name, item in allergy_update_json().items() if name != "category"}
    assert kinds(action, none_known(scope)) == ["none_known_unclear"]
    assert kinds(action, none_known("all")) == []


def test_nothing_known_in_words_only_is_for_a_person() -> None:
    assert kinds(allergy_update_json(), entry(code={"text": "NKA"}, category=None)) == ["none_known_unclear"]
    worded = allergy_update_json(code={"text": "latex gloves"})
    assert kinds(worded, none_known("latex")) == ["none_known_unclear"]


@given(
    scope=st.sampled_from(SCOPES),
    categories=st.lists(st.sampled_from(CATEGORIES), unique=True),
    code=st.sampled_from([PENICILLIN, LATEX, {"text": "latex"}, {"text": "x"}, None]),
)
def test_contradiction_is_never_denied_where_it_cannot_be_told(scope: str, categories: list[str], code: Any) -> None:
    told = contradicts(scope, code=code, categories=categories)
    if scope == "all":
        assert told is True
    elif scope != "latex":
        assert (told is None) == (not categories)
    else:
        assert (told is True) == (code == LATEX)
    # One more category never takes a contradiction away.
    if told is True:
        assert all(contradicts(scope, code=code, categories=[*categories, more]) is True for more in CATEGORIES)


@pytest.mark.parametrize("scope", SCOPES)
def test_each_scope_is_read_from_its_own_code(scope: str) -> None:
    assert none_known_scope(none_known_code(scope)) == scope
    assert none_known_scope({"text": none_known_code(scope)["text"]}) is None
    assert none_known_scope(concept("http://example.org", "716186003", "x")) is None
