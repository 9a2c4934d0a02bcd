"""athenahealth's own interface (v1) as forms: what each kind of entry leaves as, and what such a form says, read back from it.

Nothing is decided here: what is refused was refused before (``adapters.athenahealth``).

Source: metriport/metriport ``packages/core/src/external/ehr/athenahealth`` (third party), read 2026-11; SNOMED CT.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from urllib.parse import parse_qs, quote, urlencode

from adapters.accepted import code_in, codes_for, own_code
from adapters.native import Sent
from adapters.r4.components import SNOMED
from adapters.r4.invariants import ALLERGY_CLINICAL, CONDITION_CLINICAL
from adapters.readings import amount, numbers_in, stated
from adapters.site import Site
from canonical import exact_json
from canonical.errors import UnsupportedActionError
from canonical.ports import Interaction, Operation, Resource

#: LOINC → element of the interface.
ELEMENTS: Mapping[str, str] = {
    "29463-7": "VITALS.WEIGHT",
    "8302-2": "VITALS.HEIGHT",
    "8310-5": "VITALS.TEMPERATURE",
    "8867-4": "VITALS.HEARTRATE",
    "9279-1": "VITALS.RESPIRATIONRATE",
    "8480-6": "VITALS.BLOODPRESSURE.SYSTOLIC",
    "8462-4": "VITALS.BLOODPRESSURE.DIASTOLIC",
}


#: Option of a connection: the FHIR type that shows documented medications.
MEDICATION_READS = "medication_reads"
#: LOINC → the only unit (UCUM) in which the interface takes it.
UNITS: Mapping[str, str] = {
    "29463-7": "g",
    "8302-2": "cm",
    "8310-5": "[degF]",
    "8867-4": "/min",
    "9279-1": "/min",
    "8480-6": "mm[Hg]",
    "8462-4": "mm[Hg]",
    "59408-5": "%",
    "2708-6": "%",
}


#: FHIR's word → SNOMED CT for a reaction's severity.
SEVERITIES: Mapping[str, str] = {"mild": "255604002", "moderate": "6736007", "severe": "24484000"}


def practice(site: Site) -> str:
    """Return the practice's number, the end of the native address."""
    found = re.search(r"/v1/(\d+)/?$", str(site.options.get("native_url", "")))
    return found[1] if found else ""


def _number(site: Site, reference: str, kind: str, prefix: str) -> str:
    """Return the interface's id in a FHIR reference; one of another practice is never taken for it."""
    id_ = reference.rpartition("/")[2]
    before = str(site.options.get(f"{kind}_id_prefix", f"a-{practice(site)}.{prefix}-"))
    if not id_.startswith(before) or id_ == before:
        raise UnsupportedActionError(f"the {kind} is not named by an id of this connection's practice")
    return id_[len(before) :]


def _department(site: Site) -> str:
    found = site.options.get("department_id")
    if not found:
        raise UnsupportedActionError("the connection does not declare department_id, which every write here needs")
    return str(found)


def _form(path: str, site: Site, fields: Mapping[str, str]) -> Sent:
    return Sent(path=path, body=urlencode({"departmentid": _department(site), **fields}).encode())


def _fields(operation: Operation) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(operation.body.decode(), keep_blank_values=True).items()}


def _day(text: str) -> str:
    """Return the day of a FHIR time as it is written; the interface knows no time of day."""
    return f"{date.fromisoformat(text[:10]):%m/%d/%Y}"


def _fhir_day(text: str) -> str:
    return datetime.strptime(text, "%m/%d/%Y").date().isoformat()  # noqa: DTZ007 - a day has no zone


def _patient(operation: Operation, site: Site) -> dict[str, str]:
    parts = str(operation.path).split("?")[0].split("/")
    id_ = _fields(operation).get("patientid") or parts[1]
    return {"reference": f"Patient/{site.options.get('patient_id_prefix', f'a-{practice(site)}.E-')}{id_}"}


def elements(site: Site) -> Mapping[str, str]:
    """Return the elements of the interface by LOINC code, those of the connection among them."""
    return {**ELEMENTS, **site.options.get("vital_elements", {})}


def vital_form(resource: Resource, site: Site) -> Sent:
    """Return a reading as one group of elements, of an encounter where it names one."""
    known = elements(site)
    taken_on = _day(resource["effectiveDateTime"])
    group = [
        {"clinicalelementid": known[code], "readingtaken": taken_on, "value": str(item["value"])}
        for code, item in numbers_in(resource, UNITS).items()
    ]
    patient = _number(site, resource["subject"]["reference"], "patient", "E")
    vitals = {"vitals": exact_json.dumps([group]), "source": "DEVICEGENERATED", "returnvitalids": "true"}
    if "encounter" not in resource:
        return _form(f"chart/{quote(patient, safe='')}/vitals", site, vitals)
    encounter = _number(site, resource["encounter"]["reference"], "encounter", "encounter")
    del vitals["source"], vitals["returnvitalids"]
    return _form(f"chart/encounter/{quote(encounter, safe='')}/vitals", site, {**vitals, "patientid": patient})


