"""Whether what is to be started is active on the list already; nothing more is claimed than was looked for."""

from __future__ import annotations

from typing import Any

import pytest

from adapters import adapters
from canonical.actions.medication_change import SPEC
from canonical.capabilities import Capabilities, MedicationList
from canonical.case_kinds import case_kind
from canonical.lifecycle import State
from canonical.status import explain
from tests.canonical.checked import parsed
from tests.factories import ABSENT, RXNORM, Json, concept, medication_change_json

WARFARIN = concept(RXNORM, "11289", "warfarin")
FIVE = concept(RXNORM, "855332", "warfarin sodium 5 MG Oral Tablet")
TWO = concept(RXNORM, "855302", "warfarin sodium 2 MG Oral Tablet")
ORDER = {"reference": "MedicationRequest/r1", "medicationCodeableConcept": FIVE, "status": "active", "intent": "order"}


def entry(medication: Any, status: str = "active", **over: Any) -> Json:
    members = {"reference": "MedicationStatement/m9", "status": status, "medication": medication, **over}
    return {name: value for name, value in members.items() if value is not ABSENT}


def start(**over: Any) -> Json:
    return medication_change_json(**{"medication": TWO, **over})


def kinds(action: Json, *entries: Json) -> list[str]:
    assert SPEC.surroundings is not None
    found = SPEC.surroundings.judge(parsed(action), entries)
    assert all(finding.holds and finding.about for finding in found)
    return [finding.kind for finding in found]


DUPLICATE = ["possible_duplicate_therapy"]
SAME: list[tuple[str, Json, Json, list[str]]] = [
    ("the same product by code", start(medication=FIVE), entry({**FIVE, "text": "x"}), DUPLICATE),
    ("the same words", start(medication={**TWO, "text": "Warfarin"}), entry({"text": "warfarin"}), DUPLICATE),
    (
        "an ingredient by code",
        start(ingredient=[WARFARIN]),
        entry({"text": "x"}, ingredient=[{**WARFARIN, "text": "y"}]),
        DUPLICATE,
    ),
    (
        "our ingredient is their medicine",
        start(ingredient=[WARFARIN]),
        entry({**WARFARIN, "text": "INR drug"}),
        DUPLICATE,
    ),
    ("our ingredient by name in theirs", start(ingredient=[WARFARIN]), entry(FIVE), DUPLICATE),
    ("their ingredient by name in ours", start(), entry({"text": "Coumadin"}, ingredient=[WARFARIN]), DUPLICATE),
    ("a substance started", start(medication=WARFARIN, medicationTermType="IN"), entry(FIVE), DUPLICATE),
    ("an order, by FHIR's own name", start(ingredient=[WARFARIN]), ORDER, DUPLICATE),
    ("another strength, no ingredient named", start(), entry(FIVE), []),
    ("another medicine", start(ingredient=[WARFARIN]), entry({"text": "apixaban 5 MG"}), []),
    (
        "a name that only begins the same",
        start(ingredient=[{"text": "insulin"}]),
        entry({"text": "insulinoma study drug"}),
        [],
    ),
    (
        "a code of another system",
        start(ingredient=[{**WARFARIN, "text": "x"}]),
        entry(concept("urn:x", "11289", "y")),
        [],
    ),
]


@pytest.mark.parametrize(("ours", "theirs", "found"), [row[1:] for row in SAME], ids=[row[0] for row in SAME])
def test_the_same_medicine_or_ingredient_is_known_by_code_and_by_word(
    ours: Json, theirs: Json, found: list[str]
) -> None:
    assert kinds(ours, theirs) == found
    assert kinds(ours, entry({"text": "aspirin"}, reference="MedicationStatement/m1"), theirs) == found


@pytest.mark.parametrize("status", ["completed", "entered-in-error", "stopped", "not-taken", "cancelled", "draft"])
def test_what_is_over_or_never_was_is_no_therapy(status: str) -> None:
    assert kinds(start(ingredient=[WARFARIN]), entry(FIVE, status)) == []


@pytest.mark.parametrize("status", ["active", "on-hold", "intended", "unknown", ABSENT])
def test_what_is_not_known_to_be_over_is_one(status: Any) -> None:
    assert kinds(start(ingredient=[WARFARIN]), entry(FIVE, status)) == DUPLICATE


