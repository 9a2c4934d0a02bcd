"""What Unity's Save actions hold, made into entries of the chart; not the calls around them.

The vendor's parameters are XML; which fields each action has is not published. Taken are elements with a text
(`<Code>…</Code>`), attributes, and `<field name="Code" value="…"/>`, with names in any case.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any
from xml.etree import ElementTree as ET

from sandbox.personality import Resource

_SYSTEMS = {
    "SNOMED": "http://snomed.info/sct",
    "RXNORM": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "ICD10": "http://hl7.org/fhir/sid/icd-10-cm",
    "LOINC": "http://loinc.org",
    "CVX": "http://hl7.org/fhir/sid/cvx",
}
_FORMATS = ("%m/%d/%Y", "%m/%d/%Y %H:%M", "%m/%d/%Y %H:%M:%S", "%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M")
_DATE_ONLY = ("%m/%d/%Y", "%Y-%m-%d")


@dataclass(frozen=True)
class LocalTime:
    """The site's clock: what is written without an offset is in this one."""

    offset: str

    def fhir(self, text: str) -> str:
        """A FHIR date or dateTime of a local one.

        Raises:
            ValueError: it cannot be read.
        """
        for form in _FORMATS:
            try:
                moment = dt.datetime.strptime(text, form)  # noqa: DTZ007 - local by definition; the offset is added
            except ValueError:
                continue
            return moment.strftime("%Y-%m-%d") if form in _DATE_ONLY else f"{moment.isoformat()}{self.offset}"
        raise ValueError("a date cannot be read")


def fields_of(envelope: dict[str, Any]) -> dict[str, str]:
    """The fields in the parameters of a call, by lower-cased name; a parameter that is no XML by its own name.

    Raises:
        ValueError: a parameter begins like XML and is none.
    """
    fields: dict[str, str] = {}
    for name in (*(f"Parameter{number}" for number in range(1, 7)), "Data"):
        text = envelope.get(name)
        if not isinstance(text, str) or not text.strip():
            continue
        if text.lstrip().startswith("<"):
            fields.update(_fields_of_xml(text))
        else:
            fields[name.lower()] = text
    return fields


def named(fields: dict[str, str], vitals: dict[str, tuple[str, str]], drugs: dict[str, str]) -> dict[str, str]:
    """The fields with code, value and unit of what a site has names of its own for.

    Raises:
        ValueError: two vital signs in one call, or a drug id that is not known.
    """
    found = [(name.lower(), *meaning) for name, meaning in vitals.items() if name.lower() in fields]
    if len(found) > 1:
        raise ValueError("one vital sign at a time")
    more: dict[str, str] = {}
    for name, code, unit in found:
        more |= {"code": code, "value": fields[name], "unit": unit}
    if drugs and "ddi" in fields:
        if fields["ddi"] not in drugs:
            raise ValueError("the drug id is not known")
        more["code"] = drugs[fields["ddi"]]
    return {**fields, **more}


def _fields_of_xml(text: str) -> dict[str, str]:
    if "<!DOCTYPE" in text.upper():
        raise ValueError("a document type is not taken")
    try:
        root = ET.fromstring(text)  # noqa: S314 - without a document type there are no entities to expand
    except ET.ParseError:
        raise ValueError("the XML cannot be read") from None
    fields = {}
    for element in root.iter():
        attributes = {name.lower(): value for name, value in element.attrib.items()}
        if "name" in attributes and "value" in attributes:
            fields[attributes["name"].lower()] = attributes["value"]
            continue
        fields.update(attributes)
        if element.text and element.text.strip():
            fields[element.tag.lower()] = element.text.strip()
    return fields


def _needed(fields: dict[str, str], *names: str) -> str:
    found = next((fields[name] for name in names if fields.get(name)), None)
    if found is None:
        raise ValueError(f"{names[0]} is missing")
    return found


def _concept(fields: dict[str, str], usual: str) -> Resource:
    system = _SYSTEMS.get(fields.get("codesystem", usual).upper().replace("-", "").replace(" ", ""))
    code = fields.get("code")
    name = fields.get("name") or fields.get("display") or fields.get("description")
    if not code and not name:
        raise ValueError("neither code nor name")
    coding = {"code": code, **({"system": system} if system else {})}
    return {**({"coding": [coding]} if code else {}), **({"text": name} if name else {})}


def _note(fields: dict[str, str]) -> dict[str, Any]:
    text = fields.get("note") or fields.get("comment") or fields.get("annotation")
    return {"note": [{"text": text}]} if text else {}


def _date(fields: dict[str, str], time: LocalTime, name: str, *names: str) -> dict[str, Any]:
    text = next((fields[it] for it in names if fields.get(it)), None)
    return {name: time.fhir(text)} if text else {}


def _encounter(fields: dict[str, str]) -> dict[str, Any]:
    number = fields.get("encounterid") or fields.get("encounter")
    return {"encounter": {"reference": f"Encounter/{number}"}} if number else {}


def _status(fields: dict[str, str], usual: str, *known: str) -> str:
    given = fields.get("status", usual).lower()
    if given not in known:
        raise ValueError(f"status is not one of {', '.join(known)}")
    return given


