from typing import Any

import pytest

from adapters.fhir_r4 import ADAPTER
from adapters.r4.comparable import comparable
from adapters.r4.service_request import PROPOSES
from adapters.r4.validity import STATUS, problems
from canonical import exact_json
from canonical.errors import NeedsPersonError, UnsupportedActionError
from canonical.order_rules import OCCURRENCE, TAKES
from canonical.ports import Resource
from tests.adapters.commands import PATIENT, number
from tests.adapters.r4.lists import BASE, SITE, changed, planned
from tests.adapters.r4.lists import built as built_for
from tests.record_factories import order_request_json

PROPOSE: dict[str, Any] = order_request_json()
FULL: dict[str, Any] = {
    **PROPOSE,
    "orderDetail": [{"text": "fasting"}],
    "category": [{"text": "laboratory"}],
    "intent": "plan",
    "priority": "asap",
    "quantityQuantity": {"value": number("2.0"), "unit": "samples"},
    "occurrenceDateTime": "2027-01",
    "requester": {"reference": "Practitioner/n1"},
    "performerType": {"text": "laboratory"},
    "performer": [{"reference": "Organization/lab"}],
    "reasonCode": [{"text": "type 2 diabetes"}],
    "reasonReference": [{"reference": "Condition/c1"}],
    "supportingInfo": [{"reference": "Observation/o1"}],
    "basedOn": [{"reference": "CarePlan/p1"}],
    "specimen": [{"reference": "Specimen/s1"}],
    "bodySite": [{"text": "left arm"}],
    "patientInstruction": "Do not eat for eight hours.",
    "authoredOn": "2026-11-22T08:15:00-05:00",
    "note": [{"text": "asked for by her daughter"}],
}
OTHER_TIMES: dict[str, Any] = {
    "occurrencePeriod": {"start": "2027-01", "end": "2027-02"},
    "occurrenceTiming": {"repeat": {"frequency": 1, "period": number("3.0"), "periodUnit": "mo"}},
}
CANCEL: dict[str, Any] = order_request_json("cancel")


def of(operation: str, **over: Any) -> dict[str, Any]:
    return order_request_json(operation, **over)


def built(action: dict[str, Any], current: Resource | None = None, **more: Any) -> dict[str, Any]:
    seen = {"status": current["status"]} if current else None
    return built_for(action, current, seen=seen, **more)


def in_chart(**over: Any) -> dict[str, Any]:
    return {**built(FULL), "id": "s1", **over}


@pytest.mark.parametrize("time", OCCURRENCE)
def test_every_field_survives_into_the_chart_and_back(time: str) -> None:
    said = {
        **{name: value for name, value in FULL.items() if name not in OCCURRENCE},
        time: {**FULL, **OTHER_TIMES}[time],
    }
    resource = built(said)
    assert problems(resource) == frozenset()
    projection = ADAPTER.project(resource, SITE)
    for name in set(said) - {"type", "operation"}:
        assert projection.get(name) == comparable(said[name], BASE), name


def test_a_proposal_is_a_draft_for_the_patient_by_its_author() -> None:
    nurse = {"reference": "Practitioner/n7", "role": "nurse"}
    resource = built(PROPOSE, author=nurse, encounter={"reference": "Encounter/e1"})
    assert (resource["status"], resource["intent"], resource["subject"]) == (
        "draft",
        "proposal",
        {"reference": PATIENT},
    )
    assert resource["requester"] == {"reference": "Practitioner/n7"}
    assert ADAPTER.project(resource, SITE)["encounter"] == {"reference": "Encounter/e1"}
    assert built(FULL, author=nurse)["requester"] == FULL["requester"]


@pytest.mark.parametrize("intent", [None, *sorted(PROPOSES)])
def test_nothing_that_leaves_is_active_or_an_order(intent: str | None) -> None:
    made = built(of("propose", **({"intent": intent} if intent else {})))
    for resource in (made, built(of("update"), {**made, "id": "s1"})):
        assert (resource["status"], resource["intent"] in PROPOSES) == ("draft", True)
        assert "doNotPerform" not in resource
    assert built(CANCEL, {**made, "id": "s1"})["status"] == "revoked"


