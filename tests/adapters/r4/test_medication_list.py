from typing import Any

import pytest

from adapters.fhir_r4 import ADAPTER
from adapters.r4.medication_list import FIELDS
from adapters.r4.validity import problems
from adapters.site import Site
from canonical import exact_json
from canonical.compound import part_urn
from canonical.errors import NeedsPersonError, TargetMovedError, UnsupportedActionError
from canonical.ports import Fetched, Interaction, Operation, Resource, Surrounding
from tests.adapters.commands import COMMAND_ID, METFORMIN, PATIENT, START, command, medication

SITE = Site(base_url="https://ehr.example/fhir")
ACKNOWLEDGED = {"by": {"value": "n-17"}, "when": "2026-11-22T08:16:00Z"}


def target(name: str, version: str = "5", **over: Any) -> dict[str, Any]:
    reference = f"MedicationStatement/{name}"
    seen = {"status": "active"}
    return {"reference": reference, "versionId": version, "seen": seen, "acknowledged": ACKNOWLEDGED, **over}


CHANGES = [
    {"action": medication("hold"), "target": target("m1")},
    {"action": START},
    {"action": medication("stop"), "target": target("m2")},
]
RECONCILE: dict[str, Any] = {
    "type": "MedicationReconciliation",
    "operation": "reconcile",
    "changes": CHANGES,
    "reviewed": [{"reference": "MedicationStatement/m3"}, {"reference": "MedicationRequest/r1"}],
    "date": "2026-11-22T08:15:00-05:00",
    "informationSource": {"reference": PATIENT},
    "informationSourceRole": "patient",
    "verifiedBy": {"reference": "Practitioner/d1"},
    "note": [{"text": "brought her boxes"}],
}
RETRACT: dict[str, Any] = {
    "type": "MedicationReconciliation",
    "operation": "retract",
    "retractReason": "of another patient",
    "note": [{"text": "told Dr. Ames"}],
}


def statement(name: str, **over: Any) -> dict[str, Any]:
    return {
        "resourceType": "MedicationStatement",
        "id": name,
        "status": "active",
        "medicationCodeableConcept": METFORMIN,
        "subject": {"reference": PATIENT},
        **over,
    }


def read(*entries: tuple[dict[str, Any], str] | None) -> Surrounding:
    """The targets of the changes as they were read, with their versions."""
    return Surrounding(parts=tuple(item and Fetched(resource=item[0], version=item[1]) for item in entries))


AS_SEEN = read((statement("m1"), "5"), None, (statement("m2"), "5"))


def operations(action: dict[str, Any], around: Surrounding, **envelope: Any) -> list[Operation]:
    return list(ADAPTER.plan(command(action, **envelope), around, SITE))


def built(action: dict[str, Any] = RECONCILE, around: Surrounding = AS_SEEN, **envelope: Any) -> dict[str, Any]:
    """The list itself, which is written last."""
    resource: dict[str, Any] = exact_json.parse(operations(action, around, **envelope)[-1].body)
    return resource


def retracted(current: Resource, **over: Any) -> dict[str, Any]:
    around = Surrounding(current=Fetched(resource=current, version="3"))
    return built({**RETRACT, **over}, around, target={"reference": "List/l1", "versionId": "3"})


def in_chart(**over: Any) -> dict[str, Any]:
    return {**built(), "id": "l1", "meta": {"versionId": "3"}, **over}


def test_changes_are_planned_in_their_order_each_under_its_author_s_version_and_then_the_list() -> None:
    planned = operations(RECONCILE, AS_SEEN)
    assert [(item.interaction, item.resource_type, item.reference, item.if_match) for item in planned] == [
        (Interaction.UPDATE, "MedicationStatement", "MedicationStatement/m1", "5"),
        (Interaction.CREATE, "MedicationStatement", None, None),
        (Interaction.UPDATE, "MedicationStatement", "MedicationStatement/m2", "5"),
        (Interaction.CREATE, "List", None, None),
    ]
    assert [item.is_primary for item in planned] == [False, False, False, True]
    assert len({item.mark for item in planned}) == 4
    assert [exact_json.parse(item.body)["status"] for item in planned] == ["on-hold", "active", "stopped", "current"]


def test_the_list_refers_to_what_was_written_and_to_what_stays_each_flagged_with_what_was_done() -> None:
    entries = built()["entry"]
    urns = [part_urn(COMMAND_ID, number) for number in (1, 2, 3)]
    named = [item["reference"] for item in RECONCILE["reviewed"]]
    assert [item["item"]["reference"] for item in entries] == [*urns, *named]
    flags = [item["flag"]["coding"][0]["code"] for item in entries]
    assert flags == ["hold", "start", "stop", "unchanged", "unchanged"]


