from __future__ import annotations

from typing import Any

import pytest

from canonical.action import action_specs
from canonical.plain_words import plain_words
from tests.canonical.checked import findings, parsed, refusals
from tests.compound_factories import listed_change_json, medication_reconciliation_json
from tests.factories import (
    ABSENT,
    Json,
    dosage_json,
    medication_change_json,
    vital_reading_json,
)

SPEC = action_specs()["MedicationReconciliation"]
FULL: Json = {
    "reviewed": [{"reference": "MedicationStatement/m4"}, {"reference": "MedicationRequest/r1"}],
    "informationSource": {"reference": "Patient/p1"},
    "note": [{"text": "brought her boxes", "time": "2026-03-10"}],
}


@pytest.mark.parametrize("operation", ["reconcile", "retract"])
def test_each_operation_with_what_it_needs_is_accepted_silently(operation: str) -> None:
    action = medication_reconciliation_json(operation)
    assert (refusals(action), findings(action)) == ({}, [])


def test_a_review_may_say_all_that_a_review_has() -> None:
    assert refusals(medication_reconciliation_json(**FULL)) == {}


@pytest.mark.parametrize("name", ["date", "verifiedBy"])
def test_when_and_by_whom_is_always_stated(name: str) -> None:
    assert refusals(medication_reconciliation_json(**{name: ABSENT})) == {f"/action/{name}": "required"}


def test_it_says_from_whom_it_is_known() -> None:
    unknown = medication_reconciliation_json(informationSourceRole=ABSENT)
    assert refusals(unknown) == {"/action/informationSource": "required"}
    assert refusals(unknown | {"informationSource": {"reference": "RelatedPerson/r1"}}) == {}


def test_a_review_has_changes_or_entries_that_stay_or_both() -> None:
    assert refusals(medication_reconciliation_json(changes=ABSENT)) == {}
    assert refusals(medication_reconciliation_json(reviewed=ABSENT)) == {}
    nothing = medication_reconciliation_json(changes=ABSENT, reviewed=ABSENT)
    assert refusals(nothing) == {"/action/reviewed": "required"}


def test_a_review_is_verified_by_a_person_at_work() -> None:
    for who, code in (({"reference": "Patient/p1"}, "reference-type"), ({"display": "Dr. Ames"}, "names-nobody")):
        assert refusals(medication_reconciliation_json(verifiedBy=who)) == {"/action/verifiedBy": code}


def test_a_review_is_of_the_past_and_within_a_life() -> None:
    assert refusals(medication_reconciliation_json(date="2026-03-12")) == {"/action/date": "future-time"}
    assert refusals(medication_reconciliation_json(date="1950")) == {"/action/date": "before-birth"}


def test_no_entry_is_changed_twice_or_changed_and_left_as_it_is() -> None:
    twice = [listed_change_json("hold"), listed_change_json("stop")]
    told = refusals(medication_reconciliation_json(changes=twice))
    assert told == {f"/action/changes/{at}/target/reference": "named-twice" for at in (0, 1)}
    both = [{"reference": "MedicationStatement/m3"}]
    assert refusals(medication_reconciliation_json(reviewed=both)) == {
        "/action/changes/1/target/reference": "named-twice",
        "/action/reviewed/0/reference": "named-twice",
    }
    apart = [listed_change_json("hold"), listed_change_json("stop", "MedicationStatement/m5")]
    assert refusals(medication_reconciliation_json(changes=apart)) == {}


def test_what_stays_is_named_literally_and_is_of_the_medication_list() -> None:
    odd = [{"reference": "Observation/o1"}, {"display": "her blood pressure pill"}]
    assert refusals(medication_reconciliation_json(reviewed=odd)) == {
        f"/action/reviewed/{at}/reference": "reference-type" for at in (0, 1)
    }
    assert SPEC.mentions(parsed(medication_reconciliation_json(**FULL))) == (
        "MedicationStatement/m4",
        "MedicationRequest/r1",
    )


@pytest.mark.parametrize(
    ("over", "told"),
    [
        ({"seen": ABSENT}, {"seen": "precondition-required"}),
        ({"acknowledged": ABSENT}, {"acknowledged": "acknowledgement-required"}),
        ({"seenAt": "2026-03-10T14:50:00Z"}, {"acknowledged/when": "acknowledgement-required"}),
        ({"versionId": ABSENT}, {}),
        ({"command": "11111111-1111-4111-8111-111111111111"}, {"command": "extra-forbidden"}),
        ({"reference": ABSENT}, {"reference": "missing"}),
    ],
)
def test_every_change_names_what_its_author_saw_and_acknowledged(over: Json, told: dict[str, str]) -> None:
    change = listed_change_json("hold", **over)
    place = "/action/changes/1/target"
    assert refusals(medication_reconciliation_json(changes=[listed_change_json(), change])) == {
        f"{place}/{name}": code for name, code in told.items()
    }


