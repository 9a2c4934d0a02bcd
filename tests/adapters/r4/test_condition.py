import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.fhir_r4 import ADAPTER
from adapters.r4.clinical_status import KEPT
from adapters.r4.comparable import comparable
from adapters.r4.condition import CATEGORIES, HANDLERS, STATUSES
from adapters.r4.invariants import ABATED, ABATEMENT, CONCEPTS
from adapters.r4.validity import problems
from canonical import exact_json
from canonical.actions.problem_update import SPEC
from canonical.errors import NeedsPersonError, TargetMovedError, UnsupportedActionError
from canonical.ports import Resource
from canonical.problem_rules import TAKES
from tests.adapters.commands import PATIENT
from tests.adapters.r4.lists import BASE, SITE, built, changed, planned, status

SNOMED = "http://snomed.info/sct"
ICD = "http://hl7.org/fhir/sid/icd-10-cm"
DIABETES: dict[str, Any] = {
    "coding": [
        {"system": SNOMED, "code": "44054006", "userSelected": True},
        {"system": ICD, "code": "E11.9", "display": "Type 2 diabetes mellitus without complications"},
    ],
    "text": "Type 2 diabetes",
}
KNEE: dict[str, Any] = {"coding": [{"system": SNOMED, "code": "285389006"}], "text": "Left knee pain"}
ADD: dict[str, Any] = {
    "type": "ProblemUpdate",
    "operation": "add",
    "category": "problem-list-item",
    "code": DIABETES,
}
FULL: dict[str, Any] = {
    **ADD,
    "severity": {"text": "moderate"},
    "bodySite": [{"text": "pancreas"}],
    "onsetAge": {"value": 52, "unit": "years", "system": "http://unitsofmeasure.org", "code": "a"},
    "stage": [{"summary": {"text": "second"}}],
    "evidence": [{"code": [{"text": "HbA1c above 48 mmol/mol"}], "detail": [{"reference": "Observation/o1"}]}],
    "asserter": {"reference": "Practitioner/d1"},
    "recorder": {"reference": "Practitioner/n1"},
    "recordedDate": "2026-11-22",
    "note": [{"text": "diet first"}],
}
CLINICAL = [*sorted(CONCEPTS["Condition.clinicalStatus"][1]), None]
VERIFICATION = [*sorted(CONCEPTS["Condition.verificationStatus"][1]), None]
ENCOUNTER = {"reference": "Encounter/e7"}


def of(operation: str, **over: Any) -> dict[str, Any]:
    """An action with what its operation needs and no more."""
    action: dict[str, Any] = {"type": "ProblemUpdate", "operation": operation, "category": "problem-list-item"}
    action |= {"severity": {"text": "mild"}} if operation == "update" else {"code": DIABETES}
    if operation in {"inactivate", "refute", "retract"}:
        action["changeReason"] = "normal for a year"
    return {name: value for name, value in (action | over).items() if value is not None}


def in_chart(action: dict[str, Any] = FULL, **over: Any) -> dict[str, Any]:
    own = {"id": "c1", "meta": {"versionId": "3"}, "extension": [{"url": "urn:vendor:rank", "valueInteger": 2}]}
    made = {**built(action), **own, **over}
    return {name: value for name, value in made.items() if value is not None}


def with_statuses(clinical: str | None, verification: str | None, **over: Any) -> dict[str, Any]:
    return in_chart(
        clinicalStatus=clinical and status("condition-clinical", clinical),
        verificationStatus=verification and status("condition-ver-status", verification),
        **over,
    )


def said(resource: Resource) -> tuple[Any, Any]:
    """Both statuses in canonical words."""
    projection = ADAPTER.project(resource, SITE)
    return projection.get("clinicalStatus"), projection.get("verificationStatus")


