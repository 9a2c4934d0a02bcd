"""Veradigm (formerly Allscripts): read by FHIR R4, written by Unity, one RPC endpoint whose errors are texts inside HTTP 200.

Unity knows a fixed list of actions; their fields are not public. So nothing is written until the connection says how its
Unity names things: an element that was guessed would be filed as something else. Every call is made as a user of the EHR,
whose name stands in the chart. There is no version, no mark of ours, and no documented change or removal of an entry.

Options of a connection: ``native_url`` (``…/Unity/UnityService.svc/json``), ``ehr_user`` and ``app_name`` (all required);
``patient_id_prefix`` (default empty): what stands before Unity's patient id in FHIR ids; ``unity_vitals`` and
``unity_medications`` (default false): the contract has these actions; ``vital_fields``: LOINC to ``{"name", "unit"}``, Unity's
name of the field and the UCUM unit in which it takes the number; ``vital_time`` and ``vital_day_format``: name of the field for
the time of a reading and how a day is written there (strftime, default ``%m/%d/%Y``); ``historical_flag`` (default ``Y``):
what marks a medication as documented and not prescribed; ``codes.medication``: RxNorm to Unity's drug id;
``medication_reads`` (default ``MedicationRequest``): the FHIR type that shows documented medications; ``leaves_out`` (see
:mod:`adapters.accepted`).

Not confirmed: all fields of an action but those of SaveRX and SaveTask; limits; whether anything is deduplicated.

Source: developer.veradigm.com/Fhir/ProcessOverview (FHIR is for reading, Unity for writing); healthfinch/allscripts-unity-client
@6db65c9, a third party's client (``client.rb``, ``json_client_driver.rb``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from xml.etree import ElementTree as ET

from adapters.accepted import codes_for, outside_encounter, own_code, taken
from adapters.adapter import Adapter, Request
from adapters.native import COMPARISONS, Native, NativeAdapter, Sent
from adapters.r4 import answers, medication_statement, observation
from adapters.r4.adapter import View
from adapters.r4.change import Change, Handler
from adapters.r4.compounds import NO_ENTRY
from adapters.r4.support import refused_but, supported
from adapters.readings import amount, numbers_in, stated
from adapters.site import Site
from adapters.wire import Answer, NoAnswer
from canonical import exact_json
from canonical.capabilities import (
    Capabilities,
    Interaction,
    KnownChange,
    Limit,
    Meaning,
    MedicationList,
    Proof,
    Transport,
    Write,
)
from canonical.errors import UnsupportedActionError
from canonical.outcome import Outcome, Settlement
from canonical.ports import Operation, Resource

MAPPING_VERSION = "veradigm/1"
CREATE = Interaction.CREATE
#: The member of a call that carries the session.
_SESSION_IN = "Token"
#: Option of a connection: the FHIR type that shows documented medications.
MEDICATION_READS = "medication_reads"
_CLIENT = "healthfinch/allscripts-unity-client@6db65c9 (third party)"
_PARAMETERS = tuple(f"Parameter{number}" for number in range(1, 7))
#: What an error says where the session has ended; the call was not made then.
_SESSION = re.compile(r"\b(security )?token\b|\bsession\b|not logged in", re.IGNORECASE)


def _option(site: Site, name: str) -> str:
    found = site.options.get(name)
    if not found:
        raise UnsupportedActionError(f"the connection does not declare {name}, which every write here needs")
    return str(found)


def call(action: str, patient: str, site: Site, *parameters: str) -> Sent:
    """Return one call of Unity for a patient (``Patient/id``); the token is put in when it leaves."""
    before = str(site.options.get("patient_id_prefix", ""))
    id_ = patient.rpartition("/")[2]
    if not id_.startswith(before) or id_ == before:
        raise UnsupportedActionError("the patient is not named by an id of this connection's Unity")
    said = dict(zip(_PARAMETERS, parameters, strict=False))
    body = {
        "Action": action,
        "AppUserID": _option(site, "ehr_user"),
        "Appname": _option(site, "app_name"),
        "PatientID": id_[len(before) :],
        _SESSION_IN: "",
        **{name: said.get(name, "") for name in _PARAMETERS},
        "Data": "",
    }
    return Sent(path="MagicJson", body=exact_json.dumps(body).encode())


def _said(operation: Operation) -> dict[str, str]:
    said: dict[str, str] = exact_json.parse(operation.body)
    return said


def _patient(operation: Operation, site: Site) -> dict[str, str]:
    return {"reference": f"Patient/{site.options.get('patient_id_prefix', '')}{_said(operation)['PatientID']}"}


def _xml(root: str, fields: Mapping[str, str]) -> str:
    element = ET.Element(root)
    for name, value in fields.items():
        ET.SubElement(element, "field", {"name": name, "value": value})
    return ET.tostring(element, encoding="unicode")


def _fields(operation: Operation) -> dict[str, str]:
    root = ET.fromstring(_said(operation)["Parameter1"])  # noqa: S314 - our own bytes
    return {str(item.get("name")): str(item.get("value")) for item in root}


# Vital signs


def _named(site: Site) -> Mapping[str, Mapping[str, str]]:
    found: Mapping[str, Mapping[str, str]] = site.options.get("vital_fields", {})
    return found


def _vital(change: Change) -> Resource:
    """Build the reading as Unity would keep it: numbers under the names that the connection declares, and a day."""
    resource = observation.record(
        taken(outside_encounter(change), ("code", "valueQuantity", "component", "effectiveDateTime"))
    )
    numbers = numbers_in(resource, {code: entry["unit"] for code, entry in _named(change.site).items()})
    kept = {name: resource[name] for name in ("resourceType", "status", "subject")}
    return {**kept, "effectiveDateTime": resource["effectiveDateTime"][:10], **stated(numbers)}


def _day_format(site: Site) -> str:
    return str(site.options.get("vital_day_format", "%m/%d/%Y"))


def _vital_call(resource: Resource, site: Site) -> Sent:
    named = _named(site)
    taken_on = f"{date.fromisoformat(resource['effectiveDateTime']):{_day_format(site)}}"
    fields = {_option(site, "vital_time"): taken_on}
    numbers = numbers_in(resource, {code: entry["unit"] for code, entry in named.items()})
    fields |= {named[code]["name"]: str(item["value"]) for code, item in numbers.items()}
    return call("SaveVitalsData", resource["subject"]["reference"], site, _xml("savevitalsdata", fields))


def _vital_sent(operation: Operation, site: Site) -> Resource:
    fields, named = _fields(operation), _named(site)
    numbers = {
        code: amount(exact_json.parse(fields[entry["name"]]), entry["unit"])
        for code, entry in named.items()
        if entry["name"] in fields
    }
    taken_on = datetime.strptime(fields[_option(site, "vital_time")], _day_format(site)).date()  # noqa: DTZ007
    frame = {"resourceType": "Observation", "status": "final", "subject": _patient(operation, site)}
    return {**frame, "effectiveDateTime": taken_on.isoformat(), **stated(numbers)}


# Documented medications


def _statement(change: Change) -> Resource:
    resource = medication_statement.start(taken(outside_encounter(change), ("medication", "dosage", "effectivePeriod")))
    dosage = resource.get("dosage", [])
    period = resource.get("effectivePeriod", {})
    if len(dosage) != 1 or not dosage[0].get("text") or "contained" in resource:
        raise UnsupportedActionError("this EHR takes a medication's code and one text of its dosage")
    if "end" in period or len(period.get("start", "0000-00-00")) < 10:
        raise UnsupportedActionError("this EHR takes the begin of a documented medication, to the day")
    own_code(change.site, "medication", resource["medicationCodeableConcept"])
    kept = ("resourceType", "status", "subject", "medicationCodeableConcept")
    begun = {"effectivePeriod": {"start": period["start"][:10]}} if period else {}
    return {**{name: resource[name] for name in kept}, **begun, "dosage": [{"text": dosage[0]["text"]}]}


def _medication_call(resource: Resource, site: Site) -> Sent:
    begun = resource.get("effectivePeriod", {}).get("start")
    fields = {
        "DDI": own_code(site, "medication", resource["medicationCodeableConcept"]),
        "Sig": resource["dosage"][0]["text"],
        **({"startdate": begun} if begun else {}),
        "historicalflag": str(site.options.get("historical_flag", "Y")),
    }
    return call("SaveRX", resource["subject"]["reference"], site, _xml("saverx", fields))


def _medication_sent(operation: Operation, site: Site) -> Resource:
    fields, shown = _fields(operation), _medication_type(site)
    dosage = "dosageInstruction" if shown == "MedicationRequest" else "dosage"
    return {
        "resourceType": shown,
        "status": "active",
        "subject": _patient(operation, site),
        "medicationCodeableConcept": {"coding": codes_for(site, "medication", fields["DDI"])},
        dosage: [{"text": fields["Sig"]}],
    }


def _medication_type(site: Site) -> str:
    return str(site.options.get(MEDICATION_READS, "MedicationRequest"))


HANDLERS: Mapping[tuple[str, str], Handler] = {
    ("VitalReading", "record"): Handler(resource_type="Observation", build=_vital, creates=True),
    ("MedicationChange", "start"): Handler(resource_type="MedicationStatement", build=_statement, creates=True),
}
NATIVES = {
    "Observation": Native(encode=_vital_call, decode=_vital_sent),
    "MedicationStatement": Native(encode=_medication_call, decode=_medication_sent, reads_as=_medication_type),
}
VIEWS = {
    "Observation": View(fields=observation.FIELDS, encounter="encounter"),
    "MedicationStatement": View(fields=medication_statement.FIELDS, encounter="context"),
}


def _action(flag: str) -> Write:
    return Write(
        meaning=Meaning.CREATES,
        transport=Transport.RPC,
        answer='200, [{"<action>info": [..]}]; an error is [{"Error": ..}] or a text with "error:"',
        flag=flag,
        source=_CLIENT,
        confirmed=False,
    )


WRITES = {
    ("Observation", CREATE): _action("unity_vitals"),
    ("MedicationStatement", CREATE): _action("unity_medications"),
}
_ONCE = "Unity documents no change or removal of an entry, and the same save action again would add another one."
_NO_FIELDS = (
    "Which fields Unity's action for it has is not public, and what was guessed would be filed as something else."
)
_NO_READ = "Unity takes tasks, but its FHIR reads show none: what was written could never be proven or found again."
SUPPORTS = {
    **supported(HANDLERS, WRITES),
    **refused_but(
        ("PatientReportedOutcome",),
        HANDLERS,
        "Unity has no place for answers to a questionnaire but the text of a note.",
    ),
    **refused_but(("ImmunizationRecord",), HANDLERS, _NO_FIELDS),
    **refused_but(
        ("OrderRequest",),
        HANDLERS,
        "What Unity's actions for it make is an order. Nothing is ordered here, and it has no place for a proposal.",
    ),
    **NO_ENTRY,
    **refused_but(("VitalReading", "MedicationChange"), HANDLERS, _ONCE),
    **refused_but(("AllergyUpdate", "ProblemUpdate", "ClinicalNote"), HANDLERS, _NO_FIELDS),
    **refused_but(("CareMessage", "CareTask"), HANDLERS, _NO_READ),
}
CAPABILITIES = Capabilities(
    writes=WRITES,
    supports=SUPPORTS | NO_ENTRY,
    medication_list=MedicationList(types=("MedicationRequest",), named_by=MEDICATION_READS, source=_CLIENT),
    conditional_create=False,
    finds_by_mark=False,
    proof=Proof.READ_BACK,
    known_changes=(
        KnownChange(resource_type="Observation", element="effectiveDateTime", what="the day only", source=_CLIENT),
        KnownChange(resource_type="MedicationStatement", element="dosage", what="its text only", source=_CLIENT),
    ),
    limits=(
        Limit(what="a session", most="ends when it is idle", source=_CLIENT),
        Limit(what="an answer", most="90 s in the client", source=_CLIENT),
        Limit(what="requests", most="not published", source="none: no page read states it", confirmed=False),
    ),
    provenance="not taken: the chart names the EHR user of the connection",
    versions="none",
    stale="none",
    authentication="Unity token (GetToken) in the body, and a user of the EHR; FHIR reads have a token of their own",
)


@dataclass(frozen=True, kw_only=True)
class UnityAdapter(NativeAdapter):
    """A call succeeded only if its answer is named after it."""

    def request(self, operation: Operation, site: Site) -> Request:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        path = operation.path or ""
        return Request(
            method="POST", path=path, headers=headers, body=operation.body, native=True, token_field=_SESSION_IN
        )

    def classify(self, operation: Operation, answer: Answer | NoAnswer, now: datetime) -> Settlement:
        if isinstance(answer, NoAnswer) or not 200 <= answer.status < 300:
            return answers.classify(operation, answer, now=now, errors=self.errors)
        outcome, detail = _judged(f"{_said(operation)['Action']}info".lower(), answer)
        return Settlement(outcome=outcome, status=answer.status, detail=detail, body=answer.body)


def _judged(expected: str, answer: Answer) -> tuple[Outcome, str]:
    error, rows = _error_and_rows(answer.body)
    if error is not None:
        ended = _SESSION.search(error) is not None
        return (Outcome.AUTH if ended else Outcome.REJECTED_PAYLOAD), "an error inside a success status"
    named = [name for row in rows or [] for name in row if name.lower() == expected]
    if answer.status == 200 and rows is not None and len(rows) == 1 and len(named) == len(rows[0]) == 1:
        return Outcome.APPLIED_UNVERIFIED, "the answer names nothing that can be read"
    return Outcome.UNKNOWN, "a success in no documented shape"


def _error_and_rows(body: bytes) -> tuple[str | None, list[Mapping[str, Any]] | None]:
    """Return the error's text, or the rows of an answer that is a list of objects; both ``None`` for anything else."""
    try:
        value = exact_json.parse(body)
    except exact_json.InvalidJsonError:
        value = body.decode("utf-8", "replace")
    if isinstance(value, str):
        return (value if "error:" in value.lower() else None), None
    if not isinstance(value, list) or not value or not all(isinstance(row, Mapping) for row in value):
        return None, None
    errors = [str(text) for row in value for name, text in row.items() if name.lower() == "error"]
    return (errors[0] if errors else None), value


ADAPTER: Adapter = UnityAdapter(
    key="veradigm",
    mapping_version=MAPPING_VERSION,
    capabilities=CAPABILITIES,
    handlers=HANDLERS,
    views=VIEWS,
    natives=NATIVES,
    comparisons=COMPARISONS,
)
