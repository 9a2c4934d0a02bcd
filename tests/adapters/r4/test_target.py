from dataclasses import replace
from typing import Any

import pytest

from adapters.fhir_r4 import ADAPTER
from adapters.r4.adapter import R4Adapter
from adapters.site import Site
from canonical.capabilities import Interaction, PreconditionKind
from canonical.errors import NeedsPersonError, TargetMovedError, UnsupportedActionError
from canonical.ports import Fetched, Operation, Surrounding
from tests.adapters.commands import DOSAGE, KG, METFORMIN, WEIGHT, command, medication, number
from tests.adapters.r4.test_medication_statement import in_chart
from tests.adapters.r4.test_observation import in_chart as reading_in_chart

SITE = Site(base_url="https://ehr.example/fhir")
AS_SEEN = {"status": "active", "medication": METFORMIN}
#: How a version comes to be: the author's (3) or a later one that somebody else made (4).
AUTHORS, LATER = "3", "4"


def planned(
    *,
    now: str | None,
    version_id: str | None = None,
    seen: dict[str, Any] | None = None,
    known: tuple[str, ...] = (),
    chart: dict[str, Any] | None = None,
) -> Operation:
    """Plan a hold whose author saw ``version_id`` and ``seen``, while the chart has version ``now``."""
    target = {"reference": "MedicationStatement/m1", "versionId": version_id, "seen": seen}
    said = {name: value for name, value in target.items() if value is not None}
    current = Fetched(resource=chart or in_chart(), version=now)
    around = Surrounding(current=current)
    (operation,) = ADAPTER.plan(command(medication("hold"), target=said, known_versions=known), around, SITE)
    return operation


def test_precondition_is_the_authors_version() -> None:
    operation = planned(now=AUTHORS, version_id=AUTHORS, seen=AS_SEEN)
    assert (operation.if_match, operation.rebased) == (AUTHORS, False)
    assert ADAPTER.request(operation, SITE).headers["If-Match"] == f'W/"{AUTHORS}"'


@pytest.mark.parametrize("seen", [None, AS_SEEN])
def test_version_that_was_merely_read_is_never_the_precondition(seen: dict[str, Any] | None) -> None:
    """Reading, then sending If-Match with what was just read, would overwrite any edit unseen: nothing may be planned at all."""
    with pytest.raises(TargetMovedError):
        planned(now=LATER, version_id=AUTHORS, seen=seen)


def test_version_made_by_our_own_earlier_commands_is_followed() -> None:
    operation = planned(now=LATER, version_id=AUTHORS, seen={"status": "on-hold"}, known=("9", LATER))
    assert (operation.if_match, operation.rebased) == (LATER, False)
    assert planned(now=LATER, known=(LATER,)).if_match == LATER


def test_without_a_version_what_the_author_saw_must_still_hold() -> None:
    operation = planned(now=LATER, seen=AS_SEEN)
    assert (operation.if_match, operation.rebased) == (LATER, True)


@pytest.mark.parametrize(
    "seen",
    [
        {**AS_SEEN, "status": "on-hold"},
        {**AS_SEEN, "medication": {"text": "metformin"}},
        {**AS_SEEN, "statusReason": [{"text": "x"}]},
        {**AS_SEEN, "dosage": [{"text": "2 tablets"}]},
        {**AS_SEEN, "notAField": None},
        {**AS_SEEN, "notAField": "x"},
        None,
    ],
    ids=["status", "medication", "reason", "dosage", "unknown and null", "unknown", "no seen"],
)
def test_without_a_version_any_other_picture_is_a_conflict(seen: dict[str, Any] | None) -> None:
    with pytest.raises(TargetMovedError):
        planned(now=LATER, seen=seen)


def test_having_seen_nothing_is_no_picture_that_could_still_hold() -> None:
    """The door refuses an empty ``seen``; were one to come through, "every field of it" would hold of any chart."""
    held = command(medication("hold"), target={"reference": "MedicationStatement/m1", "seen": AS_SEEN})
    target = held.envelope.target
    assert target is not None
    envelope = held.envelope.model_copy(update={"target": target.model_copy(update={"seen": {}})})
    with pytest.raises(TargetMovedError):
        ADAPTER.plan(
            held.evolve(envelope=envelope), Surrounding(current=Fetched(resource=in_chart(), version=LATER)), SITE
        )


