from __future__ import annotations

from typing import Any

import pytest

from canonical.action import action_specs, spec_for
from canonical.actions.care_task import CareTask
from canonical.idempotency import derived_key
from tests.canonical.checked import confirmations, findings, parsed, refusals
from tests.factories import ABSENT, Json, care_task_json, quantity

SPEC = action_specs()["CareTask"]
OPERATIONS = ["create", "update", "complete", "cancel"]
#: Field → something an author may say there.
SAID: Json = {
    "code": {"text": "call back"},
    "description": "Call her about the missed doses",
    "intent": "plan",
    "priority": "asap",
    "owner": {"reference": "Practitioner/d1"},
    "performerType": [{"text": "nurse"}],
    "requester": {"reference": "Practitioner/n1"},
    "restriction": {"period": {"end": "2026-04-01"}, "repetitions": 1},
    "focus": {"reference": "MedicationStatement/m3"},
    "basedOn": [{"reference": "CarePlan/p1"}],
    "reasonCode": {"text": "adherence"},
    "reasonReference": {"reference": "Condition/c1"},
    "authoredOn": "2026-03-10T10:30:00-04:00",
    "executionPeriod": {"start": "2026-03-10T10:30:00-04:00"},
    "businessStatus": {"text": "left a voice mail"},
    "statusReason": {"text": "she came in herself"},
    "output": [{"type": {"text": "result"}, "valueString": "reached, takes it again"}],
    "note": [{"text": "mornings only"}],
}
MAY: dict[str, set[str]] = {
    "create": set(SAID) - {"executionPeriod", "statusReason", "output"},
    "update": set(SAID) - {"intent", "requester", "basedOn", "authoredOn", "output"},
    "complete": {"code", "executionPeriod", "businessStatus", "output", "note"},
    "cancel": {"code", "statusReason", "note"},
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_each_operation_with_what_it_needs_is_accepted_silently(operation: str) -> None:
    action = care_task_json(operation)
    assert (refusals(action), confirmations(action), findings(action)) == ({}, {}, [])


@pytest.mark.parametrize("operation", OPERATIONS)
def test_each_operation_takes_all_that_it_may_say_and_nothing_else(operation: str) -> None:
    said = {name: SAID[name] for name in MAY[operation]}
    assert refusals(care_task_json(operation, **said)) == {}
    for name in sorted(set(SAID) - MAY[operation]):
        wrong = refusals(care_task_json(operation, **{name: SAID[name]}))
        assert wrong == {f"/action/{name}": "not-for-this-operation"}


@pytest.mark.parametrize("intent", ["order", "original-order", "reflex-order", "filler-order", "instance-order"])
def test_a_task_orders_nothing(intent: str) -> None:
    assert refusals(care_task_json(intent=intent)) == {"/action/intent": "not-ordering"}


def test_an_intent_that_nobody_knows_is_refused_as_such() -> None:
    for intent in ("option", "Order", ["order"], 1):
        assert refusals(care_task_json(intent=intent)) == {"/action/intent": "literal-error"}


def test_a_task_says_what_is_to_be_done_and_by_whom() -> None:
    assert refusals(care_task_json(description=ABSENT)) == {"/action/description": "required"}
    assert refusals(care_task_json(owner=ABSENT)) == {"/action/owner": "required"}
    assert refusals(care_task_json(owner=ABSENT, performerType=[{"text": "nurse"}])) == {}


def test_a_task_is_called_off_for_a_reason() -> None:
    assert refusals(care_task_json("cancel", statusReason=ABSENT)) == {"/action/statusReason": "required"}


def test_an_update_that_says_nothing_is_refused() -> None:
    assert refusals(care_task_json("update", priority=ABSENT)) == {"/action": "nothing-to-change"}
    assert refusals(care_task_json("update", priority=None)) == {}


@pytest.mark.parametrize("name", sorted(SAID))
def test_an_update_may_clear_only_what_a_task_can_be_done_without(name: str) -> None:
    cleared = refusals(care_task_json("update", **{name: None}))
    kept = name in {"code", "description", "intent", "requester", "basedOn", "authoredOn", "output", "note"}
    assert cleared == ({f"/action/{name}": "not-clearable"} if kept else {})


@pytest.mark.parametrize("name", ["owner", "requester"])
def test_whoever_is_named_can_be_found(name: str) -> None:
    assert refusals(care_task_json("create", **{name: {"display": "somebody"}})) == {f"/action/{name}": "names-nobody"}
    assert refusals(care_task_json("create", **{name: {"reference": "Location/l1"}})) == {
        f"/action/{name}": "reference-type"
    }
    assert refusals(care_task_json("create", **{name: {"reference": "Patient/p1"}})) == {}


def test_a_task_may_be_due_later_but_not_asked_for_or_done_later() -> None:
    assert refusals(care_task_json(restriction={"period": {"end": "2027"}})) == {}
    assert refusals(care_task_json(authoredOn="2027")) == {"/action/authoredOn": "future-time"}
    late = {"executionPeriod": {"start": "2026-03-10", "end": "2027"}}
    assert refusals(care_task_json("complete", **late)) == {"/action/executionPeriod/end": "future-time"}


VALUES: list[Json] = [
    {"valueString": "done"},
    {"valueBoolean": False},
    {"valueCodeableConcept": {"text": "reached"}},
    {"valueQuantity": quantity("2", "calls")},
    {"valueReference": {"reference": "Observation/o1"}},
    {"valueDateTime": "2026-03"},
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: str(*value))
def test_an_output_has_one_value_of_one_kind(value: dict[str, Any]) -> None:
    kind = {"type": {"text": "result"}}
    assert refusals(care_task_json("complete", output=[kind | value])) == {}
    two = [kind | value | VALUES[0] | VALUES[1]]
    assert refusals(care_task_json("complete", output=two)) == {"/action/output/0": "output-value"}
    assert refusals(care_task_json("complete", output=[kind])) == {"/action/output/0": "output-value"}


def test_only_a_task_is_changed_and_only_calling_it_off_takes_it_back() -> None:
    target = {"reference": "ServiceRequest/s1", "versionId": "1"}
    assert refusals(care_task_json("complete"), target=target) == {"/target/reference": "target-type"}
    assert [name for name, rule in SPEC.operations.items() if rule.takes_back] == ["cancel"]


def test_two_tasks_from_one_event_are_two_commands() -> None:
    source = {"eventId": "event-1"}
    asked = [
        care_task_json(),
        care_task_json(description="Send a letter"),
        care_task_json(code={"coding": [{"code": "x"}]}),
    ]
    assert len({derived_key(parsed(action, source=source), "visits") for action in asked}) == len(asked)


def test_its_clinical_time_is_when_it_was_asked_for_or_done() -> None:
    asked = parsed(care_task_json(authoredOn="2026-03-10")).action
    done = parsed(care_task_json("complete", executionPeriod={"end": "2026-03-09"})).action
    for action, time in ((asked, "2026-03-10"), (done, "2026-03-09")):
        assert isinstance(action, CareTask)
        assert str(spec_for(action).clinical_time(action)) == time
    assert SPEC.clinical_time(parsed(care_task_json()).action) is None


def test_the_receipt_promises_nothing() -> None:
    assert "nothing was ordered" in SPEC.receipt_note
