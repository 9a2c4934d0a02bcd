from typing import Any

import pytest

from adapters.fhir_r4 import ADAPTER
from adapters.r4.comparable import comparable
from adapters.r4.medication_statement import STATUS_MOVES
from adapters.r4.validity import STATUS, problems
from adapters.site import Site
from canonical import exact_json
from canonical.errors import NeedsPersonError, UnsupportedActionError
from canonical.ports import Fetched, Resource, Surrounding
from tests.adapters.commands import DOSAGE, METFORMIN, REASON, START, command, medication, number

BASE = "https://ehr.example/fhir"
SITE = Site(base_url=BASE)
INGREDIENT = {
    "coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "6809"}],
    "text": "metformin",
}
STRENGTH = {"numerator": {"value": 500, "unit": "mg"}, "denominator": {"value": 1, "unit": "tablet"}}
FULL: dict[str, Any] = {
    **START,
    "category": "community",
    "isOtc": False,
    "effectivePeriod": {"start": "2026-11"},
    "reasonCode": [{"text": "diabetes"}],
    "reasonReference": [{"reference": "Condition/c1"}],
    "informationSourceRole": "patient",
    "prescriber": {"reference": "Practitioner/d1"},
    "dateAsserted": "2026-11-22T08:00:00-05:00",
    "derivedFrom": [{"reference": "QuestionnaireResponse/q1"}],
    "basedOn": [{"reference": "MedicationRequest/r1"}],
    "replaces": {"reference": "MedicationStatement/old"},
    "note": [{"text": "brought the bottle"}],
}
DESCRIBED: dict[str, Any] = {
    **START,
    "medication": INGREDIENT,
    "form": {"text": "tablet"},
    "strength": STRENGTH,
    "category": "discharge",
    "prescriberAbsent": "unknown",
}


def built(
    action: dict[str, Any], current: Resource | None = None, *, seen: dict[str, Any] | None = None
) -> dict[str, Any]:
    envelope: dict[str, Any] = {}
    fetched = None
    if current is not None:
        target = {
            "reference": "MedicationStatement/m1",
            "versionId": "3",
            "seen": seen or {"status": current["status"]},
        }
        envelope, fetched = {"target": target}, Fetched(resource=current, version="3")
    (operation,) = ADAPTER.plan(command(action, **envelope), Surrounding(current=fetched), SITE)
    resource: dict[str, Any] = exact_json.parse(operation.body)
    return resource


def in_chart(action: dict[str, Any] = START, **over: Any) -> dict[str, Any]:
    own = {"id": "m1", "meta": {"versionId": "3"}, "partOf": [{"reference": "Procedure/x"}]}
    return {**built(action), **own, **over}


@pytest.mark.parametrize("action", [START, FULL, DESCRIBED], ids=["start", "full", "described"])
def test_every_field_of_an_entry_survives_into_the_chart_and_back(action: dict[str, Any]) -> None:
    resource = built(action)
    assert problems(resource) == frozenset()
    projection = ADAPTER.project(resource, SITE)
    for name in set(action) - {"type", "operation"}:
        assert projection[name] == comparable(action[name], BASE), name


def test_new_entry_is_active_and_documents_without_ordering() -> None:
    resource = built(START)
    assert resource["resourceType"] == "MedicationStatement"
    assert resource["status"] == "active"
    assert resource["medicationCodeableConcept"] == METFORMIN
    assert resource["dosage"] == [DOSAGE]


def test_form_and_strength_describe_the_medication_where_readers_look_for_them() -> None:
    resource = built(DESCRIBED)
    (contained,) = resource["contained"]
    assert resource["medicationReference"] == {"reference": "#medication"}
    assert "medicationCodeableConcept" not in resource
    assert contained["code"] == INGREDIENT
    assert contained["ingredient"] == [{"itemCodeableConcept": INGREDIENT, "strength": STRENGTH}]


def test_one_strength_for_several_ingredients_is_refused() -> None:
    with pytest.raises(UnsupportedActionError, match="several ingredients"):
        built({**DESCRIBED, "ingredient": [INGREDIENT, {"text": "sitagliptin"}]})


def test_dose_decimals_leave_as_they_were_written() -> None:
    dosage = {
        **DOSAGE,
        "text": "0.10 mL every 1.50 hours",
        "doseAndRate": [{"doseQuantity": {"value": number("0.10"), "unit": "mL"}}],
        "timing": {"repeat": {"frequency": 1, "period": number("1.50"), "periodUnit": "h"}},
    }
    (operation,) = ADAPTER.plan(command({**START, "dosage": [dosage]}), Surrounding(), SITE)
    assert b'"value":0.10,' in operation.body
    assert b'"period":1.50,' in operation.body


