from __future__ import annotations

from typing import Any

import pytest

from canonical.action import action_specs, spec_for
from canonical.errors import RefusedError
from canonical.idempotency import derived_key
from canonical.judgement import check_target
from canonical.problem_rules import other_matters
from tests.canonical.checked import confirmations, findings, parsed, refusals
from tests.factories import ABSENT, LOINC, NOW, SNOMED_CT, Json, concept, quantity, target_json
from tests.list_factories import ICD_10_CM, problem_code, problem_update_json

OPERATIONS = ["add", "update", "resolve", "inactivate", "reactivate", "refute", "retract"]
CATEGORIES = ["problem-list-item", "encounter-diagnosis", "health-concern"]
ENCOUNTER = {"reference": "Encounter/e7"}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_each_operation_with_what_it_needs_is_accepted_silently(operation: str) -> None:
    action = problem_update_json(operation)
    assert refusals(action) == {}
    assert confirmations(action) == {}
    assert findings(action) == []


def test_there_are_exactly_these_seven_operations() -> None:
    assert list(action_specs()["ProblemUpdate"].operations) == OPERATIONS


def test_a_problem_with_everything_on_it_is_accepted() -> None:
    action = problem_update_json(
        code=concept(SNOMED_CT, "239873007", "Osteoarthritis of left knee"),
        severity=concept(SNOMED_CT, "24484000", "severe"),
        bodySite=[{"coding": [{"system": SNOMED_CT, "code": "82169009"}], "text": "left knee"}],
        onsetRange={"low": quantity("50", "years", "a"), "high": quantity("55", "years", "a")},
        stage=[{"summary": {"text": "Kellgren-Lawrence 3"}, "type": {"text": "radiographic"}}],
        evidence=[{"code": [{"text": "crepitus"}], "detail": [{"reference": "DiagnosticReport/d1"}]}],
        asserter={"reference": "Practitioner/d1"},
        recorder={"reference": "Practitioner/n1"},
        recordedDate="2026-03-10",
        note=[{"text": "worse on stairs"}],
    )
    assert refusals(action, encounter=ENCOUNTER) == {}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_category_is_stated_and_never_assumed(operation: str) -> None:
    assert refusals(problem_update_json(operation, category=ABSENT)) == {"/action/category": "missing"}
    assert refusals(problem_update_json(operation, category="problem")) == {"/action/category": "literal-error"}


@pytest.mark.parametrize("category", CATEGORIES)
def test_only_a_diagnosis_of_an_encounter_needs_one(category: str) -> None:
    needs = category == "encounter-diagnosis"
    assert refusals(problem_update_json(category=category)) == ({"/encounter/reference": "required"} if needs else {})
    assert refusals(problem_update_json(category=category), encounter=ENCOUNTER) == {}
    assert refusals(problem_update_json("resolve", category=category)) == {}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("name", ["clinicalStatus", "verificationStatus", "status"])
def test_no_status_is_taken_from_an_app(operation: str, name: str) -> None:
    assert refusals(problem_update_json(operation, **{name: "active"})) == {f"/action/{name}": "extra-forbidden"}


REQUIRED = [
    *((operation, "code") for operation in OPERATIONS if operation != "update"),
    *((operation, "changeReason") for operation in ("inactivate", "refute", "retract")),
]


@pytest.mark.parametrize(("operation", "name"), REQUIRED, ids=[f"{row[0]}-{row[1]}" for row in REQUIRED])
def test_what_an_operation_cannot_do_without_is_asked_for(operation: str, name: str) -> None:
    assert refusals(problem_update_json(operation, **{name: ABSENT})) == {f"/action/{name}": "required"}


MISPLACED: list[tuple[str, str, Any]] = [
    ("add", "changeReason", "x"),
    ("add", "abatementDateTime", "2025"),
    ("update", "changeReason", "x"),
    ("update", "recordedDate", "2026-03-10"),
    ("resolve", "severity", {"text": "mild"}),
    ("reactivate", "abatementString", "x"),
    ("refute", "abatementDateTime", "2025"),
    ("retract", "onsetDateTime", "2025"),
]


