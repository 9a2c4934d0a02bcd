"""A documented medication as a reported request: what is built, and that reading it back says the same."""

from typing import Any

import pytest

from adapters.r4 import medication_request
from adapters.r4.change import change_of
from adapters.r4.projection import project
from adapters.r4.validity import problems
from adapters.site import Site
from canonical.errors import NeedsPersonError
from tests.adapters.commands import DOSAGE, METFORMIN, START, command, medication

SITE = Site(base_url="https://ehr.example/fhir")
PERIOD = {"start": "2026-11-01"}


def built(**over: Any) -> dict[str, Any]:
    action = {name: item for name, item in {**START, **over}.items() if name != "informationSource"}
    return medication_request.start(change_of(command(action), SITE, None), intent="plan")


def said(resource: dict[str, Any]) -> dict[str, Any]:
    return project(resource, medication_request.FIELDS, encounter="encounter", base_url=SITE.base_url)


def test_it_is_valid_reported_and_authorises_nothing() -> None:
    resource = built()
    assert problems(resource) == frozenset()
    assert (resource["intent"], resource["reportedBoolean"], resource["status"]) == ("plan", True, "active")


def test_every_field_survives_into_the_chart_and_back() -> None:
    read = said(built(effectivePeriod=PERIOD, note=[{"text": "from a list"}], dateAsserted="2026-11-20"))
    assert read["medication"]["coding"] == METFORMIN["coding"]
    assert read["dosage"][0]["text"] == DOSAGE["text"]
    assert read["dosage"][0]["timing"]["repeat"].keys() == DOSAGE["timing"]["repeat"].keys()
    assert (read["effectivePeriod"], read["dateAsserted"]) == (PERIOD, "2026-11-20")
    assert read["note"] == [{"text": "from a list"}]


def test_period_stands_in_the_first_dosage_and_leaves_its_timing_alone() -> None:
    repeat = built(effectivePeriod=PERIOD)["dosageInstruction"][0]["timing"]["repeat"]
    assert repeat["boundsPeriod"] == PERIOD
    assert repeat["frequency"] == 2


def stop(**over: Any) -> dict[str, Any]:
    current = {**built(), "id": "m1", **over}
    return medication_request.stop(change_of(command(medication("stop"), **TARGET), SITE, current))


TARGET: dict[str, Any] = {
    "target": {"reference": "MedicationRequest/m1", "versionId": "1", "seen": {"status": "active"}}
}


def test_stopping_changes_the_status_and_nothing_else() -> None:
    assert stop() == {**built(), "id": "m1", "status": "stopped"}


@pytest.mark.parametrize(
    ("over", "kind"),
    [
        ({"reportedBoolean": False}, "not_ours_to_change"),
        ({"status": "completed"}, "status_ended"),
        ({"medicationCodeableConcept": {"text": "aspirin"}}, "other_medication"),
    ],
)
def test_what_cannot_be_stopped_is_for_a_person(over: dict[str, Any], kind: str) -> None:
    with pytest.raises(NeedsPersonError) as caught:
        stop(**over)
    assert caught.value.kind == kind
