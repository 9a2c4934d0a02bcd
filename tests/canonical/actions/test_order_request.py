from __future__ import annotations

import pytest

from canonical.action import action_specs
from canonical.idempotency import derived_key
from tests.canonical.checked import confirmations, findings, parsed, refusals, through_the_wire
from tests.factories import ABSENT, LOINC, NOW, RXNORM, SNOMED_CT, Json, concept, quantity, target_json
from tests.record_factories import CVX, NDC, order_request_json

SPEC = action_specs()["OrderRequest"]
OPERATIONS = ["propose", "update", "cancel"]
A1C = concept(LOINC, "4548-4", "Hemoglobin A1c")
#: Field → something an author may say there.
SAID: Json = {
    "code": A1C,
    "orderDetail": [{"text": "fasting"}],
    "category": [concept(SNOMED_CT, "108252007", "Laboratory procedure")],
    "intent": "plan",
    "priority": "asap",
    "quantityQuantity": quantity("2", "samples"),
    "occurrenceDateTime": "2026-06",
    "requester": {"reference": "Practitioner/n1"},
    "performerType": {"text": "laboratory"},
    "performer": [{"reference": "Organization/lab"}],
    "reasonCode": [concept(SNOMED_CT, "44054006", "Type 2 diabetes")],
    "reasonReference": [{"reference": "Condition/c1"}],
    "supportingInfo": [{"reference": "Observation/o1"}],
    "basedOn": [{"reference": "CarePlan/p1"}],
    "specimen": [{"reference": "Specimen/s1"}],
    "bodySite": [{"text": "left arm"}],
    "patientInstruction": "Do not eat for eight hours.",
    "authoredOn": "2026-03-10T10:30:00-04:00",
    "statusReason": {"text": "measured elsewhere"},
    "note": [{"text": "asked for by her daughter"}],
}
MAY: dict[str, set[str]] = {
    "propose": set(SAID) - {"statusReason"},
    "update": set(SAID) - {"statusReason", "intent", "requester", "basedOn", "authoredOn"},
    "cancel": {"code", "statusReason", "note"},
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_each_operation_with_what_it_needs_is_accepted_silently(operation: str) -> None:
    action = order_request_json(operation)
    assert (refusals(action), confirmations(action), findings(action)) == ({}, {}, [])


@pytest.mark.parametrize("operation", OPERATIONS)
def test_each_operation_takes_all_that_it_may_say_and_nothing_else(operation: str) -> None:
    full = order_request_json(operation, **{name: SAID[name] for name in MAY[operation]})
    assert (refusals(full), findings(full)) == ({}, [])
    assert parsed(full).action.as_json() == through_the_wire(full)
    for name in sorted(set(SAID) - MAY[operation]):
        said = {"code": A1C} if operation == "update" else {}
        wrong = refusals(order_request_json(operation, **said, **{name: SAID[name]}))
        assert wrong == {f"/action/{name}": "not-for-this-operation"}


@pytest.mark.parametrize(
    "intent", ["directive", "order", "original-order", "reflex-order", "filler-order", "instance-order", "option"]
)
def test_nothing_is_ordered(intent: str) -> None:
    assert refusals(order_request_json(intent=intent)) == {"/action/intent": "not-ordering"}


def test_an_intent_that_nobody_knows_is_refused_as_such() -> None:
    for intent in ("Proposal", ["order"], 1):
        assert refusals(order_request_json(intent=intent)) == {"/action/intent": "literal-error"}


@pytest.mark.parametrize("value", [True, False])
def test_that_something_is_not_to_be_done_is_an_order_too(*, value: bool) -> None:
    assert refusals(order_request_json(doNotPerform=value)) == {"/action/doNotPerform": "not-ordering"}


def test_a_status_is_never_taken_from_an_app() -> None:
    assert refusals(order_request_json(status="active")) == {"/action/status": "extra-forbidden"}


def test_a_proposal_says_what_and_a_cancellation_why() -> None:
    assert refusals(order_request_json(code=ABSENT)) == {"/action/code": "required"}
    assert refusals(order_request_json("cancel", statusReason=ABSENT)) == {"/action/statusReason": "required"}


@pytest.mark.parametrize(
    ("system", "code", "instead"),
    [
        (RXNORM, "860975", "MedicationChange"),
        (NDC, "0002-1433-80", "MedicationChange"),
        (CVX, "207", "ImmunizationRecord"),
    ],
)
@pytest.mark.parametrize("name", ["code", "orderDetail", "category"])
def test_a_medicine_is_refused_with_the_action_that_is_meant(name: str, system: str, code: str, instead: str) -> None:
    said = concept(system, code, "x")
    stated: Json = {name: said if name == "code" else [said]}
    action = order_request_json(**stated)
    pointer = f"/action/{name}" if name == "code" else f"/action/{name}/0"
    assert refusals(action) == {pointer: "medication-order"}
    (error,) = SPEC.check(parsed(action), NOW)
    assert instead in error.detail


def test_a_medicine_may_be_the_reason() -> None:
    assert refusals(order_request_json(reasonCode=[concept(RXNORM, "6809", "metformin")])) == {}


@pytest.mark.parametrize(
    "text",
    ["Metformin 500 mg tablets", "Prescribe an antibiotic", "refill of her inhaler", "Rx: ointment", "Flu vaccination"],
)
def test_what_reads_as_a_medicine_waits_for_a_person(text: str) -> None:
    action = order_request_json(code={"text": text})
    assert refusals(action) == {}
    found = [(item.kind, item.severity, item.holds, item.pointer) for item in findings(action)]
    assert found == [("reads_as_medication", "medium", True, "/action/code")]
    detail = order_request_json("update", orderDetail=[{"text": text}], code=A1C)
    assert [item.pointer for item in findings(detail)] == ["/action/orderDetail/0"]
    assert findings(order_request_json("cancel", code={"text": text})) == []


def test_a_test_of_a_medicine_is_no_medicine() -> None:
    for text in ("Lithium level", "Glucose tolerance test, 75 g", "Referral to physiotherapy", "Patch-test referral"):
        assert findings(order_request_json(code={"text": text})) == []


def test_when_it_is_to_be_done_is_said_once_and_may_lie_ahead() -> None:
    times: list[Json] = [
        {"occurrenceDateTime": "2027"},
        {"occurrencePeriod": {"start": "2026-06", "end": "2026-07"}},
        {"occurrenceTiming": {"repeat": {"frequency": 1, "period": 3, "periodUnit": "mo"}}},
    ]
    for when in times:
        assert refusals(order_request_json(**when)) == {}
    both = order_request_json(occurrenceDateTime="2027", occurrencePeriod={"start": "2026"})
    assert refusals(both) == {"/action/occurrencePeriod": "one-of"}


def test_it_was_not_asked_for_in_the_future_or_before_birth() -> None:
    assert refusals(order_request_json(authoredOn="2027")) == {"/action/authoredOn": "future-time"}
    assert refusals(order_request_json(authoredOn="1950")) == {"/action/authoredOn": "before-birth"}


@pytest.mark.parametrize("amount", [{"value": 0}, {"value": -1}, {"unit": "samples"}], ids=str)
def test_an_amount_is_above_nothing(amount: Json) -> None:
    assert refusals(order_request_json(quantityQuantity=amount)) == {"/action/quantityQuantity/value": "not-positive"}


def test_whoever_is_named_can_be_found() -> None:
    assert refusals(order_request_json(requester={"display": "x"})) == {"/action/requester": "names-nobody"}
    assert refusals(order_request_json(requester={"reference": "CareTeam/t1"})) == {
        "/action/requester": "reference-type"
    }
    wrong = refusals(order_request_json(performer=[{"reference": "Location/l1"}]))
    assert wrong == {"/action/performer/0": "reference-type"}
    assert refusals(order_request_json(requester={"reference": "Patient/p1"})) == {}


def test_an_impossible_code_is_refused_wherever_it_stands() -> None:
    wrong = refusals(order_request_json(bodySite=[concept(SNOMED_CT, "arm", "arm")]))
    assert wrong == {"/action/bodySite/0/coding/0/code": "code-syntax"}


@pytest.mark.parametrize("name", sorted(SAID))
def test_an_update_may_clear_only_what_a_proposal_can_do_without(name: str) -> None:
    said = {"code": A1C} if name == "orderDetail" else {}
    cleared = refusals(order_request_json("update", **said, **{name: None}))
    kept = name in {"code", "note"} | (set(SAID) - MAY["update"])
    assert cleared == ({f"/action/{name}": "not-clearable"} if kept else {})


def test_an_update_that_says_nothing_is_refused_and_a_detail_is_one_of_something() -> None:
    assert refusals(order_request_json("update", priority=ABSENT)) == {"/action": "nothing-to-change"}
    assert refusals(order_request_json("update", orderDetail=[{"text": "fasting"}])) == {"/action/code": "required"}


def test_only_a_request_is_changed_and_only_a_cancellation_takes_it_back() -> None:
    action = order_request_json("update")
    target = target_json(action, reference="MedicationRequest/m1")
    assert refusals(action, target=target) == {"/target/reference": "target-type"}
    assert [name for name, rule in SPEC.operations.items() if rule.takes_back] == ["cancel"]
    assert [name for name, rule in SPEC.operations.items() if rule.needs_seen] == ["update"]


def test_two_proposals_from_one_event_are_two_commands() -> None:
    source = {"eventId": "event-1"}
    asked = [order_request_json(), order_request_json(code={"text": "lipids"}), order_request_json(code={"text": "x"})]
    assert len({derived_key(parsed(action, source=source), "visits") for action in asked}) == len(asked)


def test_the_receipt_says_that_nothing_was_ordered() -> None:
    assert "nothing was ordered" in SPEC.receipt_note
