from __future__ import annotations

from typing import Any

import pytest

from canonical.action import action_specs, spec_for
from canonical.actions.allergy_update import AllergyUpdate
from canonical.allergy_lists import allergy_lists, none_known_code
from canonical.errors import RefusedError
from canonical.idempotency import derived_key
from canonical.judgement import check_target
from tests.canonical.checked import confirmations, findings, parsed, refusals
from tests.factories import ABSENT, NOW, RXNORM, SNOMED_CT, Json, concept, quantity, target_json
from tests.list_factories import allergy_update_json, reaction_json

OPERATIONS = [
    "record",
    "update",
    "addReaction",
    "removeReaction",
    "inactivate",
    "resolve",
    "refute",
    "retract",
    "assertNoneKnown",
    "withdrawNoneKnown",
]
CREATES = {"record", "assertNoneKnown"}
UPDATES = [operation for operation in OPERATIONS if operation not in CREATES]
NDC = "http://hl7.org/fhir/sid/ndc"


@pytest.mark.parametrize("operation", OPERATIONS)
def test_each_operation_with_what_it_needs_is_accepted_silently(operation: str) -> None:
    action = allergy_update_json(operation)
    assert refusals(action) == {}
    assert confirmations(action) == {}
    assert findings(action) == []


def test_there_are_exactly_these_ten_operations() -> None:
    assert list(action_specs()["AllergyUpdate"].operations) == OPERATIONS


def test_an_allergy_with_everything_on_it_is_accepted() -> None:
    reaction = reaction_json(
        substance=concept(RXNORM, "723", "amoxicillin"),
        description="within an hour of the second dose",
        onset="2019-06",
        severity="severe",
        exposureRoute=concept(SNOMED_CT, "26643006", "oral"),
        note=[{"text": "seen by the school nurse", "time": "2019-06"}],
    )
    action = allergy_update_json(
        allergyType="allergy",
        category=["medication", "biologic"],
        criticality="unable-to-assess",
        onsetAge=quantity("4", "years", "a"),
        lastOccurrence="2019-06",
        reaction=[reaction, reaction_json()],
        asserter={"reference": "Patient/p1"},
        recorder={"reference": "Practitioner/n1"},
        recordedDate="2026-03-10",
        note=[{"text": "carries a card"}],
    )
    assert refusals(action) == {}


