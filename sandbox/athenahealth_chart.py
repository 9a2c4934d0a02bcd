"""athenaOne's chart as /v1 shows it: the same entries as FHIR's, in its own words; not the writing of them."""

from typing import Any

from sandbox.forms import form_date
from sandbox.natural_key import entries_of
from sandbox.personality import Situation
from sandbox.references import elements_at
from sandbox.rewrites import LOINC, codes_of

SNOMED = "http://snomed.info/sct"
#: Clinical element → LOINC code and the unit (UCUM) that its number is in.
VITALS = {
    "VITALS.WEIGHT": ("29463-7", "g"),
    "VITALS.HEIGHT": ("8302-2", "cm"),
    "VITALS.TEMPERATURE": ("8310-5", "[degF]"),
    "VITALS.HEARTRATE": ("8867-4", "/min"),
    "VITALS.RESPIRATIONRATE": ("9279-1", "/min"),
    "VITALS.O2SATURATION": ("2708-6", "%"),
    "VITALS.HEADCIRCUMFERENCE": ("9843-4", "cm"),
    "VITALS.BLOODPRESSURE.SYSTOLIC": ("8480-6", "mm[Hg]"),
    "VITALS.BLOODPRESSURE.DIASTOLIC": ("8462-4", "mm[Hg]"),
}
_ELEMENTS = {code: name for name, (code, _) in VITALS.items()}


def by_number(names: dict[str, str], number: str) -> str | None:
    """The name that a reference list has a number for."""
    return next((name for name, its in names.items() if its == number), None)


def _first(resource: dict[str, Any], path: str) -> Any:
    return next(iter(elements_at(resource, path)), None)


def _known(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def problems_shown(at: Situation, patient: str) -> dict[str, Any]:
    shown = [
        _known(
            problemid=stored.id,
            code=_first(resource, "code.coding.code"),
            codeset="SNOMED",
            startdate=_date(resource, "onsetDateTime"),
            note=_first(resource, "note.text"),
        )
        for stored, resource in entries_of(at, "Condition", patient)
    ]
    return {"problems": shown, "totalcount": len(shown)}


def medications_shown(at: Situation, patient: str) -> dict[str, Any]:
    shown = [
        [
            _known(
                medicationentryid=stored.id,
                medicationid=_first(resource, "medicationCodeableConcept.coding.code"),
                medication=_first(resource, "medicationCodeableConcept.text"),
                startdate=_date(resource, "effectivePeriod.start"),
                stopdate=_date(resource, "effectivePeriod.end"),
                unstructuredsig=_first(resource, "dosage.text"),
                providernote=_first(resource, "note.text"),
            )
        ]
        for stored, resource in entries_of(at, "MedicationStatement", patient)
    ]
    return {"medications": shown}


def allergies_shown(at: Situation, patient: str) -> dict[str, Any]:
    shown = [
        _known(
            allergenid=_first(resource, "code.coding.code"),
            allergenname=_first(resource, "code.text"),
            note=_first(resource, "note.text"),
            onsetdate=_date(resource, "onsetDateTime"),
            reactions=[_reaction(it) for it in resource.get("reaction", [])],
        )
        for _, resource in entries_of(at, "AllergyIntolerance", patient)
    ]
    return {"allergies": shown}


def _reaction(reaction: dict[str, Any]) -> dict[str, Any]:
    return _known(
        reactionname=_first(reaction, "manifestation.text"),
        snomedcode=_first(reaction, "manifestation.coding.code"),
        severity=reaction.get("severity"),
    )


def vitals_shown(at: Situation, patient: str) -> dict[str, Any]:
    shown = []
    for stored, resource in entries_of(at, "Observation", patient):
        for part in resource.get("component") or [resource]:
            element = next((_ELEMENTS[code] for code in codes_of(part, LOINC) if code in _ELEMENTS), None)
            if element is not None:
                reading = _known(
                    vitalid=stored.id,
                    clinicalelementid=element,
                    value=str(_first(part, "valueQuantity.value")),
                    readingtaken=_date(resource, "effectiveDateTime"),
                )
                shown.append({"clinicalelementid": element, "readings": [[reading]]})
    return {"vitals": shown, "totalcount": len(shown)}


def _date(resource: dict[str, Any], path: str) -> str | None:
    found = _first(resource, path)
    return form_date(found) if isinstance(found, str) else None