@pytest.mark.parametrize("status", sorted(STATUS["MedicationStatement"]))
@pytest.mark.parametrize("operation", sorted(STATUS_MOVES))
def test_each_operation_leads_from_where_it_may_to_where_it_should(operation: str, status: str) -> None:
    allowed, leads_to = STATUS_MOVES[operation]
    dose = {"dosage": [DOSAGE]} if operation == "changeDose" else {}
    action = medication(operation, **dose)
    if status in allowed:
        assert built(action, in_chart(status=status))["status"] == (leads_to or status)
        return
    with pytest.raises(NeedsPersonError) as caught:
        built(action, in_chart(status=status))
    revives = status == "entered-in-error" and operation != "retract"
    assert caught.value.kind == ("status_backwards" if revives else "status_ended")


def test_no_operation_but_retract_marks_an_error_and_nothing_leaves_an_error() -> None:
    for operation, (allowed, leads_to) in STATUS_MOVES.items():
        assert "entered-in-error" not in allowed
        assert (leads_to == "entered-in-error") == (operation == "retract")


def changed(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


@pytest.mark.parametrize("operation", ["hold", "stop", "notTaking", "retract"])
def test_status_change_touches_status_reason_and_mark_only(operation: str) -> None:
    before = in_chart(FULL)
    assert changed(before, built(medication(operation), before)) == {"status", "statusReason", "identifier"}


def test_hold_says_until_when_and_resume_forgets_it() -> None:
    held = built(medication("hold", expectedResume="2026-12-01"), in_chart())
    assert ADAPTER.project(held, SITE)["expectedResume"] == "2026-12-01"
    resumed = built(medication("resume"), held)
    assert resumed["status"] == "active"
    assert not {"expectedResume", "statusReason"} & ADAPTER.project(resumed, SITE).keys()


def test_resume_may_state_a_reason_of_its_own() -> None:
    held = built(medication("hold"), in_chart())
    resumed = built(medication("resume", statusReason=[{"text": "eating again"}]), held)
    assert resumed["statusReason"] == [{"text": "eating again"}]


def test_changed_dose_replaces_all_steps_of_a_taper() -> None:
    taper = [{**DOSAGE, "sequence": 1}, {**DOSAGE, "sequence": 2}]
    before = in_chart(dosage=taper)
    after = built(medication("changeDose", dosage=[DOSAGE]), before)
    assert after["dosage"] == [DOSAGE]
    assert changed(before, after) == {"dosage", "identifier"}


def test_field_that_an_operation_does_not_change_is_refused_not_dropped() -> None:
    with pytest.raises(UnsupportedActionError, match="dosage"):
        built(medication("hold", dosage=[DOSAGE]), in_chart())


def test_stop_on_friday_is_an_end_in_the_future() -> None:
    before = in_chart(effectiveDateTime="2026-11-01")
    after = built(medication("stop", effectivePeriod={"start": "2026-11-01", "end": "2026-11-27"}), before)
    assert after["effectivePeriod"] == {"start": "2026-11-01", "end": "2026-11-27"}
    assert "effectiveDateTime" not in after


OTHER = {
    "coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "197361"}],
    "text": "amlodipine 5 MG",
}


@pytest.mark.parametrize("operation", ["hold", "resume", "stop", "notTaking", "changeDose", "retract"])
def test_another_medication_than_the_action_names_is_not_touched(operation: str) -> None:
    dose = {"dosage": [DOSAGE]} if operation == "changeDose" else {}
    status = "on-hold" if operation == "resume" else "active"
    with pytest.raises(NeedsPersonError) as caught:
        built(medication(operation, **dose) | {"medication": OTHER}, in_chart(status=status))
    assert caught.value.kind == "other_medication"


def test_same_medication_of_another_strength_is_another_medication() -> None:
    stronger = {**STRENGTH, "numerator": {"value": 850, "unit": "mg"}}
    action = medication("changeDose", dosage=[DOSAGE], form={"text": "tablet"}, strength=stronger)
    with pytest.raises(NeedsPersonError):
        built(action | {"medication": INGREDIENT}, in_chart(DESCRIBED))
    same = built(action | {"medication": INGREDIENT, "strength": STRENGTH}, in_chart(DESCRIBED))
    assert same["contained"] == in_chart(DESCRIBED)["contained"]


def test_correction_may_name_another_medication_and_keeps_the_status() -> None:
    after = built(medication("correct") | {"medication": OTHER}, in_chart(status="on-hold"))
    assert after["medicationCodeableConcept"] == OTHER
    assert after["status"] == "on-hold"
    described = built(medication("correct") | {"medication": OTHER}, in_chart(DESCRIBED))
    assert described["contained"][0]["code"] == OTHER


def test_medication_named_by_reference_must_be_among_what_the_author_saw() -> None:
    before = in_chart(medicationReference={"reference": "Medication/9", "display": "metformin"})
    del before["medicationCodeableConcept"]
    with pytest.raises(NeedsPersonError) as caught:
        built(medication("hold"), before)
    assert caught.value.kind == "other_medication"
    seen = {"medication": {"reference": "Medication/9"}, "status": "active"}
    assert built(medication("hold"), before, seen=seen)["medicationReference"] == before["medicationReference"]


def test_reason_is_stated_as_given() -> None:
    assert built(medication("stop"), in_chart())["statusReason"] == REASON