@pytest.mark.parametrize("action", [ADD, FULL], ids=["small", "full"])
def test_every_field_of_an_entry_survives_into_the_chart_and_back(action: dict[str, Any]) -> None:
    resource = built(action)
    assert problems(resource) == frozenset()
    projection = ADAPTER.project(resource, SITE)
    for name in set(action) - {"type", "operation"}:
        assert projection[name] == comparable(action[name], BASE), name


@pytest.mark.parametrize("form", ["Age", "Range", "String", "Period", "DateTime"])
def test_onset_and_end_survive_in_every_form(form: str) -> None:
    age = {"value": 52, "unit": "years", "system": "http://unitsofmeasure.org", "code": "a"}
    values = {
        "Age": age,
        "Range": {"low": age},
        "String": "as a child",
        "Period": {"start": "2012"},
        "DateTime": "2012-05",
    }
    added = built({**ADD, f"onset{form}": values[form]})
    assert added[f"onset{form}"] == values[form]
    resolved = built(of("resolve", **{f"abatement{form}": values[form]}), in_chart())
    assert resolved[f"abatement{form}"] == values[form]
    assert problems(resolved) == frozenset()


def test_new_entry_is_active_and_confirmed_by_nobody_yet() -> None:
    resource = built(ADD)
    assert said(resource) == ("active", "unconfirmed")
    assert resource["subject"] == {"reference": PATIENT}
    assert "status" not in resource


def test_both_codes_leave_as_their_author_chose_them() -> None:
    assert built(ADD)["code"] == DIABETES


@pytest.mark.parametrize("category", sorted(CATEGORIES))
def test_each_list_has_its_category_in_its_own_code_system(category: str) -> None:
    resource = built({**ADD, "category": category}, encounter=ENCOUNTER)
    assert resource["category"] == [{"coding": [CATEGORIES[category]]}]
    assert resource["encounter"] == ENCOUNTER
    assert ADAPTER.project(resource, SITE)["category"] == category
    assert (CATEGORIES[category]["system"].startswith("http://hl7.org/fhir/us/core")) == (category == "health-concern")


@pytest.mark.parametrize("verification", VERIFICATION)
@pytest.mark.parametrize("clinical", CLINICAL)
@pytest.mark.parametrize("operation", sorted(STATUSES.moves))
def test_each_operation_leads_from_where_it_may_to_where_it_should(
    operation: str, clinical: str | None, verification: str | None
) -> None:
    move, current = STATUSES.moves[operation], with_statuses(clinical, verification)
    if clinical not in move.clinical_from or verification not in move.verification_from:
        with pytest.raises(NeedsPersonError) as caught:
            built(of(operation), current)
        revives = verification == "entered-in-error" and not SPEC.operations[operation].takes_back
        assert caught.value.kind == ("status_backwards" if revives else "status_ended")
        return
    expected = (
        clinical if move.clinical == KEPT else move.clinical,
        verification if move.verification == KEPT else move.verification,
    )
    assert said(built(of(operation), current)) == expected


@given(
    operation=st.sampled_from(sorted(STATUSES.moves)),
    clinical=st.sampled_from(CLINICAL),
    verification=st.sampled_from(VERIFICATION),
    abated=st.booleans(),
    states_end=st.booleans(),
)
def test_what_leaves_breaks_no_invariant_that_the_chart_kept(
    *, operation: str, clinical: str | None, verification: str | None, abated: bool, states_end: bool
) -> None:
    current = with_statuses(clinical, verification, abatementDateTime="2024" if abated else None)
    takes_end = states_end and "abatementDateTime" in TAKES[operation]
    action = of(operation, **({"abatementDateTime": "2025"} if takes_end else {}))
    try:
        after = built(action, current)
    except NeedsPersonError:
        return
    assert problems(after) <= problems(current)
    is_error = said(after)[1] == "entered-in-error"
    assert is_error == (operation == "retract")
    assert (said(after)[1] == "refuted") == (operation == "refute")
    assert not (is_error and "clinicalStatus" in after)
    if said(after)[0] not in ABATED and said(current)[0] in ABATED:
        assert not set(ABATEMENT) & after.keys()


