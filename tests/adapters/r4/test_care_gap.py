from typing import Any

import pytest

from adapters.fhir_r4 import ADAPTER
from adapters.r4.care_gap import FIELDS, is_closure
from adapters.r4.validity import STATUS, problems
from adapters.site import Site
from canonical import exact_json
from canonical.compound import part_urn
from canonical.errors import NeedsPersonError, UnsupportedActionError
from canonical.ports import Fetched, Operation, Resource, Surrounding
from tests.adapters.commands import BLOOD_PRESSURE, COMMAND_ID, PATIENT, START, WEIGHT, command
from tests.adapters.r4 import test_task as tasks

SITE = Site(base_url="https://ehr.example/fhir")
NURSE = {"role": "nurse", "reference": "Practitioner/n1"}
CLOSE: dict[str, Any] = {
    "type": "CareGapClosure",
    "operation": "close",
    "measure": {"coding": [{"system": "urn:measures", "code": "CMS165"}], "text": "Controlling high blood pressure"},
    "gapIdentifier": {"system": "urn:gaps", "value": "gap-17"},
    "description": "Blood pressure taken at the visit",
    "executionPeriod": {"start": "2026-11-22", "end": "2026-11-22T08:15:00-05:00"},
    "owner": {"reference": "Practitioner/n2"},
    "evidence": [BLOOD_PRESSURE, START],
    "evidenceReference": [{"reference": "Observation/o7", "display": "last weight"}],
    "note": [{"text": "left arm"}],
}
RETRACT: dict[str, Any] = {
    "type": "CareGapClosure",
    "operation": "retract",
    "statusReason": {"text": "the cuff was broken"},
    "note": [{"text": "to be measured again"}],
}


def operations(action: dict[str, Any], current: Resource | None = None, **envelope: Any) -> list[Operation]:
    around = Surrounding()
    if current is not None:
        envelope |= {"target": {"reference": "Task/t1", "versionId": "3"}}
        around = Surrounding(current=Fetched(resource=current, version="3"))
    return list(ADAPTER.plan(command(action, **envelope), around, SITE))


def built(action: dict[str, Any], current: Resource | None = None, **envelope: Any) -> dict[str, Any]:
    """The closure itself, which is written last."""
    resource: dict[str, Any] = exact_json.parse(operations(action, current, **envelope)[-1].body)
    return resource


def in_chart(**over: Any) -> dict[str, Any]:
    return {**built(CLOSE), "id": "t1", "meta": {"versionId": "3"}, **over}


def kind(action: dict[str, Any], current: Resource) -> str:
    with pytest.raises(NeedsPersonError) as caught:
        operations(action, current)
    return caught.value.kind


def test_evidence_is_planned_first_in_its_order_and_the_closure_is_what_later_commands_mean() -> None:
    planned = operations(CLOSE)
    assert [(item.seq, item.resource_type, item.is_primary) for item in planned] == [
        (1, "Observation", False),
        (2, "MedicationStatement", False),
        (3, "Task", True),
    ]
    assert len({item.mark for item in planned}) == 3


def test_the_closure_refers_to_the_evidence_to_come_and_to_that_of_the_chart() -> None:
    outputs = built(CLOSE)["output"]
    named = [{"reference": part_urn(COMMAND_ID, number)} for number in (1, 2)]
    assert [item["valueReference"] for item in outputs] == [*named, *CLOSE["evidenceReference"]]
    assert {item["type"]["coding"][0]["code"] for item in outputs} == {"evidence"}


def test_a_closure_is_done_authorises_nothing_and_says_that_the_gap_is_closed() -> None:
    closure = built(CLOSE, encounter={"reference": "Encounter/e1"})
    assert (closure["status"], closure["intent"]) == ("completed", "plan")
    assert closure["businessStatus"]["coding"][0]["code"] == "closed-gap"
    assert closure["for"] == {"reference": PATIENT}
    assert closure["encounter"] == {"reference": "Encounter/e1"}
    assert problems(closure) == frozenset()


def test_the_author_closed_it_unless_somebody_else_is_named() -> None:
    unnamed = {name: value for name, value in CLOSE.items() if name != "owner"}
    assert built(unnamed, author=NURSE)["owner"] == {"reference": "Practitioner/n1"}
    assert built(CLOSE, author=NURSE)["owner"] == CLOSE["owner"]
    assert "owner" not in built(unnamed)


def test_all_that_a_closure_says_is_read_back_as_it_was_said() -> None:
    told = ADAPTER.project(built(CLOSE), SITE)
    for field in FIELDS:
        if field.name not in {"evidenceReference", "statusReason"}:
            assert field.name in told, field.name
    assert told["evidenceReference"][-1] == {"reference": "Observation/o7"}
    assert told["gapIdentifier"] == CLOSE["gapIdentifier"]


def test_a_task_to_be_done_has_nothing_of_a_closure() -> None:
    asked = {**tasks.built(tasks.CREATE), "output": [{"type": {"text": "x"}, "valueReference": {"reference": "X/1"}}]}
    assert not is_closure(asked)
    assert is_closure(built(CLOSE))
    assert not {"measure", "gapIdentifier", "evidenceReference"} & set(ADAPTER.project(asked, SITE))


def test_a_retraction_marks_the_closure_as_an_error_and_keeps_what_it_said() -> None:
    before = in_chart(lastModified="2026-11-22T13:15:00Z")
    after = built(RETRACT, before)
    assert after["status"] == "entered-in-error"
    assert after["statusReason"] == RETRACT["statusReason"]
    assert [note["text"] for note in after["note"]] == ["left arm", "to be measured again"]
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert changed == {"status", "statusReason", "note", "lastModified", "identifier"}
    (operation,) = operations(RETRACT, before)
    assert operation.if_match == "3"


@pytest.mark.parametrize("status", sorted(STATUS["Task"] - {"completed"}))
def test_only_what_is_done_can_be_taken_back(status: str) -> None:
    assert kind(RETRACT, in_chart(status=status)) == "status_ended"


def test_a_retraction_names_no_other_gap_and_no_other_task() -> None:
    other = {"system": "urn:gaps", "value": "gap-18"}
    assert kind({**RETRACT, "gapIdentifier": other}, in_chart()) == "other_task"
    assert kind({**RETRACT, "measure": {"text": "weight"}}, in_chart()) == "other_task"
    assert kind(RETRACT, {**tasks.built(tasks.CREATE), "id": "t1", "status": "completed"}) == "other_task"
    named = {**RETRACT, "measure": CLOSE["measure"], "gapIdentifier": CLOSE["gapIdentifier"]}
    assert built(named, in_chart())["status"] == "entered-in-error"


def test_a_retraction_changes_nothing_else() -> None:
    with pytest.raises(UnsupportedActionError, match="description"):
        operations({**RETRACT, "description": "x"}, in_chart())


def test_labels_of_a_closure_are_those_of_its_evidence() -> None:
    labelled = Site(base_url=SITE.base_url, options={"keeps_security_labels": True})
    label = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
    sent = command({**CLOSE, "evidence": [WEIGHT]}, securityLabel=[label])
    planned = ADAPTER.plan(sent, Surrounding(), labelled)
    assert [exact_json.parse(item.body)["meta"]["security"] for item in planned] == [[label], [label]]