def allergy(fields: dict[str, str], patient: str, time: LocalTime) -> Resource:
    status = _status(fields, "active", "active", "inactive", "resolved")
    reaction = fields.get("reaction")
    return {
        "resourceType": "AllergyIntolerance",
        "clinicalStatus": _coded("http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", status),
        "code": _concept(fields, "RXNORM"),
        "patient": {"reference": patient},
        **_date(fields, time, "onsetDateTime", "onsetdate", "onset", "date"),
        **({"reaction": [{"manifestation": [{"text": reaction}]}]} if reaction else {}),
        **_encounter(fields),
        **_note(fields),
    }


def problem(fields: dict[str, str], patient: str, time: LocalTime) -> Resource:
    status = _status(fields, "active", "active", "inactive", "resolved")
    return {
        "resourceType": "Condition",
        "clinicalStatus": _coded("http://terminology.hl7.org/CodeSystem/condition-clinical", status),
        "category": [_coded("http://terminology.hl7.org/CodeSystem/condition-category", "problem-list-item")],
        "code": _concept(fields, "SNOMED"),
        "subject": {"reference": patient},
        **_date(fields, time, "onsetDateTime", "onsetdate", "onset", "date"),
        **_encounter(fields),
        **_note(fields),
    }


def vital(fields: dict[str, str], patient: str, time: LocalTime) -> Resource:
    try:
        value = Decimal(_needed(fields, "value"))
    except InvalidOperation:
        raise ValueError("value is no number") from None
    unit = _needed(fields, "unit", "units")
    return {
        "resourceType": "Observation",
        "status": "final",
        "category": [_coded("http://terminology.hl7.org/CodeSystem/observation-category", "vital-signs")],
        "code": _concept(fields, "LOINC"),
        "subject": {"reference": patient},
        "valueQuantity": {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit},
        **_date(fields, time, "effectiveDateTime", "date", "datetime", "takenon"),
        **_encounter(fields),
        **_note(fields),
    }


def historical_medication(fields: dict[str, str], patient: str, time: LocalTime) -> Resource:
    if fields.get("historical", fields.get("historicalflag", "")).upper() not in {"Y", "YES", "TRUE", "1"}:
        raise ValueError("only a historical medication is saved")
    period = {
        **_date(fields, time, "start", "startdate", "start"),
        **_date(fields, time, "end", "stopdate", "enddate"),
    }
    sig = fields.get("sig")
    return {
        "resourceType": "MedicationStatement",
        "status": "stopped" if "end" in period else "active",
        "medicationCodeableConcept": _concept(fields, "RXNORM"),
        "subject": {"reference": patient},
        **({"effectivePeriod": period} if period else {}),
        **({"dosage": [{"text": sig}]} if sig else {}),
        **_note(fields),
    }


def document(fields: dict[str, str], patient: str, time: LocalTime) -> Resource:
    text = _needed(fields, "content", "document", "text", "data", "parameter6", "parameter1")
    attachment = {"contentType": fields.get("contenttype", "text/plain"), "data": text}
    title = fields.get("type") or fields.get("documenttype")
    return {
        "resourceType": "DocumentReference",
        "status": "current",
        "subject": {"reference": patient},
        "content": [{"attachment": attachment}],
        **({"type": {"text": title}} if title else {}),
        **_date(fields, time, "date", "datetime"),
    }


def task(fields: dict[str, str], patient: str, _: LocalTime) -> Resource:
    owner = fields.get("targetuser") or fields.get("assignto") or fields.get("owner")
    return {
        "resourceType": "Task",
        "status": _status(fields, "requested", "requested", "in-progress", "completed", "cancelled"),
        "intent": "order",
        "for": {"reference": patient},
        "description": _needed(fields, "comment", "message", "description", "parameter1"),
        **({"code": {"text": fields["tasktype"]}} if fields.get("tasktype") else {}),
        **({"owner": {"display": owner}} if owner else {}),
    }


def immunization(fields: dict[str, str], patient: str, time: LocalTime) -> Resource:
    return {
        "resourceType": "Immunization",
        "status": "completed",
        "vaccineCode": _concept(fields, "CVX"),
        "patient": {"reference": patient},
        "primarySource": False,
        "occurrenceDateTime": time.fhir(_needed(fields, "date", "administereddate")),
        **_note(fields),
    }


def _coded(system: str, code: str) -> Resource:
    return {"coding": [{"system": system, "code": code}]}


#: Unity action → what it saves.
BUILDERS: dict[str, Callable[[dict[str, str], str, LocalTime], Resource]] = {
    "SaveAllergy": allergy,
    "SaveProblem": problem,
    "SaveProblemsData": problem,
    "SaveDiagnosis": problem,
    "SaveVitals": vital,
    "SaveVitalsData": vital,
    "SaveRX": historical_medication,
    "SaveNote": document,
    "SaveV11Note": document,
    "SaveUnstructuredDocument": document,
    "SaveTask": task,
    "SaveTaskStatus": task,
    "SaveImmunization": immunization,
}