def test_only_a_retraction_marks_an_error_and_nothing_leaves_one() -> None:
    for operation, move in STATUSES.moves.items():
        assert "entered-in-error" not in move.verification_from
        assert (move.verification == "entered-in-error") == (operation == "retract")


@pytest.mark.parametrize("operation", ["resolve", "inactivate", "reactivate", "refute", "retract"])
def test_a_change_of_status_touches_statuses_note_and_mark_only(operation: str) -> None:
    before = with_statuses("inactive" if operation == "reactivate" else "active", "confirmed")
    after = built(of(operation), before)
    assert changed(before, after) <= {"clinicalStatus", "verificationStatus", "note", "identifier"}
    assert after["extension"] == before["extension"]
    assert after["code"] == before["code"]


def test_the_three_ways_to_end_a_problem_say_three_things() -> None:
    before = in_chart()
    assert said(built(of("resolve"), before)) == ("resolved", "unconfirmed")
    assert said(built(of("refute"), before)) == ("inactive", "refuted")
    assert said(built(of("retract"), before)) == (None, "entered-in-error")


@pytest.mark.parametrize("operation", ["reactivate", "retract"])
def test_what_has_not_ended_has_no_end(operation: str) -> None:
    """con-4: without an ended clinical status there is no abatement; an entry in error has no clinical status (con-5)."""
    before = with_statuses("resolved", "confirmed", abatementPeriod={"end": "2024"})
    after = built(of(operation), before)
    assert not set(ABATEMENT) & after.keys()
    assert problems(after) == frozenset()


def test_an_end_is_stated_only_of_what_is_over() -> None:
    with pytest.raises(NeedsPersonError) as caught:
        built(of("update", abatementDateTime="2025"), in_chart())
    assert caught.value.kind == "still_active"
    over = with_statuses("remission", "confirmed")
    assert built(of("update", abatementDateTime="2025"), over)["abatementDateTime"] == "2025"
    cleared = built(
        {**of("update"), "abatementDateTime": None}, with_statuses("resolved", None, abatementDateTime="2020")
    )
    assert "abatementDateTime" not in cleared


def test_update_leaves_alone_what_it_does_not_name_and_clears_what_is_null() -> None:
    before = in_chart()
    assert changed(before, built(of("update"), before)) == {"severity", "identifier"}
    cleared = built({**of("update", severity=None), "onsetAge": None, "stage": None}, before)
    assert changed(before, cleared) == {"onsetAge", "stage", "identifier"}
    moved = built(of("update", onsetDateTime="2019"), before)
    assert "onsetAge" not in moved


def test_other_categories_of_an_entry_are_kept_and_its_list_is_never_changed() -> None:
    sdoh = {"coding": [{"system": "http://hl7.org/fhir/us/core/CodeSystem/us-core-category", "code": "sdoh"}]}
    before = in_chart(category=[sdoh, {"coding": [CATEGORIES["problem-list-item"]]}])
    assert built(of("update"), before)["category"] == before["category"]
    for operation in sorted(STATUSES.moves):
        with pytest.raises(NeedsPersonError) as caught:
            built(of(operation, category="encounter-diagnosis"), before)
        assert caught.value.kind == "other_problem"


@pytest.mark.parametrize("operation", ["resolve", "inactivate", "reactivate", "refute", "retract"])
def test_another_problem_than_the_action_names_is_not_touched(operation: str) -> None:
    before = with_statuses("inactive" if operation == "reactivate" else "active", "confirmed")
    with pytest.raises(NeedsPersonError) as caught:
        built(of(operation, code=KNEE), before)
    assert caught.value.kind == "other_problem"
    by_icd_alone = {"coding": [DIABETES["coding"][1]]}
    assert built(of(operation, code=by_icd_alone), before)["code"] == DIABETES


