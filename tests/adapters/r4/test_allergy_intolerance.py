import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.fhir_r4 import ADAPTER
from adapters.r4.allergy_intolerance import HANDLERS, STATUSES
from adapters.r4.clinical_status import KEPT
from adapters.r4.comparable import comparable
from adapters.r4.invariants import CONCEPTS
from adapters.r4.validity import problems
from canonical import exact_json
from canonical.actions.allergy_update import SPEC
from canonical.allergy_lists import none_known_code
from canonical.allergy_rules import TAKES
from canonical.errors import NeedsPersonError, TargetMovedError, UnsupportedActionError
from canonical.ports import Resource
from tests.adapters.commands import COMMAND_ID, PATIENT
from tests.adapters.r4.lists import BASE, SITE, built, changed, planned, status

SNOMED = "http://snomed.info/sct"
PENICILLIN: dict[str, Any] = {
    "coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "7980"}],
    "text": "penicillin G",
}
HIVES: dict[str, Any] = {"coding": [{"system": SNOMED, "code": "126485001"}], "text": "hives"}
SWELLING: dict[str, Any] = {"text": "swelling of the lips"}
RECORD: dict[str, Any] = {
    "type": "AllergyUpdate",
    "operation": "record",
    "code": PENICILLIN,
    "category": ["medication"],
    "criticality": "high",
}
FULL: dict[str, Any] = {
    **RECORD,
    "allergyType": "allergy",
    "onsetDateTime": "1971",
    "lastOccurrence": "2019-06",
    "reaction": [
        {
            "substance": {"text": "amoxicillin"},
            "manifestation": [HIVES, SWELLING],
            "description": "an hour after the second dose",
            "onset": "2019-06",
            "severity": "mild",
            "exposureRoute": {"text": "oral"},
            "note": [{"text": "seen at school"}],
        },
        {"manifestation": [HIVES], "severity": "severe"},
    ],
    "asserter": {"reference": PATIENT},
    "recorder": {"reference": "Practitioner/n1"},
    "recordedDate": "2026-11-22T08:15:00-05:00",
    "note": [{"text": "carries a card"}],
}
CLINICAL = [*sorted(CONCEPTS["AllergyIntolerance.clinicalStatus"][1]), None]
VERIFICATION = [*sorted(CONCEPTS["AllergyIntolerance.verificationStatus"][1]), None]


def of(operation: str, **over: Any) -> dict[str, Any]:
    """An action with what its operation needs and no more."""
    action: dict[str, Any] = {"type": "AllergyUpdate", "operation": operation}
    if operation in {"assertNoneKnown", "withdrawNoneKnown"}:
        action["noneKnownScope"] = "all"
    elif operation == "update":
        action["criticality"] = "low"
    else:
        action["code"] = PENICILLIN
    if operation == "addReaction":
        action["reaction"] = [{"manifestation": [SWELLING], "severity": "moderate"}]
    if operation == "removeReaction":
        action["reaction"] = [{"manifestation": [HIVES], "severity": "severe"}]
    if operation in {"removeReaction", "inactivate", "resolve", "refute", "retract"}:
        action["changeReason"] = "tolerated it"
    return {name: value for name, value in (action | over).items() if value is not None}


def in_chart(action: dict[str, Any] = FULL, **over: Any) -> dict[str, Any]:
    own = {"id": "a1", "meta": {"versionId": "3"}, "extension": [{"url": "urn:vendor:panel", "valueString": "x"}]}
    made = {**built(action), **own, **over}
    return {name: value for name, value in made.items() if value is not None}


def target_of(operation: str, **over: Any) -> dict[str, Any]:
    """What an operation may be about: that nothing is known, or penicillin with its reactions."""
    return in_chart(of("assertNoneKnown") if operation == "withdrawNoneKnown" else FULL, **over)


def with_statuses(operation: str, clinical: str | None, verification: str | None) -> dict[str, Any]:
    return target_of(
        operation,
        clinicalStatus=clinical and status("allergyintolerance-clinical", clinical),
        verificationStatus=verification and status("allergyintolerance-verification", verification),
    )


def said(resource: Resource) -> tuple[Any, Any]:
    """Both statuses in canonical words."""
    projection = ADAPTER.project(resource, SITE)
    return projection.get("clinicalStatus"), projection.get("verificationStatus")


