"""athenaOne's vitals: numbers by clinical element, in an encounter or from a device outside one; not other entries."""

from decimal import Decimal, InvalidOperation
from typing import Any

from sandbox.answers import Answer, Refusal
from sandbox.athenahealth_chart import VITALS
from sandbox.athenahealth_v1 import (
    coded,
    failure,
    form_with,
    json_answer,
    of_type,
    open_encounter,
    patient_of,
    quirks_of,
)
from sandbox.forms import iso_date, json_list
from sandbox.held import hold
from sandbox.personality import Resource, Situation
from sandbox.rewrites import LOINC


def add_vitals(at: Situation) -> Answer:
    """POST chart/{patient}/vitals: from a device, and hidden until the practice shows such values."""
    patient, form = patient_of(at), form_with(at)
    if form.get("source") != "DEVICEGENERATED":
        raise Refusal(400, "value", "Outside an encounter the source must be DEVICEGENERATED.")
    ids = []
    for resource in _readings(form, patient):
        if quirks_of(at).shows_vitals_outside_encounters:
            ids.append(at.chart.store(resource, at=at.call.now).id)
        else:
            ids.append(hold(of_type(at, "Observation"), resource, at.chart.new_id("Observation")).id)
    return json_answer({"success": True, "vitalids": ids}, about=f"Observation/{ids[0]}" if ids else None)


def add_encounter_vitals(at: Situation) -> Answer:
    """POST chart/encounter/{encounter}/vitals: while it is open or in review; no ids come back."""
    form = form_with(at)
    encounter = open_encounter(at)
    if encounter is None:
        return failure("The encounter is already frozen (closed).")
    for resource in _readings(form, encounter["subject"]["reference"]):
        reference = {"encounter": {"reference": f"Encounter/{encounter['id']}"}}
        at.chart.store({**resource, **reference}, at=at.call.now)
    return json_answer({"success": True})


def _readings(form: dict[str, str], patient: str) -> list[Resource]:
    groups = [it if isinstance(it, list) else [it] for it in json_list(form, "vitals")]
    return [_observation(group, patient) for group in groups]


def _observation(group: list[Any], patient: str) -> Resource:
    parts = [_part(it) for it in group]
    halves = {"VITALS.BLOODPRESSURE.SYSTOLIC", "VITALS.BLOODPRESSURE.DIASTOLIC"}
    category = [coded("http://terminology.hl7.org/CodeSystem/observation-category", "vital-signs")]
    frame = {
        "resourceType": "Observation",
        "status": "final",
        "category": category,
        "subject": {"reference": patient},
        **({"effectiveDateTime": iso_date(group[0]["readingtaken"])} if group[0].get("readingtaken") else {}),
    }
    if {str(it.get("clinicalelementid")) for it in group} <= halves:
        components = [{"code": code, "valueQuantity": value} for code, value in parts]
        return {**frame, "code": coded(LOINC, "85354-9"), "component": components}
    if len(parts) != 1:
        raise Refusal(400, "value", "Only the halves of a blood pressure are one reading.")
    return {**frame, "code": parts[0][0], "valueQuantity": parts[0][1]}


def _part(given: Any) -> tuple[Resource, Resource]:
    known = VITALS.get(str(given.get("clinicalelementid"))) if isinstance(given, dict) else None
    if known is None:
        raise Refusal(400, "value", "The clinical element ID is invalid.")
    code, unit = known
    try:
        value = Decimal(str(given.get("value")))
    except InvalidOperation:
        raise Refusal(400, "value", "A vital's value is a number.") from None
    quantity = {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}
    return coded(LOINC, code), quantity