def test_same_version_with_another_picture_is_a_conflict() -> None:
    with pytest.raises(TargetMovedError):
        planned(now=AUTHORS, version_id=AUTHORS, seen={**AS_SEEN, "status": "stopped"})
    with pytest.raises(TargetMovedError):
        planned(now=AUTHORS, version_id=AUTHORS, seen={**AS_SEEN, "status": "stopped"}, known=(AUTHORS,))


def test_versions_are_equal_or_not_and_never_near() -> None:
    for now, version_id in (("10", "1"), ("3", "03"), ("0", "00"), ("a", "A")):
        with pytest.raises(TargetMovedError):
            planned(now=now, version_id=version_id)


def test_target_without_a_version_cannot_be_guarded() -> None:
    with pytest.raises(NeedsPersonError) as caught:
        planned(now=None, seen=AS_SEEN)
    assert caught.value.kind == "unversioned_target"


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"subject": {"reference": "Patient/p2"}}, "wrong_patient"),
        ({"subject": {"reference": "https://other.example/fhir/Patient/p1"}}, "wrong_patient"),
        ({"subject": {"reference": "Group/p1"}}, "wrong_patient"),
        ({"subject": {"identifier": {"value": "p1"}}}, "wrong_patient"),
        ({"subject": None}, "wrong_patient"),
        ({"id": "m2"}, "wrong_target"),
    ],
)
def test_target_of_anybody_else_is_not_touched(change: dict[str, Any], kind: str) -> None:
    with pytest.raises(NeedsPersonError) as caught:
        planned(now=AUTHORS, version_id=AUTHORS, chart={**in_chart(), **change})
    assert caught.value.kind == kind


def test_patient_of_this_ehr_may_be_named_by_its_full_address() -> None:
    chart = in_chart(subject={"reference": f"{SITE.base_url}/Patient/p1"})
    assert planned(now=AUTHORS, version_id=AUTHORS, chart=chart).if_match == AUTHORS


@pytest.mark.parametrize("current", [None, Fetched(resource=None)])
def test_target_that_is_not_there_is_gone(current: Fetched | None) -> None:
    target = {"reference": "MedicationStatement/m1", "versionId": "3", "seen": AS_SEEN}
    with pytest.raises(NeedsPersonError) as caught:
        ADAPTER.plan(command(medication("hold"), target=target), Surrounding(current=current), SITE)
    assert caught.value.kind == "gone"


def request_in_chart(**over: Any) -> Fetched:
    resource = {
        "resourceType": "MedicationRequest",
        "id": "r1",
        "status": "active",
        "intent": "order",
        "subject": {"reference": "Patient/p1"},
        "medicationCodeableConcept": METFORMIN,
        **over,
    }
    return Fetched(resource=resource, version="3")


def hold_request(current: Fetched) -> None:
    target = {"reference": "MedicationRequest/r1", "versionId": "3", "seen": AS_SEEN}
    ADAPTER.plan(command(medication("hold"), target=target), Surrounding(current=current), SITE)


@pytest.mark.parametrize("intent", ["order", "original-order", "reflex-order", "filler-order", "instance-order"])
@pytest.mark.parametrize(
    "reported", [{}, {"reportedBoolean": False}, {"reportedReference": {"reference": "Patient/p1"}}]
)
def test_prescribers_order_is_not_ours_to_change(intent: str, reported: dict[str, Any]) -> None:
    with pytest.raises(NeedsPersonError) as caught:
        hold_request(request_in_chart(intent=intent, **reported))
    assert caught.value.kind == "not_ours_to_change"


def test_order_of_another_patient_is_first_of_all_the_wrong_patient() -> None:
    with pytest.raises(NeedsPersonError) as caught:
        hold_request(request_in_chart(subject={"reference": "Patient/p2"}))
    assert caught.value.kind == "wrong_patient"


@pytest.mark.parametrize("over", [{"intent": "plan"}, {"reportedBoolean": True}])
def test_requests_that_are_no_orders_are_not_where_this_ehr_keeps_the_list(over: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedActionError):
        hold_request(request_in_chart(**over))


def test_reading_is_corrected_on_what_its_author_saw() -> None:
    seen = {"valueQuantity": {"value": number("72.5"), **KG}, "effectiveDateTime": "2026-11-22T13:15:00Z"}
    target = {"reference": "Observation/o1", "seen": seen}
    action = {**WEIGHT, "operation": "correct"}
    around = Surrounding(current=Fetched(resource=reading_in_chart(), version="7"))
    (operation,) = ADAPTER.plan(command(action, target=target), around, SITE)
    assert (operation.if_match, operation.rebased) == ("7", True)
    moved = reading_in_chart(valueQuantity={"value": number("72.6"), **KG})
    with pytest.raises(TargetMovedError):
        ADAPTER.plan(command(action, target=target), Surrounding(current=Fetched(resource=moved, version="7")), SITE)