@pytest.mark.parametrize(("operation", "name", "value"), MISPLACED, ids=[f"{row[0]}-{row[1]}" for row in MISPLACED])
def test_a_field_of_another_operation_is_refused(operation: str, name: str, value: Any) -> None:
    assert refusals(problem_update_json(operation, **{name: value})) == {f"/action/{name}": "not-for-this-operation"}


def test_both_code_systems_ride_together_and_keep_which_one_was_chosen() -> None:
    action = parsed(problem_update_json()).action
    assert [coding.get("userSelected") for coding in action.as_json()["code"]["coding"]] == [True, None]


@pytest.mark.parametrize("operation", ["add", "update"])
def test_a_problem_that_comes_onto_the_list_has_a_code(operation: str) -> None:
    for code in ({"text": "sugar"}, concept(LOINC, "4548-4", "HbA1c")):
        assert refusals(problem_update_json(operation, code=code)) == {"/action/code": "code-required"}
    assert refusals(problem_update_json("resolve", code={"text": "sugar"})) == {}


IMPOSSIBLE = [(ICD_10_CM, code) for code in ("e11.9", "E119999", "11.9")] + [(SNOMED_CT, "4405"), (SNOMED_CT, "0440")]


@pytest.mark.parametrize(("system", "code"), IMPOSSIBLE)
def test_an_impossible_code_is_refused(system: str, code: str) -> None:
    assert refusals(problem_update_json(code=concept(system, code, "x"))) == {
        "/action/code/coding/0/code": "code-syntax"
    }


@pytest.mark.parametrize("code", ["E11.9", "U07.1", "S72.001A", "I10", "M1A.0110"])
def test_codes_of_icd_10_cm_have_their_shapes(code: str) -> None:
    assert refusals(problem_update_json(code=concept(ICD_10_CM, code, "x"))) == {}


def snomed(text: str, code: str = "254837009") -> Json:
    return concept(SNOMED_CT, code, text)


OTHER: list[tuple[Json, str, str]] = [
    (snomed("Family history of breast cancer"), "family-history", "ClinicalNote"),
    (snomed("Breast cancer (family history)"), "family-history", "ClinicalNote"),
    (snomed("FHx: breast cancer"), "family-history", "ClinicalNote"),
    (snomed("x", "416471007"), "family-history", "ClinicalNote"),
    (concept(ICD_10_CM, "Z80.3", "x"), "family-history", "ClinicalNote"),
    (snomed("History of breast cancer"), "history-of", "'resolve'"),
    (snomed("h/o breast cancer"), "history-of", "'resolve'"),
    (snomed("Breast cancer, history of"), "history-of", "'resolve'"),
    (snomed("Personal history of malignant neoplasm"), "history-of", "'resolve'"),
    (snomed("s/p mastectomy"), "history-of", "'resolve'"),
    (concept(ICD_10_CM, "Z85.3", "x"), "history-of", "'resolve'"),
    (snomed("No evidence of diabetes"), "negated", "'refute'"),
    (snomed("denies chest pain"), "negated", "'refute'"),
    (snomed("Pneumonia - ruled out"), "negated", "'refute'"),
    (snomed("Absence of breast"), "negated", "'refute'"),
    (snomed("x", "160245001"), "negated", "'refute'"),
    (snomed("No known allergies"), "none-known", "AllergyUpdate"),
    (snomed("x", "716186003"), "none-known", "AllergyUpdate"),
    (snomed("Suspected lung cancer (situation)"), "situation", "ClinicalNote"),
]


@pytest.mark.parametrize(
    ("code", "reason", "named"), OTHER, ids=[f"{row[0]['text']}{at}" for at, row in enumerate(OTHER)]
)
@pytest.mark.parametrize("operation", ["add", "update"])
def test_what_is_no_problem_is_refused_and_the_right_action_named(
    operation: str, code: Json, reason: str, named: str
) -> None:
    envelope = parsed(problem_update_json(operation, code=code))
    (error,) = spec_for(envelope.action).check(envelope, NOW)
    assert (error.pointer, error.code) == ("/action/code", reason)
    assert named in error.detail


