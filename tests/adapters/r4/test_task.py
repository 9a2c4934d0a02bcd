from typing import Any

import pytest

from adapters.fhir_r4 import ADAPTER
from adapters.r4.comparable import comparable
from adapters.r4.task import STATUS_MOVES
from adapters.r4.validity import STATUS, problems
from adapters.site import Site
from canonical import exact_json
from canonical.errors import NeedsPersonError, UnsupportedActionError
from canonical.ports import Fetched, Resource, Surrounding
from tests.adapters.commands import PATIENT, command, number

BASE = "https://ehr.example/fhir"
SITE = Site(base_url=BASE)
NURSE = {"role": "nurse", "reference": "Practitioner/n1"}
CREATE: dict[str, Any] = {
    "type": "CareTask",
    "operation": "create",
    "code": {"text": "call back"},
    "description": "Call her about the missed doses",
    "intent": "plan",
    "priority": "asap",
    "owner": {"reference": "CareTeam/t1"},
    "performerType": [{"text": "nurse"}],
    "requester": {"reference": "Practitioner/d1"},
    "restriction": {"period": {"end": "2026-12-01"}, "recipient": [{"reference": PATIENT}], "repetitions": 2},
    "focus": {"reference": "MedicationStatement/m1"},
    "basedOn": [{"reference": "CarePlan/p1"}],
    "reasonCode": {"text": "adherence"},
    "reasonReference": {"reference": "Condition/c1"},
    "authoredOn": "2026-11-22T08:15:00-05:00",
    "businessStatus": {"text": "new"},
    "note": [{"text": "mornings only"}],
}
OUTPUT = [
    {"type": {"text": "calls"}, "valueQuantity": {"value": number("2.0"), "unit": "calls"}},
    {"type": {"text": "reached"}, "valueBoolean": True},
]
SAID: dict[str, dict[str, Any]] = {
    "update": {"priority": "stat", "owner": None, "executionPeriod": {"start": "2026-11-22"}},
    "complete": {"output": OUTPUT, "executionPeriod": {"start": "2026-11-20", "end": "2026-11-22"}},
    "cancel": {"statusReason": {"text": "she came in herself"}},
}


def action(operation: str, **over: Any) -> dict[str, Any]:
    return {"type": "CareTask", "operation": operation, **SAID[operation], **over}


def built(action: dict[str, Any], current: Resource | None = None, **envelope: Any) -> dict[str, Any]:
    around = Surrounding()
    if current is not None:
        envelope |= {"target": {"reference": "Task/t1", "versionId": "3"}}
        around = Surrounding(current=Fetched(resource=current, version="3"))
    (operation,) = ADAPTER.plan(command(action, **envelope), around, SITE)
    resource: dict[str, Any] = exact_json.parse(operation.body)
    return resource


def in_chart(**over: Any) -> dict[str, Any]:
    own = {"id": "t1", "meta": {"versionId": "3"}, "lastModified": "2026-11-22T13:16:00Z"}
    return {**built(CREATE), **own, "input": [{"type": {"text": "label"}, "valueString": "x"}], **over}


def changed(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


@pytest.mark.parametrize("said", [CREATE, action("complete"), action("update")], ids=["create", "complete", "update"])
def test_every_field_survives_into_the_chart_and_back(said: dict[str, Any]) -> None:
    resource = built(said) if said is CREATE else built(said, in_chart())
    assert problems(resource) == frozenset()
    projection = ADAPTER.project(resource, SITE)
    for name in set(said) - {"type", "operation"}:
        assert projection.get(name) == comparable(said[name], BASE), name


def test_a_new_task_is_requested_for_the_patient_and_only_proposes() -> None:
    minimal = {name: CREATE[name] for name in ("type", "operation", "description", "owner")}
    resource = built(minimal, author=NURSE, encounter={"reference": "Encounter/e1"})
    assert (resource["status"], resource["intent"], resource["for"]) == (
        "requested",
        "proposal",
        {"reference": PATIENT},
    )
    assert "subject" not in resource
    assert resource["requester"] == {"reference": "Practitioner/n1"}
    projection = ADAPTER.project(resource, SITE)
    assert (projection["subject"], projection["encounter"]) == (resource["for"], {"reference": "Encounter/e1"})


def test_whoever_asks_stands_in_the_author_s_place_where_they_are_named() -> None:
    assert built(CREATE, author=NURSE)["requester"] == CREATE["requester"]


@pytest.mark.parametrize("status", sorted(STATUS["Task"]))
@pytest.mark.parametrize("operation", sorted(STATUS_MOVES))
def test_each_operation_leads_from_where_it_may_to_where_it_should(operation: str, status: str) -> None:
    allowed, leads_to = STATUS_MOVES[operation]
    if status in allowed:
        assert built(action(operation), in_chart(status=status))["status"] == (leads_to or status)
        return
    with pytest.raises(NeedsPersonError) as caught:
        built(action(operation), in_chart(status=status))
    revives = status == "entered-in-error" and operation != "cancel"
    assert caught.value.kind == ("status_backwards" if revives else "status_ended")


def test_what_has_ended_stays_ended() -> None:
    ended = {"completed", "cancelled", "failed", "rejected", "entered-in-error"}
    assert not [name for name, (allowed, _) in STATUS_MOVES.items() if allowed & ended]


@pytest.mark.parametrize(
    ("operation", "touched"),
    [
        ("update", {"priority", "owner", "executionPeriod"}),
        ("complete", {"status", "output", "executionPeriod"}),
        ("cancel", {"status", "statusReason"}),
    ],
)
def test_an_operation_touches_only_what_it_says(operation: str, touched: set[str]) -> None:
    before = in_chart()
    assert changed(before, built(action(operation), before)) == {*touched, "identifier", "lastModified"}


def test_the_ehr_may_say_anew_when_a_task_was_modified_and_nothing_else() -> None:
    (operation,) = ADAPTER.plan(
        command(action("cancel"), target={"reference": "Task/t1", "versionId": "3"}),
        Surrounding(current=Fetched(resource=in_chart(), version="3")),
        SITE,
    )
    stored = exact_json.parse(operation.body) | {"lastModified": "2026-11-22T15:00:00Z"}
    assert ADAPTER.differences(operation, stored, SITE) == ()
    assert ADAPTER.differences(operation, stored | {"status": "completed"}, SITE) == ("status",)


def test_a_task_of_another_patient_or_another_kind_is_not_ended() -> None:
    for over, kind in (
        ({"for": {"reference": "Patient/p2"}}, "wrong_patient"),
        ({"code": {"text": "send a letter"}}, "other_task"),
    ):
        with pytest.raises(NeedsPersonError) as caught:
            built(action("complete", code={"text": "call back"}), in_chart(**over))
        assert caught.value.kind == kind


def test_only_an_update_may_say_what_the_task_is() -> None:
    assert built(action("update", code={"text": "visit"}), in_chart())["code"] == {"text": "visit"}


@pytest.mark.parametrize(("operation", "name"), [("complete", "priority"), ("cancel", "output"), ("update", "intent")])
def test_what_an_operation_would_drop_is_refused(operation: str, name: str) -> None:
    with pytest.raises(UnsupportedActionError, match=name):
        built(action(operation, **{name: {**CREATE, "output": OUTPUT}[name]}), in_chart())