@pytest.mark.parametrize("status", sorted(STATUS["ServiceRequest"]))
@pytest.mark.parametrize("intent", ["proposal", "plan", "directive", "order", "original-order", "option"])
@pytest.mark.parametrize("operation", ["update", "cancel"])
def test_only_our_own_draft_is_changed_or_taken_back(operation: str, intent: str, status: str) -> None:
    current = in_chart(status=status, intent=intent)
    if status == "draft" and intent in PROPOSES:
        assert built(of(operation), current)["status"] == ("draft" if operation == "update" else "revoked")
        return
    with pytest.raises(NeedsPersonError) as caught:
        built(of(operation), current)
    if status == "entered-in-error" and operation == "update":
        assert caught.value.kind == "status_backwards"
        return
    ended = status in {"revoked", "completed", "entered-in-error"}
    assert caught.value.kind == ("status_ended" if ended else "not_ours_to_change")


@pytest.mark.parametrize("operation", ["update", "cancel"])
def test_a_clinician_s_draft_is_theirs(operation: str) -> None:
    for over in (
        {"identifier": [{"system": "urn:theirs", "value": "1"}]},
        {"identifier": [{"system": SITE.change_system, "value": "1"}]},
        {"doNotPerform": True},
    ):
        with pytest.raises(NeedsPersonError) as caught:
            built(of(operation), in_chart(**over))
        assert caught.value.kind == "not_ours_to_change"


def test_an_operation_touches_only_what_it_says() -> None:
    before = in_chart()
    assert changed(before, built(of("update"), before)) == {"priority", "identifier"}
    moved = built(of("update", priority=None, occurrencePeriod=OTHER_TIMES["occurrencePeriod"]), before)
    assert changed(before, moved) == {"priority", "occurrenceDateTime", "occurrencePeriod", "identifier"}
    assert changed(before, built(CANCEL, before)) == {"status", "extension", "identifier"}


def test_a_cancellation_says_why_and_of_what() -> None:
    after = built(CANCEL, in_chart())
    assert ADAPTER.project(after, SITE)["statusReason"] == CANCEL["statusReason"]
    assert after["extension"][0]["url"] == "http://hl7.org/fhir/StructureDefinition/request-statusReason"
    with pytest.raises(NeedsPersonError) as caught:
        built(of("cancel", code={"text": "lipids"}), in_chart())
    assert caught.value.kind == "other_request"


def test_another_patient_s_proposal_is_left_alone() -> None:
    with pytest.raises(NeedsPersonError) as caught:
        built(of("update"), in_chart(subject={"reference": "Patient/p2"}))
    assert caught.value.kind == "wrong_patient"


@pytest.mark.parametrize("name", sorted(set(TAKES["propose"]) - set(TAKES["update"])))
def test_what_an_operation_would_drop_is_refused(name: str) -> None:
    with pytest.raises(UnsupportedActionError, match=name):
        built(of("update", **{name: FULL[name]}), in_chart())
    with pytest.raises(UnsupportedActionError, match=name):
        built(of("cancel", **{name: FULL[name]}), in_chart())


def test_a_detail_without_what_it_is_one_of_does_not_leave() -> None:
    bare = {name: value for name, value in in_chart().items() if name != "code"}
    assert problems(bare) == {"ServiceRequest: prr-1"}
    assert problems(in_chart(intent="wish")) == {"ServiceRequest.intent: code-invalid"}


def test_an_order_that_came_of_it_is_noticed_when_it_is_read_back() -> None:
    (operation,) = planned(PROPOSE)
    stored = exact_json.parse(operation.body) | {"id": "s1"}
    assert ADAPTER.differences(operation, stored, SITE) == ()
    assert ADAPTER.differences(operation, stored | {"status": "active", "intent": "order"}, SITE) == (
        "intent",
        "status",
    )