def test_a_display_tells_as_much_as_the_text() -> None:
    code = {"coding": [{"system": SNOMED_CT, "code": "254837009", "display": "History of breast cancer (situation)"}]}
    assert refusals(problem_update_json(code=code)) == {"/action/code": "history-of"}


PROBLEMS = [
    "Type 2 diabetes mellitus without complications",
    "No-reflow phenomenon",
    "Noonan syndrome",
    "Notalgia paresthetica",
    "Historic fracture pain",
    "Hxyz deficiency",
    "Diabetes in a patient with no insurance",
    "Alcohol dependence with history of withdrawal",
]


@pytest.mark.parametrize("text", PROBLEMS)
def test_words_that_only_look_alike_are_problems(text: str) -> None:
    assert refusals(problem_update_json(code=snomed(text))) == {}


def test_an_entry_that_stands_there_wrongly_may_still_be_taken_out() -> None:
    for operation in ("resolve", "refute", "retract", "inactivate"):
        assert refusals(problem_update_json(operation, code=snomed("History of breast cancer"))) == {}


SIDES: list[tuple[str, list[Json], bool]] = [
    ("Pain of left knee", [{"text": "left knee"}], True),
    ("Pain of left knee", [{"text": "right knee"}], False),
    ("Pain of left knee", [{"text": "knee"}], True),
    ("Pain of knee", [{"text": "Rt knee"}], True),
    ("R knee pain", [{"text": "L knee"}], False),
    ("Bilateral knee pain", [{"text": "left knee"}, {"text": "right knee"}], True),
    ("Bilateral knee pain", [{"text": "left knee"}], False),
    ("Left knee pain", [{"text": "knee"}, {"coding": [{"system": SNOMED_CT, "code": "24028007"}]}], False),
    ("Left knee pain", [{"coding": [{"system": SNOMED_CT, "code": "7771000"}]}], True),
    ("L5 radiculopathy", [{"text": "right leg"}], True),
]


@pytest.mark.parametrize(("text", "body_site", "agrees"), SIDES, ids=[f"{row[0]}{at}" for at, row in enumerate(SIDES)])
@pytest.mark.parametrize("operation", ["add", "update"])
def test_the_side_of_the_code_and_of_the_body_site_agree(
    operation: str, text: str, body_site: list[Json], *, agrees: bool
) -> None:
    wrong = refusals(problem_update_json(operation, code=snomed(text), bodySite=body_site))
    assert wrong == ({} if agrees else {"/action/bodySite": "laterality-disagrees"})


def test_the_codings_and_the_text_name_one_side() -> None:
    left = {"system": SNOMED_CT, "code": "285389006", "display": "Left knee pain"}
    right = {"system": ICD_10_CM, "code": "M25.561", "display": "Pain in right knee"}
    assert refusals(problem_update_json(code={"coding": [left], "text": "Left knee pain"})) == {}
    assert refusals(problem_update_json(code={"coding": [left, right]})) == {"/action/code": "laterality-disagrees"}
    assert refusals(problem_update_json(code={"coding": [left], "text": "right knee pain"})) == {
        "/action/code": "laterality-disagrees"
    }


def test_times_stand_in_one_form_not_ahead_not_before_birth_and_in_order() -> None:
    assert refusals(problem_update_json(onsetDateTime="1950")) == {"/action/onsetDateTime": "before-birth"}
    assert refusals(problem_update_json(onsetDateTime="2027")) == {"/action/onsetDateTime": "future-time"}
    assert refusals(problem_update_json(onsetDateTime="1990", onsetAge=quantity("29", "years", "a"))) == {
        "/action/onsetAge": "one-of"
    }
    assert refusals(problem_update_json("resolve", abatementDateTime="2026-06")) == {
        "/action/abatementDateTime": "future-time"
    }
    wrong_way = problem_update_json("update", onsetDateTime="2020-05", abatementDateTime="2019")
    assert refusals(wrong_way) == {"/action/abatementDateTime": "abatement-before-onset"}
    same_year = problem_update_json("update", onsetDateTime="2020-05", abatementDateTime="2020")
    assert refusals(same_year) == {}


