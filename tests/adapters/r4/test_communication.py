from typing import Any

import pytest

from adapters.fhir_r4 import ADAPTER
from adapters.r4.communication import ENDED
from adapters.r4.comparable import comparable
from adapters.r4.validity import STATUS, problems
from adapters.site import Site
from canonical import exact_json
from canonical.errors import NeedsPersonError, UnsupportedActionError
from canonical.ports import Fetched, Resource, Surrounding
from tests.adapters.commands import PATIENT, command

BASE = "https://ehr.example/fhir"
SITE = Site(base_url=BASE)
NURSE = {"role": "nurse", "reference": "Practitioner/n1", "identifier": {"system": "urn:example:staff", "value": "n-1"}}
MESSAGE: dict[str, Any] = {
    "type": "CareMessage",
    "operation": "send",
    "category": [{"text": "notification"}],
    "topic": {"text": "Missed doses"},
    "payload": [{"contentString": "took no\r\nlisinopril  "}, {"contentString": "since Friday"}],
    "recipient": [{"reference": "Practitioner/d1"}, {"identifier": {"system": "urn:example:team", "value": "t-1"}}],
    "priority": "urgent",
    "about": [{"reference": "MedicationStatement/m1"}],
    "inResponseTo": [{"reference": "Communication/c0"}],
    "reasonCode": [{"text": "adherence"}],
    "sent": "2026-11-22T08:15:00-05:00",
    "note": [{"text": "by telephone"}],
}
RETRACT: dict[str, Any] = {
    "type": "CareMessage",
    "operation": "retract",
    "topic": {"text": "missed  doses"},
    "statusReason": {"text": "another patient"},
}


def built(action: dict[str, Any], current: Resource | None = None, **envelope: Any) -> dict[str, Any]:
    around = Surrounding()
    if current is not None:
        envelope |= {"target": {"reference": "Communication/c1", "versionId": "3"}}
        around = Surrounding(current=Fetched(resource=current, version="3"))
    (operation,) = ADAPTER.plan(command(action, **envelope), around, SITE)
    resource: dict[str, Any] = exact_json.parse(operation.body)
    return resource


def in_chart(**over: Any) -> dict[str, Any]:
    return {**built(MESSAGE), "id": "c1", "meta": {"versionId": "3"}, "medium": [{"text": "inbox"}], **over}


def test_every_field_survives_into_the_chart_and_back() -> None:
    resource = built(MESSAGE)
    assert problems(resource) == frozenset()
    projection = ADAPTER.project(resource, SITE)
    for name in set(MESSAGE) - {"type", "operation"}:
        assert projection[name] == comparable(MESSAGE[name], BASE), name


def test_a_message_is_complete_about_the_patient_and_from_its_author() -> None:
    resource = built(MESSAGE, author=NURSE, encounter={"reference": "Encounter/e1"})
    assert (resource["status"], resource["subject"]) == ("completed", {"reference": PATIENT})
    assert resource["sender"] == {name: NURSE[name] for name in ("reference", "identifier")}
    assert ADAPTER.project(resource, SITE)["encounter"] == {"reference": "Encounter/e1"}


def test_an_author_whom_nobody_named_is_not_invented() -> None:
    assert "sender" not in built(MESSAGE, author={"role": "nurse"})


def test_a_retraction_changes_status_reason_note_and_mark_only() -> None:
    before = in_chart()
    after = built({**RETRACT, "note": [{"text": "told the recipients"}]}, before)
    assert after["status"] == "entered-in-error"
    assert after["note"] == [*MESSAGE["note"], {"text": "told the recipients"}]
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert changed == {"status", "statusReason", "note", "identifier"}


@pytest.mark.parametrize("status", sorted(STATUS["Communication"]))
def test_what_was_not_sent_or_is_an_error_is_not_taken_back(status: str) -> None:
    if status not in ENDED:
        assert built(RETRACT, in_chart(status=status))["status"] == "entered-in-error"
        return
    with pytest.raises(NeedsPersonError) as caught:
        built(RETRACT, in_chart(status=status))
    assert caught.value.kind == "status_ended"


def test_a_message_about_something_else_is_not_taken_back() -> None:
    with pytest.raises(NeedsPersonError) as caught:
        built(RETRACT, in_chart(topic={"text": "Dizziness"}))
    assert caught.value.kind == "other_message"


def test_another_patient_s_message_is_not_taken_back() -> None:
    with pytest.raises(NeedsPersonError) as caught:
        built(RETRACT, in_chart(subject={"reference": "Patient/p2"}))
    assert caught.value.kind == "wrong_patient"


def test_what_a_retraction_would_drop_is_refused() -> None:
    with pytest.raises(UnsupportedActionError, match="priority"):
        built({**RETRACT, "priority": "stat"}, in_chart())