def test_a_body_site_of_the_other_side_is_not_put_beside_the_code_of_the_chart() -> None:
    before = in_chart({**ADD, "code": KNEE})
    with pytest.raises(NeedsPersonError) as caught:
        built(of("update", bodySite=[{"text": "right knee"}]), before)
    assert caught.value.kind == "laterality"
    assert built(of("update", bodySite=[{"text": "left knee"}]), before)["bodySite"] == [{"text": "left knee"}]
    sited = in_chart({**ADD, "code": KNEE, "bodySite": [{"text": "left knee"}]})
    with pytest.raises(NeedsPersonError):
        built(of("update", code={**KNEE, "text": "Right knee pain"}), sited)


def test_an_update_of_another_patients_entry_is_not_sent() -> None:
    with pytest.raises(NeedsPersonError) as caught:
        built(of("resolve"), in_chart(subject={"reference": "Patient/p2"}, patient={"reference": PATIENT}))
    assert caught.value.kind == "wrong_patient"


def test_what_the_author_saw_is_compared_before_anything_leaves() -> None:
    with pytest.raises(TargetMovedError):
        built(of("resolve"), in_chart(), seen={"clinicalStatus": "inactive"})
    seen = {"clinicalStatus": "active", "category": "problem-list-item", "code": DIABETES}
    assert built(of("resolve"), in_chart(), seen=seen)


def test_a_field_that_an_operation_does_not_take_is_refused_not_dropped() -> None:
    with pytest.raises(UnsupportedActionError, match="severity"):
        built(of("resolve", severity={"text": "mild"}), in_chart())


MUTATIONS: list[tuple[str, tuple[Any, ...], Any, set[str]]] = [
    ("code", ("code", "coding", 0, "code"), "46635009", {"code"}),
    ("other code system", ("code", "coding", 1, "code"), "E10.9", {"code"}),
    ("clinical status", ("clinicalStatus", "coding", 0, "code"), "resolved", {"clinicalStatus"}),
    ("negated", ("verificationStatus", "coding", 0, "code"), "refuted", {"verificationStatus"}),
    ("in error", ("verificationStatus", "coding", 0, "code"), "entered-in-error", {"verificationStatus"}),
    ("patient", ("subject", "reference"), "Patient/p2", {"subject"}),
    ("list", ("category", 0, "coding", 0), CATEGORIES["encounter-diagnosis"], {"category"}),
    ("side", ("bodySite", 0, "text"), "left leg", {"bodySite"}),
    ("onset", ("onsetAge", "value"), 25, {"onsetAge"}),
    ("severity", ("severity", "text"), "severe", {"severity"}),
]


@pytest.mark.parametrize(("path", "value", "told"), [row[1:] for row in MUTATIONS], ids=[row[0] for row in MUTATIONS])
def test_one_changed_fact_in_the_chart_is_noticed(path: tuple[Any, ...], value: Any, told: set[str]) -> None:
    (operation,) = planned(FULL)
    stored = {**exact_json.parse(operation.body), "id": "c1", "meta": {"versionId": "1"}}
    assert ADAPTER.differences(operation, stored, SITE) == ()
    mutated = copy.deepcopy(stored)
    at: Any = mutated
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    assert told <= set(ADAPTER.differences(operation, mutated, SITE))


@pytest.mark.parametrize("element", ["clinicalStatus", "verificationStatus", "code", "category", "bodySite", "subject"])
def test_one_lost_fact_is_noticed(element: str) -> None:
    (operation,) = planned(FULL)
    stored = {name: value for name, value in exact_json.parse(operation.body).items() if name != element}
    assert element in ADAPTER.differences(operation, stored, SITE)


def test_the_door_and_the_adapter_speak_of_the_same_operations() -> None:
    assert {operation for _, operation in HANDLERS} == set(TAKES)