@pytest.mark.parametrize("action", [RECORD, FULL], ids=["small", "full"])
def test_every_field_of_an_entry_survives_into_the_chart_and_back(action: dict[str, Any]) -> None:
    resource = built(action)
    assert problems(resource) == frozenset()
    projection = ADAPTER.project(resource, SITE)
    for name in set(action) - {"type", "operation"}:
        assert projection[name] == comparable(action[name], BASE), name


def test_new_entry_is_active_and_confirmed_by_nobody_yet() -> None:
    resource = built(RECORD)
    assert said(resource) == ("active", "unconfirmed")
    assert resource["patient"] == {"reference": PATIENT}
    assert not {"subject", "status"} & resource.keys()


def test_risk_and_severity_stand_apart() -> None:
    resource = built({**RECORD, "criticality": "low", "reaction": [{"manifestation": [HIVES], "severity": "severe"}]})
    assert (resource["criticality"], resource["reaction"][0]["severity"]) == ("low", "severe")
    silent = {name: value for name, value in RECORD.items() if name != "criticality"}
    assert "criticality" not in built({**silent, "reaction": [{"manifestation": [HIVES], "severity": "severe"}]})


@pytest.mark.parametrize("scope", ["all", "drug", "food", "environment", "latex"])
def test_nothing_known_is_said_by_its_code(scope: str) -> None:
    resource = built(of("assertNoneKnown", noneKnownScope=scope))
    assert resource["code"] == none_known_code(scope)
    assert said(resource) == ("active", "confirmed")
    assert ADAPTER.project(resource, SITE)["noneKnownScope"] == scope
    assert problems(resource) == frozenset()


@pytest.mark.parametrize("verification", VERIFICATION)
@pytest.mark.parametrize("clinical", CLINICAL)
@pytest.mark.parametrize("operation", sorted(STATUSES.moves))
def test_each_operation_leads_from_where_it_may_to_where_it_should(
    operation: str, clinical: str | None, verification: str | None
) -> None:
    move = STATUSES.moves[operation]
    current = with_statuses(operation, clinical, verification)
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
)
def test_what_leaves_breaks_no_invariant_that_the_chart_kept(
    operation: str, clinical: str | None, verification: str | None
) -> None:
    current = with_statuses(operation, clinical, verification)
    try:
        after = built(of(operation), current)
    except NeedsPersonError:
        return
    assert problems(after) <= problems(current)
    is_error = said(after)[1] == "entered-in-error"
    assert is_error == (operation == "retract")
    assert ("clinicalStatus" in after) == (not is_error) or "clinicalStatus" not in current
    assert (said(after)[1] == "refuted") == (operation == "refute")


def test_a_refuted_entry_is_inactive_and_one_in_error_has_no_clinical_status() -> None:
    """FHIR R4's ait-1 asks for a clinical status of everything that is no error, ait-2 for none of what is."""
    assert said(built(of("refute"), in_chart())) == ("inactive", "refuted")
    assert said(built(of("retract"), in_chart())) == (None, "entered-in-error")
    refuted = built(of("refute"), in_chart())
    assert said(built(of("retract"), refuted)) == (None, "entered-in-error")


def test_only_a_retraction_marks_an_error_and_nothing_leaves_one() -> None:
    for operation, move in STATUSES.moves.items():
        assert "entered-in-error" not in move.verification_from
        assert (move.verification == "entered-in-error") == (operation == "retract")


@pytest.mark.parametrize("concept", [{"text": "dormant"}, {"coding": [{"system": "urn:vendor", "code": "active"}]}])
def test_a_status_that_is_none_of_fhirs_is_for_a_person(concept: dict[str, Any]) -> None:
    with pytest.raises(NeedsPersonError) as caught:
        built(of("inactivate"), in_chart(clinicalStatus=concept))
    assert caught.value.kind == "status_ended"
    assert ADAPTER.project(in_chart(clinicalStatus=concept), SITE)["clinicalStatus"] == comparable(concept, BASE)


@pytest.mark.parametrize("operation", ["inactivate", "resolve", "refute", "retract", "withdrawNoneKnown"])
def test_a_change_of_status_touches_statuses_note_and_mark_only(operation: str) -> None:
    before = target_of(operation)
    after = built(of(operation), before)
    assert changed(before, after) <= {"clinicalStatus", "verificationStatus", "note", "identifier"}
    assert after["extension"] == before["extension"]
    if operation != "withdrawNoneKnown":
        assert after["note"] == [*before["note"], {"text": "tolerated it"}]


