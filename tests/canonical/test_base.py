"""An author who names no version says what they saw of all that the change touches: every action by every field group."""

from __future__ import annotations

from typing import Any

import pytest

from canonical.action import FieldGroup, action_specs
from canonical.base import REASONS, STATUSES, unseen
from canonical.envelope import Envelope
from canonical.errors import RefusedError
from canonical.judgement import check_target
from canonical.policy import Rule
from config.policy_files import read_policies
from tests.canonical.checked import parsed
from tests.conformance import examples
from tests.conformance.connection import connection_of
from tests.factories import ABSENT, Json, acknowledged_json, medication_change_json, target_json

POLICIES = read_policies()
#: Every operation that changes an entry of the chart itself.
CHANGES = [
    (spec.type, name)
    for spec in action_specs().values()
    for name, rule in spec.operations.items()
    if not rule.creates and not rule.own_entry
]
#: The same by every field group of the action that policy guards.
TABLE = [
    (action, operation, group)
    for action, operation in CHANGES
    for group in action_specs()[action].field_groups
    if group.name in POLICIES.guarded(action)
]


def example(action: str, operation: str) -> Json:
    return examples.example(action, operation, connection_of("fhir_r4"))


def on(said: Json, seen: Any, **target: Any) -> Envelope:
    """The change by an author who saw that, and names no version unless the test does."""
    named = {"versionId": ABSENT, "seen": seen, "acknowledged": acknowledged_json(), **target}
    return parsed(said, target=target_json(said, **named))


def whole(action: str, said: Json) -> Json:
    """All that an author can have had on the screen, as if everything had been empty."""
    fields = (name for group in action_specs()[action].field_groups for name in group.fields)
    return dict.fromkeys([*fields, *STATUSES])


def touched(action: str, operation: str, group: FieldGroup) -> set[str]:
    """What the example states of the group, but for what only names the entry or says why."""
    rule = action_specs()[action].operations[operation]
    stated = set(example(action, operation)) & set(group.fields)
    return set() if rule.takes_back else stated - rule.describes - REASONS


def refused(envelope: Envelope) -> str:
    with pytest.raises(RefusedError) as caught:
        check_target(envelope, POLICIES.guarded(envelope.action.type))
    (error,) = caught.value.errors
    assert (caught.value.code, error.code, error.pointer) == ("precondition-required", "base-unknown", "/target/seen")
    assert "send the version that its author saw, or the values" in str(caught.value)
    return error.detail


@pytest.mark.parametrize(("action", "operation", "group"), TABLE, ids=[f"{a}.{o}.{g.name}" for a, o, g in TABLE])
def test_a_change_of_a_group_of_which_nothing_was_seen_is_refused_by_its_fields(
    action: str, operation: str, group: FieldGroup
) -> None:
    said, guarded = example(action, operation), POLICIES.guarded(action)
    seen = whole(action, said)
    check_target(on(said, seen), guarded)
    without = on(said, {name: value for name, value in seen.items() if name not in group.fields or name in STATUSES})
    wanted = touched(action, operation, group) - set(STATUSES)
    assert wanted <= set(unseen(without, guarded))
    if wanted:
        detail = refused(without)
        assert all(name in detail for name in wanted)
        check_target(on(said, {"note": None}, versionId="7"), guarded)


#: Its example changes only what policy lets a machine merge.
MERGED = {("CareTask", "update")}


@pytest.mark.parametrize(("action", "operation"), CHANGES, ids=[".".join(item) for item in CHANGES])
def test_no_change_rests_on_something_else_than_what_it_touches(action: str, operation: str) -> None:
    envelope = on(example(action, operation), {"note": None})
    if (action, operation) in MERGED:
        check_target(envelope, POLICIES.guarded(action))
    else:
        assert refused(envelope)


def test_where_the_status_moves_it_must_have_been_seen() -> None:
    hold = medication_change_json("hold")
    medication = {"medication": hold["medication"], "dosage": None}
    assert "status" in refused(on(hold, medication))
    check_target(on(hold, {**medication, "status": "active"}), POLICIES.guarded("MedicationChange"))


def test_what_is_taken_back_must_have_been_seen_in_what_it_says() -> None:
    retract = example("VitalReading", "retract")
    assert "code" in refused(on(retract, {"performer": None}))
    check_target(on(retract, {"valueQuantity": {"value": 75, "unit": "kg"}}), POLICIES.guarded("VitalReading"))


def test_what_policy_merges_or_adds_to_needs_not_to_be_seen() -> None:
    dose = medication_change_json("changeDose", dateAsserted="2026-03-10", note=[{"text": "asked her"}])
    seen = {"status": "active", "dosage": None}
    assert POLICIES.action("MedicationChange").group("source").rule is Rule.MERGE
    check_target(on(dose, seen), POLICIES.guarded("MedicationChange"))
    strict = POLICIES.guarded("MedicationChange") | {"source"}
    assert unseen(on(dose, seen), strict) == ("informationSourceRole", "dateAsserted")


def test_without_policies_the_groups_of_high_significance_are_guarded() -> None:
    dose = medication_change_json("changeDose", dateAsserted="2026-03-10")
    assert unseen(on(dose, {"note": None})) == ("dosage",)
    assert unseen(on(dose, {"dosage": None})) == ()