@pytest.mark.parametrize("form", ["Age", "Range", "String", "Period", "DateTime"])
def test_an_end_may_be_stated_in_every_form_of_fhir_s(form: str) -> None:
    age = quantity("60", "years", "a")
    values = {"Age": age, "Range": {"low": age}, "String": "in spring", "Period": {"start": "2020"}, "DateTime": "2020"}
    for operation in ("resolve", "inactivate", "update"):
        assert refusals(problem_update_json(operation, **{f"abatement{form}": values[form]})) == {}


CLEARS = [("severity", True), ("bodySite", True), ("abatementDateTime", True), ("stage", True), ("asserter", True)]
CLEARS += [("code", False), ("note", False)]


@pytest.mark.parametrize(("name", "may"), CLEARS, ids=[row[0] for row in CLEARS])
def test_null_clears_only_what_may_be_cleared(name: str, *, may: bool) -> None:
    wrong = refusals(problem_update_json("update", **{name: None}))
    assert wrong == ({} if may else {f"/action/{name}": "not-clearable"})


@pytest.mark.parametrize("operation", [name for name in OPERATIONS if name != "update"])
def test_only_an_update_clears(operation: str) -> None:
    assert refusals(problem_update_json(operation, severity=None)) == {"/action/severity": "not-clearable"}


def test_an_update_changes_something() -> None:
    assert refusals(problem_update_json("update", severity=ABSENT)) == {"/action": "nothing-to-change"}


@pytest.mark.parametrize("stage", [{"type": {"text": "x"}}, {"assessment": []}])
def test_a_stage_says_which(stage: Json) -> None:
    assert set(refusals(problem_update_json(stage=[stage])).values()) <= {"stage", "empty-list"}
    assert refusals(problem_update_json(stage=[stage])) != {}


def test_who_asserts_is_a_person_and_no_device() -> None:
    assert refusals(problem_update_json(asserter={"reference": "Device/d1"})) == {
        "/action/asserter/reference": "reference-type"
    }


@pytest.mark.parametrize("operation", OPERATIONS[1:])
def test_a_change_needs_what_its_author_saw_and_what_ends_a_problem_their_acknowledgement(operation: str) -> None:
    action = problem_update_json(operation)
    with pytest.raises(RefusedError) as raised:
        check_target(parsed(action, target=target_json(action, seen=ABSENT)))
    assert raised.value.code == "precondition-required"
    unacknowledged = parsed(action, target=target_json(action, acknowledged=ABSENT))
    if operation == "reactivate":
        check_target(unacknowledged)
        return
    with pytest.raises(RefusedError) as raised:
        check_target(unacknowledged)
    assert raised.value.code == "acknowledgement-required"


def test_another_kind_of_entry_is_no_target() -> None:
    action = problem_update_json("resolve")
    target = target_json(action, reference="Observation/o3")
    assert refusals(action, target=target) == {"/target/reference": "target-type"}


def test_the_derived_key_tells_problems_lists_and_operations_apart() -> None:
    actions = [
        problem_update_json(),
        problem_update_json(category="health-concern"),
        problem_update_json(code=concept(SNOMED_CT, "38341003", "hypertension")),
        problem_update_json("resolve"),
    ]
    keys = {derived_key(parsed(action, source={"eventId": "visit-9"}), "visits") for action in actions}
    assert len(keys) == len(actions)
    again = problem_update_json(code=problem_code(text="T2DM"))
    assert derived_key(parsed(again, source={"eventId": "visit-9"}), "visits") in keys


def test_code_and_laterality_are_one_group_that_no_machine_merges() -> None:
    groups = {field: group for group in action_specs()["ProblemUpdate"].field_groups for field in group.fields}
    assert groups["code"] is groups["bodySite"]
    assert groups["code"].policy == "review"


def test_every_other_matter_says_what_to_do_instead() -> None:
    assert {matter.code for matter in other_matters()} == {
        "family-history",
        "history-of",
        "negated",
        "none-known",
        "situation",
    }
    assert all(matter.instead for matter in other_matters())