def test_operation_is_the_same_on_every_attempt() -> None:
    assert planned(now=AUTHORS, version_id=AUTHORS) == planned(now=AUTHORS, version_id=AUTHORS)
    first, second = (ADAPTER.plan(command(WEIGHT), Surrounding(), SITE) for _ in range(2))
    assert first == second


def without_guard(*, seen: dict[str, Any] | None, accepts: Any, version_id: str | None = AUTHORS) -> Operation:
    """Plan a hold at an EHR that has no precondition for updates."""
    assert isinstance(ADAPTER, R4Adapter)
    key = ("MedicationStatement", Interaction.UPDATE)
    write = replace(ADAPTER.capabilities.writes[key], precondition=PreconditionKind.READ_COMPARE)
    capabilities = replace(ADAPTER.capabilities, writes={**ADAPTER.capabilities.writes, key: write})
    adapter = replace(ADAPTER, capabilities=capabilities)
    target = {"reference": "MedicationStatement/m1", "versionId": version_id, "seen": seen}
    said = {name: value for name, value in target.items() if value is not None}
    around = Surrounding(current=Fetched(resource=in_chart(), version=AUTHORS))
    site = Site(base_url=SITE.base_url, options={"accepts_update_window": accepts})
    (operation,) = adapter.plan(command(medication("hold"), target=said), around, site)
    return operation


def dose_changed(seen: dict[str, Any], **named: str) -> Operation:
    """Plan a change of dose on a chart in a version that its author did not name."""
    target = {"seen": seen, **named}
    said = command(medication("changeDose", dosage=[{**DOSAGE, "text": "2 tablets daily"}]), target=target)
    around = Surrounding(current=Fetched(resource=in_chart(), version=LATER))
    (operation,) = ADAPTER.plan(said.evolve(target_reference="MedicationStatement/m1"), around, SITE)
    return operation


def test_what_is_changed_must_be_among_what_its_author_saw_where_no_version_stands_for_it() -> None:
    """The dose may be another one by now: that its status and name are as seen says nothing of that."""
    for named in ({"reference": "MedicationStatement/m1"}, {"command": "11111111-1111-4111-8111-111111111111"}):
        with pytest.raises(TargetMovedError, match="did not say they saw"):
            dose_changed(AS_SEEN, **named)
    whole = {**AS_SEEN, "dosage": in_chart()["dosage"]}
    operation = dose_changed(whole, reference="MedicationStatement/m1")
    assert (operation.if_match, operation.rebased) == (LATER, True)


@pytest.mark.parametrize("accepts", [None, False, "true", 1])
def test_update_without_any_guard_needs_the_connection_to_accept_the_window(accepts: Any) -> None:
    with pytest.raises(NeedsPersonError) as raised:
        without_guard(seen=AS_SEEN, accepts=accepts)
    assert raised.value.kind == "no_precondition"


def test_update_without_any_guard_is_compared_with_what_the_author_saw() -> None:
    operation = without_guard(seen=AS_SEEN, accepts=True)
    assert (operation.if_match, operation.rebased) == (None, True)
    assert "If-Match" not in ADAPTER.request(operation, SITE).headers


@pytest.mark.parametrize("seen", [None, {"status": "stopped"}, {**AS_SEEN, "unheard_of": 1}])
def test_version_alone_is_no_comparison_where_there_is_no_guard(seen: dict[str, Any] | None) -> None:
    with pytest.raises(TargetMovedError):
        without_guard(seen=seen, accepts=True)


def test_guard_by_date_states_when_the_target_was_last_changed() -> None:
    assert isinstance(ADAPTER, R4Adapter)
    key = ("MedicationStatement", Interaction.UPDATE)
    write = replace(ADAPTER.capabilities.writes[key], precondition=PreconditionKind.IF_UNMODIFIED_SINCE)
    capabilities = replace(ADAPTER.capabilities, writes={**ADAPTER.capabilities.writes, key: write})
    changed = "2026-11-22T13:15:00Z"
    operation = planned(now=changed, version_id=changed, seen=AS_SEEN)
    headers = replace(ADAPTER, capabilities=capabilities).request(operation, SITE).headers
    assert headers["If-Unmodified-Since"] == "Sun, 22 Nov 2026 13:15:00 GMT"
    assert "If-Match" not in headers