def test_update_leaves_alone_what_it_does_not_name_and_clears_what_is_null() -> None:
    before = in_chart()
    after = built(of("update"), before)
    assert changed(before, after) == {"criticality", "identifier"}
    cleared = built({**of("update", criticality=None), "onsetDateTime": None, "asserter": None}, before)
    assert changed(before, cleared) == {"onsetDateTime", "asserter", "identifier"}
    moved = built(of("update", onsetString="as a child"), before)
    assert "onsetDateTime" not in moved
    assert moved["onsetString"] == "as a child"


def test_a_reaction_is_added_and_the_others_stay_as_they_are() -> None:
    before = in_chart()
    new = {"manifestation": [SWELLING], "severity": "moderate"}
    after = built(of("addReaction", reaction=[new]), before)
    assert after["reaction"] == [*before["reaction"], new]
    assert changed(before, after) == {"reaction", "identifier"}


def test_the_same_event_is_not_added_twice() -> None:
    with pytest.raises(NeedsPersonError) as caught:
        built(of("addReaction", reaction=[FULL["reaction"][1]]), in_chart())
    assert caught.value.kind == "possible_duplicate"


def test_a_reaction_is_removed_by_its_name_and_nothing_else_with_it() -> None:
    before = in_chart()
    for name in ({"coding": HIVES["coding"]}, {"text": "Hives"}):
        after = built(of("removeReaction", reaction=[{"manifestation": [name]}]), before)
        assert after["reaction"] == before["reaction"][:1]
        assert changed(before, after) == {"reaction", "note", "identifier"}
    last = in_chart(reaction=[{"manifestation": [HIVES]}])
    assert "reaction" not in built(of("removeReaction", reaction=[{"manifestation": [HIVES]}]), last)


NAMES: list[tuple[dict[str, Any], str]] = [
    ({"manifestation": [{"text": "vomiting"}]}, "reaction_not_found"),
    ({"manifestation": [SWELLING]}, "reaction_not_found"),
    ({"manifestation": [HIVES], "severity": "moderate"}, "reaction_not_found"),
    ({"manifestation": [HIVES, HIVES]}, "reaction_not_found"),
]


@pytest.mark.parametrize(("name", "kind"), NAMES, ids=[str(at) for at, _ in enumerate(NAMES)])
def test_a_reaction_that_is_not_there_by_this_name_is_for_a_person(name: dict[str, Any], kind: str) -> None:
    with pytest.raises(NeedsPersonError) as caught:
        built(of("removeReaction", reaction=[name]), in_chart())
    assert caught.value.kind == kind


def test_two_reactions_of_one_name_are_told_apart_by_what_else_is_stated_or_by_a_person() -> None:
    two = in_chart(
        reaction=[{"manifestation": [HIVES], "severity": "mild"}, {"manifestation": [HIVES], "onset": "2019"}]
    )
    with pytest.raises(NeedsPersonError) as caught:
        built(of("removeReaction", reaction=[{"manifestation": [HIVES]}]), two)
    assert caught.value.kind == "reaction_ambiguous"
    after = built(of("removeReaction", reaction=[{"manifestation": [HIVES], "onset": "2019"}]), two)
    assert after["reaction"] == two["reaction"][:1]


OTHER = {"coding": [{"system": PENICILLIN["coding"][0]["system"], "code": "723"}], "text": "amoxicillin"}


@pytest.mark.parametrize("operation", ["addReaction", "removeReaction", "inactivate", "resolve", "refute", "retract"])
def test_another_allergy_than_the_action_names_is_not_touched(operation: str) -> None:
    with pytest.raises(NeedsPersonError) as caught:
        built(of(operation, code=OTHER), in_chart())
    assert caught.value.kind == "other_allergy"


@pytest.mark.parametrize("operation", sorted(set(STATUSES.moves) - {"withdrawNoneKnown"}))
def test_a_statement_that_nothing_is_known_is_never_changed_as_an_allergy(operation: str) -> None:
    with pytest.raises(NeedsPersonError) as caught:
        built(of(operation), in_chart(of("assertNoneKnown")))
    assert caught.value.kind == "other_allergy"


