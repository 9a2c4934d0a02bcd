"""athenahealth athenaOne: read by FHIR R4, written by form posts to its own interface (v1), which answers 200 also to failures.

Only what that interface keeps is built: a number in its fixed unit and a day, a medication of its own list with the text of
its dosage. Readings outside an encounter stay hidden until the practice shows them, so they count as taken for review. The
answer gives an id that no FHIR read knows; what was written is found by what it says.

Options of a connection: ``native_url`` (``…/v1/{practice}``) and ``department_id`` (both required); ``patient_id_prefix``
(default ``a-{practice}.E-``) and ``encounter_id_prefix`` (default ``a-{practice}.encounter-``): what stands before the number
in FHIR ids; ``vitals_visible`` (default false): readings outside an encounter are shown at once; ``vital_elements``: further
LOINC codes and the elements of the interface for them, each in the unit that :data:`UNITS` has for it; ``medication_reads``
(default ``MedicationRequest``): the FHIR type that shows documented medications; ``codes.medication``: RxNorm to the vendor's
``medicationid``; ``leaves_out`` (see :mod:`adapters.accepted`).

Not confirmed, hence options or left out: the element of an oxygen saturation (another product's mapping sends it as inhaled
oxygen, which is another measurement), the form of encounter ids, calls per second.

Source: metriport/metriport ``packages/core/src/external/ehr/athenahealth`` and eleanorhealth/go-athenahealth (third parties'
code, read 2026-11); docs.athenahealth.com guides (token limits, daily quota); live CapabilityStatement 2026-08.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from urllib.parse import parse_qs, quote, urlencode

from adapters.accepted import codes_for, own_code, taken
from adapters.adapter import Adapter
from adapters.native import COMPARISONS, Native, NativeAdapter, Sent
from adapters.r4 import answers, medication_statement, observation
from adapters.r4.adapter import View
from adapters.r4.change import Change, Handler
from adapters.r4.operation_outcome import json_object
from adapters.r4.support import refused, supported
from adapters.readings import amount, numbers_in, stated
from adapters.site import Site
from adapters.wire import Answer, NoAnswer
from canonical import exact_json
from canonical.capabilities import (
    Capabilities,
    Interaction,
    KnownChange,
    Landing,
    Limit,
    Meaning,
    Proof,
    Transport,
    Write,
)
from canonical.errors import UnsupportedActionError
from canonical.outcome import Outcome, Settlement
from canonical.ports import Operation, Resource

MAPPING_VERSION = "athenahealth/1"
CREATE = Interaction.CREATE
_CODE = "metriport/metriport packages/core/src/external/ehr/athenahealth/index.ts (third party), read 2026-11"
_GUIDES = "docs.athenahealth.com/api/guides, read 2026-11"

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


# Vital signs


def _elements(site: Site) -> Mapping[str, str]:
    return {**ELEMENTS, **site.options.get("vital_elements", {})}


def _vital(change: Change) -> Resource:
    """Build the reading as the interface keeps it: its code, numbers in the fixed units, a day."""
    resource = observation.record(taken(change, ("code", "valueQuantity", "component", "effectiveDateTime")))
    known = _elements(change.site)
    numbers = numbers_in(resource, {code: unit for code, unit in UNITS.items() if code in known})
    kept = {name: resource[name] for name in ("resourceType", "status", "subject")}
    if change.encounter is not None:
        kept["encounter"] = {"reference": change.encounter["reference"]}
    return {**kept, "effectiveDateTime": resource["effectiveDateTime"][:10], **stated(numbers)}


def _vital_form(resource: Resource, site: Site) -> Sent:
    known = _elements(site)
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


def _vital_sent(operation: Operation, site: Site) -> Resource:
    (group,) = exact_json.parse(_fields(operation)["vitals"])
    known = {element: code for code, element in _elements(site).items()}
    numbers = {
        code: amount(exact_json.parse(item["value"]), UNITS[code])
        for item in group
        if (code := known[item["clinicalelementid"]])
    }
    frame = {"resourceType": "Observation", "status": "final", "subject": _patient(operation, site)}
    return {**frame, "effectiveDateTime": _fhir_day(group[0]["readingtaken"]), **stated(numbers)}


# Documented medications


def _statement(change: Change) -> Resource:
    resource = medication_statement.start(taken(change, ("medication", "dosage", "effectivePeriod")))
    dosage = resource.get("dosage", [])
    if len(dosage) != 1 or not dosage[0].get("text") or "contained" in resource:
        raise UnsupportedActionError("this EHR keeps a medication's code and one text of its dosage")
    period = {name: value[:10] for name, value in resource.get("effectivePeriod", {}).items()}
    if any(len(value) != 10 for value in period.values()):
        raise UnsupportedActionError("this EHR takes the begin and end of a medication as whole days")
    # What the connection does not map is known before anything is sent.
    own_code(change.site, "medication", resource["medicationCodeableConcept"])
    kept = ("resourceType", "status", "subject", "medicationCodeableConcept")
    begun = {"effectivePeriod": period} if period else {}
    return {**{name: resource[name] for name in kept}, **begun, "dosage": [{"text": dosage[0]["text"]}]}


def _medication_form(resource: Resource, site: Site) -> Sent:
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


def _medication_sent(operation: Operation, site: Site) -> Resource:
    fields, shown = _fields(operation), _medication_type(site)
    dosage = "dosageInstruction" if shown == "MedicationRequest" else "dosage"
    return {
        "resourceType": shown,
        "status": "active",
        "subject": _patient(operation, site),
        "medicationCodeableConcept": {"coding": codes_for(site, "medication", fields["medicationid"])},
        dosage: [{"text": fields["unstructuredsig"]}],
    }


def _medication_type(site: Site) -> str:
    return str(site.options.get("medication_reads", "MedicationRequest"))


HANDLERS: Mapping[tuple[str, str], Handler] = {
    ("VitalReading", "record"): Handler(resource_type="Observation", build=_vital, creates=True),
    ("MedicationChange", "start"): Handler(resource_type="MedicationStatement", build=_statement, creates=True),
}
NATIVES = {
    "Observation": Native(encode=_vital_form, decode=_vital_sent),
    "MedicationStatement": Native(encode=_medication_form, decode=_medication_sent, reads_as=_medication_type),
}
VIEWS = {
    "Observation": View(fields=observation.FIELDS, encounter="encounter"),
    "MedicationStatement": View(fields=medication_statement.FIELDS, encounter="context"),
}


def _post(landing: Landing = Landing.CHART) -> Write:
    return Write(
        meaning=Meaning.CREATES,
        landing=landing,
        transport=Transport.FORM,
        answer="200 with success true; false with errormessage where nothing was written",
        source=_CODE,
        confirmed=False,
    )


WRITES = {
    ("Observation", CREATE): _post(Landing.REVIEW),
    ("MedicationStatement", CREATE): _post(),
}
_NO_VITAL = "athenaOne's interface takes vital signs once and documents no change or removal of one."
_NO_MEDICATION = "athenaOne's interface adds documented medications and documents no change of one."
SUPPORTS = {
    **supported(HANDLERS, WRITES),
    **refused("VitalReading", {"correct": _NO_VITAL, "retract": _NO_VITAL}),
    **refused(
        "MedicationChange",
        dict.fromkeys(("changeDose", "hold", "resume", "stop", "notTaking", "correct", "retract"), _NO_MEDICATION),
    ),
}
KNOWN_CHANGES = (
    KnownChange(resource_type="Observation", element="valueQuantity", what="kept in grams, cm, °F", source=_CODE),
    KnownChange(resource_type="Observation", element="effectiveDateTime", what="the day only", source=_CODE),
    KnownChange(
        resource_type="MedicationStatement", element="dosage", what="one text, the structure is not kept", source=_CODE
    ),
)
CAPABILITIES = Capabilities(
    writes=WRITES,
    supports=SUPPORTS,
    conditional_create=False,
    finds_by_mark=False,
    proof=Proof.READ_BACK,
    known_changes=KNOWN_CHANGES,
    limits=(
        Limit(what="access token", most="3600 s", source=_GUIDES),
        Limit(what="token requests", most="50 a minute in production, 5 in preview", source=_GUIDES),
        Limit(what="requests", most="a quota a day, reset at midnight GMT", source=_GUIDES),
        Limit(what="requests a second", most="not published", source="", confirmed=False),
    ),
    provenance="not taken; THIRDPARTYUSERNAME could name who acted, which is not confirmed",
    versions="none",
    stale="none; 409 for conflicting or doubled data",
    authentication="OAuth client credentials, athena/service/Athenanet.MDP.* beside the FHIR scopes",
)


@dataclass(frozen=True, kw_only=True)
class AthenaAdapter(NativeAdapter):
    """A success is said in the body, and failure too."""

    def classify(self, operation: Operation, answer: Answer | NoAnswer, now: datetime) -> Settlement:
        if isinstance(answer, NoAnswer) or not 200 <= answer.status < 300:
            return answers.classify(operation, answer, now=now, errors=self.errors)
        body = json_object(answer.body)
        said = body.get("success") if body is not None and answer.status == 200 and "error" not in body else None
        if said is False:
            detail = "success false: nothing was written"
            return Settlement(outcome=Outcome.REJECTED_PAYLOAD, status=200, detail=detail, body=answer.body)
        if said is not True or (body or {}).get("errormessage"):
            detail = "a success in no documented shape"
            return Settlement(outcome=Outcome.UNKNOWN, status=answer.status, detail=detail, body=answer.body)
        outcome = Outcome.PENDING_REMOTE if _outside_an_encounter(operation) else Outcome.APPLIED_UNVERIFIED
        return Settlement(
            outcome=outcome, status=200, detail="the answer names nothing that can be read", body=answer.body
        )

    def hides(self, operation: Operation, site: Site) -> bool:
        return _outside_an_encounter(operation) and site.options.get("vitals_visible") is not True


def _outside_an_encounter(operation: Operation) -> bool:
    return operation.resource_type == "Observation" and not str(operation.path).startswith("chart/encounter/")


ADAPTER: Adapter = AthenaAdapter(
    key="athenahealth",
    mapping_version=MAPPING_VERSION,
    capabilities=CAPABILITIES,
    handlers=HANDLERS,
    views=VIEWS,
    natives=NATIVES,
    comparisons=COMPARISONS,
)