def test_a_change_without_a_target_and_a_start_with_one_are_refused() -> None:
    target = listed_change_json("hold")["target"]
    started = {**listed_change_json(), "target": target}
    held = {"action": medication_change_json("hold")}
    assert refusals(medication_reconciliation_json(changes=[started, held])) == {
        "/action/changes/0/target": "target-not-allowed",
        "/action/changes/1/target": "precondition-required",
    }


def test_taking_an_entry_back_is_a_command_of_its_own() -> None:
    told = refusals(medication_reconciliation_json(changes=[listed_change_json("retract")]))
    assert told == {"/action/changes/0/action/operation": "attached-operation"}


@pytest.mark.parametrize("operation", ["start", "changeDose", "hold", "resume", "stop", "notTaking", "correct"])
def test_every_other_change_may_be_part_of_a_review(operation: str) -> None:
    assert refusals(medication_reconciliation_json(changes=[listed_change_json(operation)])) == {}


def test_nothing_else_is_a_change_of_the_list() -> None:
    told = refusals(medication_reconciliation_json(changes=[{"action": vital_reading_json()}]))
    assert told["/action/changes/0/action/type"] == "literal-error"


def test_a_change_is_judged_as_it_would_be_alone_and_named_at_its_place() -> None:
    unsafe = medication_change_json(dosage=[dosage_json(doseAndRate=ABSENT, route=ABSENT)], strength=ABSENT)
    alone = refusals(unsafe)
    assert alone
    told = refusals(medication_reconciliation_json(changes=[listed_change_json("hold"), {"action": unsafe}]))
    place = "/action/changes/1/action"
    assert told == {f"{place}{pointer.removeprefix('/action')}": code for pointer, code in alone.items()}


def test_a_dose_that_contradicts_its_text_holds_the_whole_review() -> None:
    unclear = medication_change_json(dosage=[dosage_json(text="Take 2 tablets by mouth once daily")])
    (alone,) = findings(unclear)
    (finding,) = findings(medication_reconciliation_json(changes=[{"action": unclear}]))
    assert (finding.kind, finding.holds) == (alone.kind, True)
    assert finding.pointer == f"/action/changes/0{alone.pointer}"


def test_a_retraction_says_why_and_states_nothing_anew() -> None:
    bare = medication_reconciliation_json("retract", retractReason=ABSENT)
    assert refusals(bare) == {"/action/retractReason": "required"}
    for name in ("changes", "reviewed", "date", "verifiedBy", "informationSourceRole"):
        more: dict[str, Any] = {name: medication_reconciliation_json()[name]}
        pointer = f"/action/{name}"
        assert refusals(medication_reconciliation_json("retract", **more)) == {pointer: "not-for-this-operation"}
    reason = {"retractReason": "x"}
    assert refusals(medication_reconciliation_json(**reason)) == {"/action/retractReason": "not-for-this-operation"}
    target = {"reference": "MedicationStatement/m3", "versionId": "1"}
    told = refusals(medication_reconciliation_json("retract"), target=target)
    assert told == {"/target/reference": "target-type"}


def test_each_part_has_its_own_target_and_the_frame_of_the_review() -> None:
    envelope = parsed(medication_reconciliation_json(), encounter={"reference": "Encounter/e1"})
    started, held = SPEC.parts(envelope)
    assert started.target is None
    assert held.target is not None
    assert (held.target.reference, held.target.version_id) == ("MedicationStatement/m3", "7")
    assert held.target.acknowledged is not None
    for part in (started, held):
        for name in ("patient", "encounter", "author", "consent", "purpose_of_use", "connection"):
            assert getattr(part, name) == getattr(envelope, name)


def test_the_receipt_says_that_nothing_was_prescribed() -> None:
    assert "pharmacy were not changed" in SPEC.receipt_note


def test_in_words_a_review_tells_each_change_and_the_entry_it_means() -> None:
    said = {line.label: line.text for line in plain_words(parsed(medication_reconciliation_json()).action)}
    assert said["Changes 2, action"] == "medication change: hold"
    assert said["Changes 2, target, reference"] == "MedicationStatement/m3"
    assert "lisinopril" in said["Changes 2, target, seen"]