def test_a_list_is_a_current_snapshot_of_medication_use_and_valid() -> None:
    written = built(encounter={"reference": "Encounter/e1"})
    assert (written["status"], written["mode"], written["subject"]) == ("current", "snapshot", {"reference": PATIENT})
    assert written["code"]["coding"] == [{"system": "http://loinc.org", "code": "10160-0"}]
    assert written["encounter"] == {"reference": "Encounter/e1"}
    assert written["source"] == RECONCILE["verifiedBy"]
    assert problems(written) == frozenset()


def test_all_that_a_review_says_is_read_back_as_it_was_said() -> None:
    told = ADAPTER.project(built(), SITE)
    assert {field.name for field in FIELDS} - {"retractReason"} <= set(told)
    assert told["reviewed"] == RECONCILE["reviewed"]


def test_a_review_without_changes_is_one_list_and_one_without_anything_unchanged_has_no_such_entry() -> None:
    unchanged = {name: value for name, value in RECONCILE.items() if name != "changes"}
    (operation,) = operations(unchanged, Surrounding())
    assert operation.resource_type == "List"
    changed = {name: value for name, value in RECONCILE.items() if name != "reviewed"}
    assert len(built(changed)["entry"]) == len(CHANGES)


@pytest.mark.parametrize("place", [0, 2])
def test_one_change_whose_entry_moved_stops_the_whole_before_anything_is_sent(place: int) -> None:
    entries = [(statement("m1"), "5"), None, (statement("m2"), "5")]
    resource = statement(f"m{place // 2 + 1}")
    entries[place] = (resource, "6")
    with pytest.raises(TargetMovedError):
        operations(RECONCILE, read(*entries))
    entries[place] = ({**resource, "status": "on-hold"}, "5")
    with pytest.raises(TargetMovedError):
        operations(RECONCILE, read(*entries))


def test_an_order_on_the_list_is_not_changed() -> None:
    order = {
        "resourceType": "MedicationRequest",
        "id": "r9",
        "status": "active",
        "intent": "order",
        "subject": {"reference": PATIENT},
    }
    change = {"action": medication("stop"), "target": target("m1", reference="MedicationRequest/r9")}
    with pytest.raises(NeedsPersonError) as caught:
        operations({**RECONCILE, "changes": [change]}, read((order, "5")))
    assert caught.value.kind == "not_ours_to_change"


def test_another_patient_s_entry_is_not_changed() -> None:
    theirs = statement("m1", subject={"reference": "Patient/p2"})
    with pytest.raises(NeedsPersonError) as caught:
        operations(RECONCILE, read((theirs, "5"), None, (statement("m2"), "5")))
    assert caught.value.kind == "wrong_patient"


def test_a_retraction_marks_the_list_as_an_error_and_keeps_what_it_said() -> None:
    before = in_chart()
    after = retracted(before)
    assert after["status"] == "entered-in-error"
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert changed == {"status", "extension", "note", "identifier"}
    assert ADAPTER.project(after, SITE)["retractReason"] == RETRACT["retractReason"]
    assert [note["text"] for note in after["note"]] == ["brought her boxes", "told Dr. Ames"]


@pytest.mark.parametrize(
    ("over", "kind"),
    [
        ({"status": "retired"}, "status_ended"),
        ({"status": "entered-in-error"}, "status_ended"),
        ({"mode": "working"}, "other_list"),
        ({"code": {"text": "problems"}}, "other_list"),
    ],
)
def test_only_a_current_review_of_medications_is_taken_back(over: dict[str, Any], kind: str) -> None:
    with pytest.raises(NeedsPersonError) as caught:
        retracted(in_chart(**over))
    assert caught.value.kind == kind


def test_a_retraction_changes_nothing_else() -> None:
    with pytest.raises(UnsupportedActionError, match="date"):
        retracted(in_chart(), date="2026")


def test_a_list_that_r4_does_not_allow_is_noticed() -> None:
    written = built()
    assert problems({**written, "emptyReason": {"text": "x"}}) == {"List: lst-1"}
    assert problems({**written, "entry": [{**written["entry"][0], "deleted": True}]}) == {"List: lst-2"}
    assert problems({**written, "mode": "final"}) == {"List.mode: code-invalid"}