@pytest.mark.parametrize("intent", ["proposal", "option"])
def test_what_nobody_ordered_yet_is_no_therapy(intent: str) -> None:
    assert kinds(start(ingredient=[WARFARIN]), {**ORDER, "intent": intent}) == []


def test_the_order_that_a_start_documents_is_no_other_therapy() -> None:
    documented = start(ingredient=[WARFARIN], basedOn=[{"reference": "MedicationRequest/r1"}])
    assert kinds(documented, ORDER) == []
    assert kinds(documented, {**ORDER, "reference": "MedicationRequest/r2"}) == DUPLICATE
    assert kinds(documented, entry(FIVE)) == DUPLICATE


@pytest.mark.parametrize(
    "unnamed", [ABSENT, {"reference": "Medication/x"}, {"text": " "}, {"coding": [{"system": "urn:x"}]}]
)
def test_an_active_entry_of_which_nobody_can_tell_the_medicine_may_be_the_same(unnamed: Any) -> None:
    assert kinds(start(), entry(unnamed)) == ["medicine_not_named"]
    assert kinds(start(), entry(unnamed, "stopped")) == []


def test_a_finding_names_the_entries_that_it_is_about() -> None:
    assert SPEC.surroundings is not None
    others = [entry({"text": "aspirin"}, reference="MedicationStatement/m1"), ORDER, entry(FIVE)]
    (finding,) = SPEC.surroundings.judge(parsed(start(ingredient=[WARFARIN])), others)
    assert finding.about == ("MedicationRequest/r1", "MedicationStatement/m9")


@pytest.mark.parametrize("operation", sorted(set(SPEC.operations) - {"start"}))
def test_only_a_start_is_judged_beside_the_list(operation: str) -> None:
    assert SPEC.surroundings is not None
    assert operation not in SPEC.surroundings.operations
    assert SPEC.caveats(parsed(medication_change_json(operation)), Capabilities(writes={}, supports={})) == ()


def told(action: Json, *types: str) -> tuple[list[str], str]:
    """Marks and words of the receipt at an EHR whose list is read from ``types``."""
    known = Capabilities(writes={}, supports={}, medication_list=MedicationList(types=types))
    found = SPEC.caveats(parsed(action), known)
    return [item.mark for item in found if item.mark], " ".join(item.sentence for item in found)


def test_the_receipt_never_claims_a_check_that_is_not_made() -> None:
    marks, words = told(start(ingredient=[WARFARIN]))
    assert marks == ["duplicates-not-checked"]
    assert "Duplicates and interactions are not checked" in words
    assert "looked through" not in words
    marks, words = told(start(), "MedicationRequest")
    assert marks == ["ingredients-not-checked"]
    assert "for the same medicine alone" in words
    assert "other duplicates are not checked" in words
    for named in (start(ingredient=[WARFARIN]), start(medication=WARFARIN, medicationTermType="IN")):
        marks, words = told(named, "MedicationRequest")
        assert marks == []
        assert "looked through for the same ingredient" in words
    for action in (start(), start(ingredient=[WARFARIN])):
        for types in ((), ("MedicationRequest",)):
            assert "interactions are not checked" in told(action, *types)[1].replace("and interactions", "interactions")


@pytest.mark.parametrize("key", sorted(adapters()))
def test_from_where_a_list_is_read_is_declared_with_its_source_or_not_at_all(key: str) -> None:
    declared = adapters()[key].capabilities.medication_list
    assert set(declared.types) <= {"MedicationStatement", "MedicationRequest"}
    assert declared.source
    assert not declared.confirmed or declared.types


def test_a_connection_may_name_the_types_or_none() -> None:
    usual = MedicationList(types=("MedicationRequest",), named_by="medication_reads")
    assert usual.on({}).types == ("MedicationRequest",)
    assert usual.on({"medication_reads": "MedicationStatement"}).types == ("MedicationStatement",)
    assert usual.on({"medication_reads": "MedicationStatement", "medication_list": []}).types == ()
    assert usual.on({"medication_list": ["MedicationStatement"]}).types == ("MedicationStatement",)


@pytest.mark.parametrize("kind", ["possible_duplicate_therapy", "medicine_not_named"])
def test_each_case_has_its_words(kind: str) -> None:
    assert case_kind(kind).question.endswith(".")
    said = explain(State.IN_REVIEW, kind)
    assert "Nothing was sent." in said.sentence
    assert said.next.startswith("A pharmacist ")