def vital_sent(operation: Operation, site: Site) -> Resource:
    """Return what a form of :func:`vital_form` says."""
    (group,) = exact_json.parse(_fields(operation)["vitals"])
    known = {element: code for code, element in elements(site).items()}
    numbers = {
        code: amount(exact_json.parse(item["value"]), UNITS[code])
        for item in group
        if (code := known[item["clinicalelementid"]])
    }
    frame = {"resourceType": "Observation", "status": "final", "subject": _patient(operation, site)}
    return {**frame, "effectiveDateTime": _fhir_day(group[0]["readingtaken"]), **stated(numbers)}


def medication_form(resource: Resource, site: Site) -> Sent:
    """Return a documented medication."""
    patient = _number(site, resource["subject"]["reference"], "patient", "E")
    period = resource.get("effectivePeriod", {})
    days = {"startdate": period.get("start"), "stopdate": period.get("end")}
    fields = {
        "medicationid": own_code(site, "medication", resource["medicationCodeableConcept"]),
        "unstructuredsig": resource["dosage"][0]["text"],
        "hidden": "false",
        **{name: _day(value) for name, value in days.items() if value},
    }
    return _form(f"chart/{quote(patient, safe='')}/medications", site, fields)


def medication_sent(operation: Operation, site: Site) -> Resource:
    """Return what a form of :func:`medication_form` says."""
    fields, shown = _fields(operation), medication_type(site)
    dosage = "dosageInstruction" if shown == "MedicationRequest" else "dosage"
    return {
        "resourceType": shown,
        "status": "active",
        "subject": _patient(operation, site),
        "medicationCodeableConcept": {"coding": codes_for(site, "medication", fields["medicationid"])},
        dosage: [{"text": fields["unstructuredsig"]}],
    }


def medication_type(site: Site) -> str:
    """Return the FHIR type that shows documented medications on this connection."""
    return str(site.options.get(MEDICATION_READS, "MedicationRequest"))


def problem_form(resource: Resource, site: Site) -> Sent:
    """Return an entry of the problem list."""
    patient = _number(site, resource["subject"]["reference"], "patient", "E")
    begun = resource.get("onsetDateTime")
    fields = {"snomedcode": resource["code"]["coding"][0]["code"], **({"startdate": _day(begun)} if begun else {})}
    return _form(f"chart/{quote(patient, safe='')}/problems", site, fields)


def problem_sent(operation: Operation, site: Site) -> Resource:
    """Return what a form of :func:`problem_form` says."""
    fields = _fields(operation)
    begun = {"onsetDateTime": _fhir_day(fields["startdate"])} if "startdate" in fields else {}
    return {
        "resourceType": "Condition",
        "subject": _patient(operation, site),
        "code": {"coding": [{"system": SNOMED, "code": fields["snomedcode"]}]},
        "clinicalStatus": {"coding": [{"system": CONDITION_CLINICAL, "code": "active"}]},
        **begun,
    }


def allergy_form(resource: Resource, site: Site) -> Sent:
    """Return an allergen with all of its reactions."""
    patient = _number(site, resource["patient"]["reference"], "patient", "E")
    allergen: dict[str, Any] = {
        "allergenid": own_code(site, "allergy", resource["code"]),
        "allergenname": _name(resource["code"]),
        "reactions": [_reaction(what, item) for item in resource.get("reaction", []) for what in item["manifestation"]],
    }
    if "criticality" in resource:
        allergen["criticality"] = resource["criticality"]
    if "onsetDateTime" in resource:
        allergen["onsetdate"] = _day(resource["onsetDateTime"])
    return _form(f"chart/{quote(patient, safe='')}/allergies", site, {"allergies": exact_json.dumps([allergen])})


def _name(concept: Mapping[str, Any]) -> str:
    displays = [item.get("display") for item in concept.get("coding", [])]
    return str(next((name for name in (concept.get("text"), *displays) if name), ""))


def _reaction(manifestation: Mapping[str, Any], reaction: Mapping[str, Any]) -> dict[str, str]:
    said = {"reactionname": _name(manifestation), "snomedcode": str(code_in(manifestation, SNOMED))}
    severity = reaction.get("severity")
    return said | ({"severity": severity, "severitysnomedcode": SEVERITIES[severity]} if severity else {})


def _named(code: str, name: str) -> dict[str, Any]:
    return {"coding": [{"system": SNOMED, "code": code}], **({"text": name} if name else {})}


def allergy_sent(operation: Operation, site: Site) -> Resource:
    """Return what a form of :func:`allergy_form` says."""
    (allergen,) = exact_json.parse(_fields(operation)["allergies"])
    onset = {"onsetDateTime": _fhir_day(allergen["onsetdate"])} if "onsetdate" in allergen else {}
    criticality = {"criticality": allergen["criticality"]} if "criticality" in allergen else {}
    # A new allergen is active; of one that is there already, the form says nothing.
    clinical = {"coding": [{"system": ALLERGY_CLINICAL, "code": "active"}]}
    active = {"clinicalStatus": clinical} if operation.interaction is Interaction.CREATE else {}
    reactions = [
        {
            "manifestation": [_named(item["snomedcode"], item["reactionname"])],
            **({"severity": item["severity"]} if "severity" in item else {}),
        }
        for item in allergen["reactions"]
    ]
    return {
        "resourceType": "AllergyIntolerance",
        "patient": _patient(operation, site),
        "code": {"coding": codes_for(site, "allergy", allergen["allergenid"])},
        "reaction": reactions,
        **active,
        **onset,
        **criticality,
    }