def test_a_statement_that_nothing_is_known_is_withdrawn_in_its_own_scope_and_retracted_as_an_error() -> None:
    there = in_chart(of("assertNoneKnown", noneKnownScope="drug"))
    assert said(built(of("withdrawNoneKnown", noneKnownScope="drug"), there)) == ("inactive", "confirmed")
    retracted = built(of("retract", code=None, noneKnownScope="drug"), there)
    assert said(retracted) == (None, "entered-in-error")
    for current in (there, in_chart()):
        with pytest.raises(NeedsPersonError) as caught:
            built(of("withdrawNoneKnown", noneKnownScope="food"), current)
        assert caught.value.kind == "other_allergy"


def test_an_update_of_another_patients_entry_is_not_sent() -> None:
    for patient in ("Patient/p2", "https://other.example/fhir/Patient/p1"):
        stranger = in_chart(patient={"reference": patient}, subject={"reference": PATIENT})
        with pytest.raises(NeedsPersonError) as caught:
            built(of("inactivate"), stranger)
        assert caught.value.kind == "wrong_patient"
    assert built(of("inactivate"), in_chart(patient={"reference": f"{BASE}/{PATIENT}"}))


def test_what_the_author_saw_is_compared_before_anything_leaves() -> None:
    with pytest.raises(TargetMovedError):
        built(of("inactivate"), in_chart(), seen={"criticality": "low"})
    seen = {
        "criticality": "high",
        "clinicalStatus": "active",
        "verificationStatus": "unconfirmed",
        "reaction": FULL["reaction"],
    }
    assert built(of("inactivate"), in_chart(), seen=seen)


def test_a_field_that_an_operation_does_not_take_is_refused_not_dropped() -> None:
    with pytest.raises(UnsupportedActionError, match="criticality"):
        built(of("inactivate", criticality="low"), in_chart())


MUTATIONS: list[tuple[str, tuple[Any, ...], Any, set[str]]] = [
    ("code", ("code", "coding", 0, "code"), "723", {"code"}),
    ("text of the code", ("code", "text"), "amoxicillin", {"code"}),
    ("clinical status", ("clinicalStatus", "coding", 0, "code"), "inactive", {"clinicalStatus"}),
    ("negated", ("verificationStatus", "coding", 0, "code"), "refuted", {"verificationStatus"}),
    ("in error", ("verificationStatus", "coding", 0, "code"), "entered-in-error", {"verificationStatus"}),
    ("nothing known", ("code",), none_known_code("all"), {"code", "noneKnownScope"}),
    ("patient", ("patient", "reference"), "Patient/p2", {"subject"}),
    ("patient elsewhere", ("patient", "reference"), "https://other.example/fhir/Patient/p1", {"subject"}),
    ("risk", ("criticality",), "low", {"criticality"}),
    ("severity", ("reaction", 0, "severity"), "severe", {"reaction"}),
    ("manifestation", ("reaction", 0, "manifestation", 0, "coding", 0, "code"), "39579001", {"reaction"}),
    ("type", ("type",), "intolerance", {"allergyType"}),
    ("category", ("category",), ["food"], {"category"}),
    ("onset", ("onsetDateTime",), "1972", {"onsetDateTime"}),
]


@pytest.mark.parametrize(("path", "value", "told"), [row[1:] for row in MUTATIONS], ids=[row[0] for row in MUTATIONS])
def test_one_changed_fact_in_the_chart_is_noticed(path: tuple[Any, ...], value: Any, told: set[str]) -> None:
    (operation,) = planned(FULL)
    stored = {**exact_json.parse(operation.body), "id": "a1", "meta": {"versionId": "1"}}
    assert ADAPTER.differences(operation, stored, SITE) == ()
    mutated = copy.deepcopy(stored)
    at: Any = mutated
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    assert told <= set(ADAPTER.differences(operation, mutated, SITE))


@pytest.mark.parametrize(
    "element", ["clinicalStatus", "verificationStatus", "code", "reaction", "criticality", "patient"]
)
def test_one_lost_fact_is_noticed(element: str) -> None:
    (operation,) = planned(FULL)
    stored = {name: value for name, value in exact_json.parse(operation.body).items() if name != element}
    assert element in ADAPTER.differences(operation, stored, SITE)


def test_a_mark_in_the_chart_is_that_of_the_command() -> None:
    (operation,) = planned(RECORD)
    assert operation.mark == f"urn:fhir-writeback:command|{COMMAND_ID}"
    assert operation.if_none_exist is not None


def test_the_door_and_the_adapter_speak_of_the_same_operations() -> None:
    assert {operation for _, operation in HANDLERS} == set(TAKES)