STATUSES = [
    ("clinicalStatus", "active"),
    ("verificationStatus", "confirmed"),
    ("status", "active"),
    ("clinicalStatus", concept("http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "active", "x")),
]


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(("name", "value"), STATUSES)
def test_no_status_is_taken_from_an_app(operation: str, name: str, value: Any) -> None:
    assert refusals(allergy_update_json(operation, **{name: value})) == {f"/action/{name}": "extra-forbidden"}


REQUIRED = [
    ("record", "code"),
    ("addReaction", "code"),
    ("addReaction", "reaction"),
    ("removeReaction", "code"),
    ("removeReaction", "reaction"),
    ("removeReaction", "changeReason"),
    ("inactivate", "changeReason"),
    ("resolve", "changeReason"),
    ("refute", "changeReason"),
    ("retract", "changeReason"),
    ("inactivate", "code"),
    ("resolve", "code"),
    ("refute", "code"),
    ("assertNoneKnown", "noneKnownScope"),
    ("withdrawNoneKnown", "noneKnownScope"),
]


@pytest.mark.parametrize(("operation", "name"), REQUIRED, ids=[f"{row[0]}-{row[1]}" for row in REQUIRED])
def test_what_an_operation_cannot_do_without_is_asked_for(operation: str, name: str) -> None:
    assert refusals(allergy_update_json(operation, **{name: ABSENT})) == {f"/action/{name}": "required"}


MISPLACED: list[tuple[str, str, Any]] = [
    ("record", "changeReason", "x"),
    ("record", "noneKnownScope", "drug"),
    ("update", "reaction", [reaction_json()]),
    ("update", "recorder", {"reference": "Practitioner/n1"}),
    ("update", "recordedDate", "2026-03-10"),
    ("addReaction", "criticality", "low"),
    ("removeReaction", "lastOccurrence", "2019"),
    ("inactivate", "reaction", [reaction_json()]),
    ("refute", "criticality", "low"),
    ("resolve", "category", ["food"]),
    ("assertNoneKnown", "code", concept(RXNORM, "7980", "penicillin G")),
    ("assertNoneKnown", "category", ["food"]),
    ("withdrawNoneKnown", "reaction", [reaction_json()]),
]


@pytest.mark.parametrize(("operation", "name", "value"), MISPLACED, ids=[f"{row[0]}-{row[1]}" for row in MISPLACED])
def test_a_field_of_another_operation_is_refused(operation: str, name: str, value: Any) -> None:
    assert refusals(allergy_update_json(operation, **{name: value})) == {f"/action/{name}": "not-for-this-operation"}


def test_reactions_are_added_and_removed_by_name_and_never_as_the_list() -> None:
    with_list = parsed(allergy_update_json("update", reaction=[reaction_json()]))
    (error,) = spec_for(with_list.action).check(with_list, NOW)
    assert "addReaction" in error.detail
    for operation in ("addReaction", "removeReaction"):
        two = allergy_update_json(operation, reaction=[reaction_json(), reaction_json(severity="severe")])
        assert refusals(two) == {"/action/reaction": "one-reaction"}


@pytest.mark.parametrize("operation", ["record", "addReaction", "removeReaction"])
def test_a_reaction_has_a_manifestation(operation: str) -> None:
    bare = allergy_update_json(operation, reaction=[reaction_json(manifestation=ABSENT)])
    assert refusals(bare) == {"/action/reaction/0/manifestation": "missing"}
    empty = allergy_update_json(operation, reaction=[reaction_json(manifestation=[])])
    assert refusals(empty) == {"/action/reaction/0/manifestation": "empty-list"}


BOUND: list[tuple[str, Any, str]] = [
    ("allergyType", "side-effect", "/action/allergyType"),
    ("category", ["drug"], "/action/category/0"),
    ("criticality", "severe", "/action/criticality"),
    ("criticality", "CRITH", "/action/criticality"),
    ("reaction", [reaction_json(severity="high")], "/action/reaction/0/severity"),
]


@pytest.mark.parametrize(("name", "value", "pointer"), BOUND, ids=[f"{row[0]}-{row[1]!r:.20}" for row in BOUND])
def test_coded_values_are_fhir_s_own(name: str, value: Any, pointer: str) -> None:
    assert refusals(allergy_update_json(**{name: value})) == {pointer: "literal-error"}


def test_how_bad_an_event_was_says_nothing_of_the_risk() -> None:
    action = parsed(allergy_update_json(criticality=ABSENT, reaction=[reaction_json(severity="severe")])).action
    assert isinstance(action, AllergyUpdate)
    assert "criticality" not in action.as_json()
    assert refusals(allergy_update_json(criticality="low", reaction=[reaction_json(severity="severe")])) == {}


@pytest.mark.parametrize("operation", ["record", "update"])
def test_a_package_is_never_turned_into_its_substance(operation: str) -> None:
    action = allergy_update_json(operation, code=concept(NDC, "00093-1039-01", "amoxicillin 500 mg capsules"))
    assert refusals(action) == {"/action/code": "product-code"}


SAYS_NONE: list[Json] = [
    *(none_known_code(scope) for scope in ("all", "drug", "food", "environment", "latex")),
    concept(SNOMED_CT, "160244002", "x"),
    {"text": "NKDA"},
    {"text": "No known drug allergies"},
    {"text": "patient denies allergies"},
    concept(RXNORM, "7980", "not allergic to penicillin"),
]


@pytest.mark.parametrize("code", SAYS_NONE, ids=lambda code: code["text"])
@pytest.mark.parametrize("operation", ["record", "update"])
def test_that_nothing_is_known_is_no_allergy_and_the_right_operation_is_named(operation: str, code: Json) -> None:
    envelope = parsed(allergy_update_json(operation, code=code))
    (error,) = spec_for(envelope.action).check(envelope, NOW)
    assert (error.pointer, error.code) == ("/action/code", "none-known-as-allergy")
    assert "assertNoneKnown" in error.detail


@pytest.mark.parametrize(
    ("system", "code"),
    [(SNOMED_CT, "12"), (SNOMED_CT, "x764146007"), (RXNORM, "07980"), ("http://fdasis.nlm.nih.gov", "2lq0uuw8in")],
)
def test_an_impossible_code_is_refused_wherever_it_stands(system: str, code: str) -> None:
    wrong = concept(system, code, "x")
    assert refusals(allergy_update_json(code=wrong)) == {"/action/code/coding/0/code": "code-syntax"}
    reaction = reaction_json(manifestation=[{"text": "hives"}, wrong])
    assert refusals(allergy_update_json(reaction=[reaction])) == {
        "/action/reaction/0/manifestation/1/coding/0/code": "code-syntax"
    }


OTHER_WORDING = [
    {"code": concept(RXNORM, "7980", "dislikes the taste of penicillin")},
    {"reaction": [reaction_json(manifestation=[{"text": "nausea (side effect)"}])]},
    {"reaction": [reaction_json(description="A known Side-Effect of the second dose")]},
    {"note": [{"text": "Patient doesn't like big tablets"}]},
    {"reaction": [reaction_json(note=[{"text": "would prefer not to; it is a preference"}])]},
]


@pytest.mark.parametrize("over", OTHER_WORDING, ids=["code", "manifestation", "description", "note", "reaction note"])
def test_wording_of_a_side_effect_or_a_preference_is_held_for_a_person(over: Json) -> None:
    (finding,) = findings(allergy_update_json(**over))
    assert (finding.kind, finding.holds) == ("not_an_allergy", True)


def test_words_that_only_look_alike_hold_nothing_up() -> None:
    assert findings(allergy_update_json(note=[{"text": "swelling of the left side; effective antihistamine"}])) == []
    assert findings(allergy_update_json("retract", changeReason="was a side effect")) == []


def test_a_substance_without_a_code_is_written_and_looked_at() -> None:
    (finding,) = findings(allergy_update_json(code={"text": "the pink medicine"}))
    assert (finding.kind, finding.holds, finding.pointer) == ("uncoded_allergy", False, "/action/code")
    assert findings(allergy_update_json("inactivate", code={"text": "the pink medicine"})) == []


CLEARS = [("allergyType", True), ("onsetDateTime", True), ("lastOccurrence", True), ("asserter", True)]
CLEARS += [("code", False), ("category", False), ("criticality", False), ("note", False), ("reaction", False)]


@pytest.mark.parametrize(("name", "may"), CLEARS, ids=[row[0] for row in CLEARS])
def test_null_clears_only_what_may_be_cleared(name: str, *, may: bool) -> None:
    wrong = refusals(allergy_update_json("update", **{name: None}))
    assert wrong == ({} if may else {f"/action/{name}": "not-clearable"})
    action = parsed(allergy_update_json("update", **{name: None})).action
    assert action.as_json()[name] is None


@pytest.mark.parametrize("operation", [name for name in OPERATIONS if name != "update"])
def test_only_an_update_clears(operation: str) -> None:
    assert refusals(allergy_update_json(operation, lastOccurrence=None)) == {"/action/lastOccurrence": "not-clearable"}


@pytest.mark.parametrize("name", ["category", "reaction", "note"])
def test_an_empty_list_says_nothing(name: str) -> None:
    assert refusals({**allergy_update_json(), name: []}) == {f"/action/{name}": "empty-list"}


def test_an_update_changes_something() -> None:
    nothing = allergy_update_json("update", category=ABSENT, criticality=ABSENT)
    assert refusals(nothing) == {"/action": "nothing-to-change"}
    assert refusals({**nothing, "note": [{"text": "asked again"}]}) == {}


def test_onset_stands_in_one_form_that_is_not_ahead_and_not_before_birth() -> None:
    two = allergy_update_json(onsetDateTime="2019", onsetString="as a child")
    assert refusals(two) == {"/action/onsetString": "one-of"}
    assert refusals(allergy_update_json(onsetDateTime="1961")) == {}
    assert refusals(allergy_update_json(onsetDateTime="1950")) == {"/action/onsetDateTime": "before-birth"}
    assert refusals(allergy_update_json(onsetPeriod={"start": "2027"})) == {"/action/onsetPeriod/start": "future-time"}
    assert refusals(allergy_update_json(lastOccurrence="2026-04")) == {"/action/lastOccurrence": "future-time"}
    reaction = reaction_json(onset="2031", note=[{"text": "x", "time": "2031"}])
    assert refusals(allergy_update_json(reaction=[reaction])) == {
        "/action/reaction/0/onset": "future-time",
        "/action/reaction/0/note/0/time": "future-time",
    }


@pytest.mark.parametrize(
    "age", [quantity("0", "years", "a"), quantity("4", "years"), quantity("4", "kg", "kg"), {"unit": "years"}], ids=repr
)
def test_an_age_is_one_by_fhir_s_invariant(age: Json) -> None:
    assert refusals(allergy_update_json(onsetAge=age)) == {"/action/onsetAge": "age"}


def test_who_asserts_is_a_person_and_no_device() -> None:
    assert refusals(allergy_update_json(asserter={"reference": "Device/d1"})) == {
        "/action/asserter/reference": "reference-type"
    }
    assert refusals(allergy_update_json(recorder={"identifier": {"value": "n-17"}})) == {}


@pytest.mark.parametrize("operation", UPDATES)
def test_a_change_needs_what_its_author_saw(operation: str) -> None:
    action = allergy_update_json(operation)
    with pytest.raises(RefusedError) as raised:
        check_target(parsed(action, target=target_json(action, seen=ABSENT)))
    assert raised.value.code == "precondition-required"


@pytest.mark.parametrize("operation", UPDATES)
def test_what_takes_a_warning_away_is_acknowledged(operation: str) -> None:
    action = allergy_update_json(operation)
    envelope = parsed(action, target=target_json(action, acknowledged=ABSENT))
    if operation in {"addReaction", "withdrawNoneKnown"}:
        check_target(envelope)
        return
    with pytest.raises(RefusedError) as raised:
        check_target(envelope)
    assert raised.value.code == "acknowledgement-required"


@pytest.mark.parametrize("operation", UPDATES)
def test_another_kind_of_entry_is_no_target(operation: str) -> None:
    action = allergy_update_json(operation)
    target = target_json(action, reference="Condition/c3")
    assert refusals(action, target=target) == {"/target/reference": "target-type"}


def test_a_retraction_names_an_allergy_or_that_nothing_is_known() -> None:
    assert refusals(allergy_update_json("retract", code=ABSENT, noneKnownScope="drug")) == {}
    assert refusals(allergy_update_json("retract", code=ABSENT)) == {"/action/code": "one-of"}
    assert refusals(allergy_update_json("retract", noneKnownScope="drug")) == {"/action/code": "one-of"}


def key(**over: Any) -> str:
    action = over.pop("action")
    return derived_key(parsed(action, source={"eventId": "visit-9"}, **over), "visits")


def test_the_derived_key_tells_substances_scopes_operations_and_reactions_apart() -> None:
    other = reaction_json(manifestation=[concept(SNOMED_CT, "39579001", "anaphylaxis")])
    actions = [
        allergy_update_json(),
        allergy_update_json(code=concept(RXNORM, "723", "amoxicillin")),
        allergy_update_json("assertNoneKnown"),
        allergy_update_json("assertNoneKnown", noneKnownScope="food"),
        allergy_update_json("addReaction"),
        allergy_update_json("addReaction", reaction=[other]),
        allergy_update_json("retract"),
    ]
    assert len({key(action=action) for action in actions}) == len(actions)
    assert key(action=allergy_update_json(criticality="low")) == key(action=allergy_update_json())


def test_substance_reaction_and_criticality_are_one_group_that_no_machine_merges() -> None:
    groups = {field: group for group in action_specs()["AllergyUpdate"].field_groups for field in group.fields}
    assert groups["code"] is groups["reaction"] is groups["criticality"]
    assert groups["code"].policy == "review"


def test_the_receipt_says_that_nothing_was_checked_against_medicines() -> None:
    assert "not checked" in action_specs()["AllergyUpdate"].receipt_note


def test_somebody_answers_for_the_lists() -> None:
    assert allergy_lists().owner
    assert allergy_lists().reviewed.year >= 2026
    assert set(allergy_lists().none_known) == {"all", "drug", "food", "environment", "latex"}


def test_an_age_keeps_its_digits() -> None:
    action = parsed(allergy_update_json(onsetAge=quantity("4.50", "years", "a"))).action
    assert str(action.as_json()["onsetAge"]["value"]) == "4.50"
