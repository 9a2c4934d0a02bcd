"""Canvas Medical: FHIR R4 whose update, for most types, takes an entry back whatever is sent. No version, no mark of ours.

It creates with an answer that says nothing but a ``Location``, lets an update be guarded by the time of the last change (whole
seconds: an edit within the same second would not be noticed), and gives measurements back in units of its own. Creates for one
encounter must not overlap; one lane per patient sees to that.

An allergy or problem is filed with the certainty that the EHR gives it; a message reaches an inbox only from the patient, so a
task is what falls back to.

Options of a connection: ``medication_codes`` ``"fdb"`` (default: RxNorm is mapped by ``codes.medication`` to the vendor's FDB
id) or ``"rxnorm"`` (the vendor says that it takes it as well); ``codes.allergy``, ours to FDB; ``note_reviewer``
(see :mod:`adapters.canvas_documents`); ``leaves_out`` (see :mod:`adapters.accepted`).

Not confirmed, so nothing rests on it: rate limits; which of the described answer shapes production has.

Source: canvas-medical/documentation (``collections/_api``: observation, medicationstatement, allergyintolerance, condition,
task, communication, conditional-requests, errors, customer-authentication; read 2026-11); canvas-medical/fhirstarter for the
shapes of an answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from adapters import canvas_documents
from adapters.accepted import code_in, own_code, taken
from adapters.adapter import Adapter
from adapters.canvas_changes import (
    ATTRIBUTION,
    DOCS,
    FDB,
    FDB_ID,
    GUARD,
    MEDICATION_LIST,
    NORMALISATIONS,
    OBSERVATION,
    STATEMENT,
    VITALS,
)
from adapters.measured import in_a_unit_of
from adapters.r4 import (
    allergy_intolerance,
    answers,
    communication,
    condition,
    document_reference,
    medication_statement,
    natural_key,
    observation,
    task,
)
from adapters.r4.adapter import R4Adapter, View
from adapters.r4.change import Change, Handler, Revision
from adapters.r4.components import LOINC
from adapters.r4.compounds import NO_ENTRY
from adapters.r4.fields import put
from adapters.r4.normalisation import told
from adapters.r4.support import refused, refused_but, supported
from adapters.taking_back import marked_in_error, only_taken_back
from adapters.wire import Answer, NoAnswer
from canonical.capabilities import Capabilities, Interaction, Limit, Meaning, PreconditionKind, Proof, Write
from canonical.code_systems import RXNORM
from canonical.errors import UnsupportedActionError
from canonical.outcome import Outcome, Settlement
from canonical.ports import Operation, Resource

MAPPING_VERSION = "canvas/1"
CREATE, UPDATE = Interaction.CREATE, Interaction.UPDATE

_PRESSURE = "85354-9"
#: The parts of a blood pressure in the order in which the vendor writes them as a text.
_PARTS = (("8480-6", "Systolic blood pressure"), ("8462-4", "Diastolic blood pressure"))
_VITAL_FIELDS = ("code", "valueQuantity", "component", "effectiveDateTime", "performer")
_STATEMENT_FIELDS = ("medication", "dosage", "effectivePeriod")
_ALLERGY_FIELDS = (
    *("code", "allergyType", "onsetDateTime", "lastOccurrence", "reaction", "recorder", "recordedDate", "note"),
)
_PROBLEM_FIELDS = ("category", "code", "onsetDateTime", "recorder", "recordedDate", "note")
_TASK_FIELDS = ("description", "owner", "requester", "restriction", "authoredOn", "note", "intent")


def _loinc(code: str, display: str) -> dict[str, Any]:
    return {"coding": [{"system": LOINC, "code": code, "display": display}]}


def _vital(change: Change) -> Resource:
    """Build a vital sign of the vendor's list, alone in a panel that the EHR makes for it."""
    resource = observation.record(taken(change, _VITAL_FIELDS))
    named = {str(item["code"]) for item in resource["code"]["coding"] if item.get("system") == LOINC}
    known = sorted(named & {*VITALS, _PRESSURE})
    if len(known) != 1:
        raise UnsupportedActionError("this EHR has no place for this vital sign")
    put(resource, "category", None)
    return _pressure(resource) if known[0] == _PRESSURE else _measured(resource, known[0])


def _measured(resource: Resource, code: str) -> Resource:
    name, units = VITALS[code]
    if "component" in resource or "valueQuantity" not in resource:
        raise UnsupportedActionError("this EHR takes this vital sign as one number")
    value, word = in_a_unit_of(resource["valueQuantity"], units, name)
    return {**resource, "code": _loinc(code, name), "valueQuantity": {"value": value, "unit": word}}


def _pressure(resource: Resource) -> Resource:
    """State both numbers as components, which are kept, and as a text, which is shown."""
    given = {code_in(item.get("code"), LOINC): item.get("valueQuantity") for item in resource.get("component", [])}
    if set(given) != {code for code, _ in _PARTS} or not all(given.values()):
        raise UnsupportedActionError("this EHR takes a blood pressure as systolic and diastolic numbers, both")
    numbers = [in_a_unit_of(given[code] or {}, {"mm[Hg]": "mmHg"}, name)[0] for code, name in _PARTS]
    parts = [
        {"code": _loinc(code, name), "valueQuantity": {"value": number, "unit": "mmHg"}}
        for (code, name), number in zip(_PARTS, numbers, strict=True)
    ]
    text = "/".join(str(number) for number in numbers)
    return {**resource, "code": _loinc(_PRESSURE, "Blood Pressure"), "component": parts, "valueString": text}


def _statement(change: Change) -> Resource:
    return _as_taken(medication_statement.start(taken(change, _STATEMENT_FIELDS)), change)


def _corrected(change: Change) -> Resource:
    """Build the entry that takes the place of a wrong one, which is taken back after it."""
    fields = (*_STATEMENT_FIELDS, "statusReason")
    whole = medication_statement.update(taken(change, fields))
    kept = ("resourceType", "status", "subject", "context", "effectivePeriod", "dosage")
    named = ("medicationCodeableConcept", "medicationReference")
    return _as_taken({name: whole[name] for name in (*kept, *named) if name in whole}, change)


def _as_taken(statement: Resource, change: Change) -> Resource:
    if statement["status"] not in {"active", "stopped"}:
        raise UnsupportedActionError("this EHR takes a documented medication as active or stopped only")
    dosage = statement.get("dosage", [])
    if len(dosage) > 1 or not all(item.get("text") for item in dosage):
        raise UnsupportedActionError("this EHR keeps one dosage of a medication, and of it the text only")
    put(statement, "dosage", [{"text": item["text"]} for item in dosage])
    return statement | _medication(statement, change)


def _medication(statement: Resource, change: Change) -> dict[str, Any]:
    concept = statement.pop("medicationCodeableConcept", None)
    if concept is None or "contained" in statement:
        raise UnsupportedActionError("this EHR takes a medication by its code alone")
    known = code_in(concept, FDB)
    rxnorm = code_in(concept, RXNORM)
    if known is None and rxnorm and change.site.options.get("medication_codes") == "rxnorm":
        return {"medicationCodeableConcept": {"coding": [_coding(concept, RXNORM, rxnorm)]}}
    known = known or own_code(change.site, "medication", concept)
    display = _coding(concept, FDB, known)["display"]
    return {"medicationReference": {"reference": f"{FDB_ID}{known}", "display": display}}


def _coding(concept: Mapping[str, Any], system: str, code: str) -> dict[str, Any]:
    displays = [item.get("display") for item in concept["coding"] if item.get("code") == code]
    display = next((item for item in (*displays, concept.get("text")) if item), code)
    return {"system": system, "code": code, "display": display}


def _replaced(change: Change) -> list[Revision]:
    before = change.current or {}
    return [Revision(before=before, after=marked_in_error(before))]


def _allergy(change: Change) -> Resource:
    """Build an allergy by its one FDB code; how certain it is, the EHR says itself."""
    resource = allergy_intolerance.record(taken(change, _ALLERGY_FIELDS))
    for reaction in resource.get("reaction", []):
        if set(reaction) - {"manifestation", "severity"}:
            raise UnsupportedActionError("this EHR keeps of a reaction what it was and how severe")
    if any(len(str(resource.get(name, ""))) not in {0, 10} for name in ("onsetDateTime", "lastOccurrence")):
        raise UnsupportedActionError("this EHR takes onset and last occurrence of an allergy as days")
    known = code_in(resource["code"], FDB) or own_code(change.site, "allergy", resource["code"])
    put(resource, "verificationStatus", None)
    return {**resource, "code": {"coding": [_coding(resource["code"], FDB, known)]}}


def _problem(change: Change) -> Resource:
    """Build a problem; it becomes a diagnosis in the note it is put in."""
    resource = condition.add(taken(change, _PROBLEM_FIELDS))
    if len(str(resource.get("onsetDateTime", ""))) not in {0, 10}:
        raise UnsupportedActionError("this EHR takes the onset of a problem as a day")
    return resource


def _message(change: Change) -> Resource:
    """Build a message of the patient to one of the staff: nobody else's would reach anybody."""
    resource = communication.send(taken(change, ("payload", "recipient", "sent")))
    recipients = [str(item.get("reference")) for item in resource.get("recipient", [])]
    if not _names(resource.get("sender"), "Patient/") or [item[:13] for item in recipients] != ["Practitioner/"]:
        raise UnsupportedActionError("this EHR delivers messages of a patient to one practitioner; others stay drafts")
    return {**resource, "status": "unknown"}


def _names(reference: Any, kind: str) -> bool:
    return isinstance(reference, Mapping) and str(reference.get("reference", "")).startswith(kind)


def _task(change: Change) -> Resource:
    return _as_task(task.create(taken(_in_words(change), _TASK_FIELDS)))


def _in_words(change: Change) -> Change:
    """Return a new task with what its code says in front of its description; routine is what a task is without a priority."""
    content = dict(change.content)
    if content.get("priority") == "routine":
        del content["priority"]
    code = content.get("code")
    if code is not None and code.get("text") and not code.get("coding"):
        del content["code"]
        content["description"] = f"{code['text']}\n{content['description']}"
    return replace(change, content=content)


def _changed_task(change: Change) -> Resource:
    """Build the whole task, since what is left out is deleted, but only the comments that are new, since all are added."""
    known = (change.current or {}).get("note", [])
    resource = _as_task(task.update(taken(change, (*_TASK_FIELDS, "code", "statusReason"))))
    reason = resource.pop("statusReason", None)
    said = [item for item in resource.get("note", []) if item not in known]
    if reason is not None and reason != (change.current or {}).get("statusReason"):
        if not reason.get("text"):
            raise UnsupportedActionError("this EHR takes the reason of a task's end as a text")
        said.append({"text": reason["text"]})
    put(resource, "note", said)
    return {name: item for name, item in resource.items() if name not in {"meta", "text"}}


def _as_task(resource: Resource) -> Resource:
    if not _names(resource.get("requester"), "Practitioner/"):
        raise UnsupportedActionError("this EHR takes tasks that a practitioner asks for")
    if "owner" in resource and not _names(resource["owner"], "Practitioner/"):
        raise UnsupportedActionError("this EHR gives tasks to practitioners only")
    period = resource.get("restriction", {}).get("period", {})
    if set(resource.get("restriction", {})) - {"period"} or set(period) - {"end"}:
        raise UnsupportedActionError("this EHR keeps of a task's limits the day it is due")
    return {**resource, "intent": "unknown"}


HANDLERS: Mapping[tuple[str, str], Handler] = {
    ("VitalReading", "record"): Handler(resource_type="Observation", build=_vital, creates=True),
    ("MedicationChange", "start"): Handler(resource_type="MedicationStatement", build=_statement, creates=True),
    ("MedicationChange", "correct"): Handler(
        resource_type="MedicationStatement", build=_corrected, creates=True, entails=_replaced
    ),
    ("MedicationChange", "retract"): Handler(resource_type="MedicationStatement", build=medication_statement.update),
    ("AllergyUpdate", "record"): Handler(
        resource_type="AllergyIntolerance", build=_allergy, creates=True, entails=allergy_intolerance.retire_none_known
    ),
    ("AllergyUpdate", "retract"): Handler(resource_type="AllergyIntolerance", build=allergy_intolerance.update),
    ("ProblemUpdate", "add"): Handler(resource_type="Condition", build=_problem, creates=True),
    ("ProblemUpdate", "retract"): Handler(resource_type="Condition", build=condition.update),
    ("ClinicalNote", "create"): Handler(
        resource_type="DocumentReference", build=canvas_documents.document, creates=True
    ),
    ("CareMessage", "send"): Handler(resource_type="Communication", build=_message, creates=True),
    ("CareTask", "create"): Handler(resource_type="Task", build=_task, creates=True),
    **{
        ("CareTask", operation): Handler(resource_type="Task", build=_changed_task)
        for operation in ("update", "complete", "cancel")
    },
}
VIEWS = {
    "Observation": View(fields=observation.FIELDS, encounter="encounter"),
    "MedicationStatement": View(fields=medication_statement.FIELDS, encounter="context"),
    "AllergyIntolerance": View(
        fields=(*allergy_intolerance.FIELDS, *allergy_intolerance.STATUSES.fields), encounter="encounter"
    ),
    "Condition": View(fields=(*condition.FIELDS, *condition.STATUSES.fields), encounter="encounter"),
    "DocumentReference": View(fields=document_reference.FIELDS, encounter="context.encounter"),
    "Communication": View(fields=communication.FIELDS, encounter="encounter"),
    "Task": View(fields=task.FIELDS, encounter="encounter"),
}


def _create(source: str) -> Write:
    return Write(meaning=Meaning.CREATES, answer="201, body null or empty, Location alone", source=source)


def _update(meaning: Meaning, source: str) -> Write:
    return Write(
        meaning=meaning,
        precondition=PreconditionKind.IF_UNMODIFIED_SINCE,
        answer="200, body null or empty",
        source=f"{source}; {GUARD}",
    )


#: type → what its update is; a type without one is written once.
_UPDATES = {
    "MedicationStatement": Meaning.RETRACTS,
    "AllergyIntolerance": Meaning.RETRACTS,
    "Condition": Meaning.RETRACTS,
    "Task": Meaning.REPLACES,
}
WRITES = {
    **{(name, CREATE): _create(f"{DOCS}{name.lower()}.md") for name in VIEWS},
    **{(name, UPDATE): _update(meaning, f"{DOCS}{name.lower()}.md") for name, meaning in _UPDATES.items()},
}
_ONLY_BACK = "Canvas has no change of such an entry: what it calls an update marks the entry as entered in error."
_NO_CHANGE = "Canvas takes vital signs from outside once and can neither change them nor take them back."
SUPPORTS = {
    **supported(HANDLERS, WRITES),
    **refused_but(("PatientReportedOutcome",), HANDLERS, "Canvas takes answers by its own codes, which nothing maps."),
    **refused_but(("ImmunizationRecord",), HANDLERS, "What Canvas keeps of a vaccination is not known here."),
    **refused_but(("OrderRequest",), HANDLERS, "Canvas takes orders by its own commands. It may be sent as a task."),
    **NO_ENTRY,
    **refused("VitalReading", {"correct": _NO_CHANGE, "retract": _NO_CHANGE}),
    **refused("MedicationChange", dict.fromkeys(("changeDose", "hold", "resume", "stop", "notTaking"), _ONLY_BACK)),
    **refused(
        "AllergyUpdate",
        dict.fromkeys(("update", "addReaction", "removeReaction", "inactivate", "resolve", "refute"), _ONLY_BACK)
        | dict.fromkeys(
            ("assertNoneKnown", "withdrawNoneKnown"), "Canvas takes an allergy by the FDB code of a substance."
        ),
    ),
    **refused("ProblemUpdate", dict.fromkeys(("update", "resolve", "inactivate", "reactivate", "refute"), _ONLY_BACK)),
    **refused_but(("ClinicalNote",), HANDLERS, "Canvas takes a document from outside once and has no change of it."),
    **refused("CareMessage", {"retract": "Canvas has no change of a message: who received it has it."}),
}
CAPABILITIES = Capabilities(
    writes=WRITES,
    supports=SUPPORTS | NO_ENTRY,
    fallbacks={"task": ("CareTask", "create")},
    conditional_create=False,
    finds_by_mark=False,
    proof=Proof.READ_BACK,
    known_changes=told((*NORMALISATIONS, *canvas_documents.NORMALISATIONS)),
    attribution=ATTRIBUTION,
    medication_list=MEDICATION_LIST,
    limits=(
        Limit(what="access token", most="36000 s", source=DOCS + "customer-authentication.md"),
        Limit(what="MedicationStatement.dosage", most="1, its text only", source=STATEMENT),
        Limit(what="readings of one kind in a panel", most="1", source=OBSERVATION),
        Limit(what="concurrent creates for one encounter", most="1", source=STATEMENT),
        Limit(what="requests", most="not published", source="none: no page read states it", confirmed=False),
    ),
    compensations={
        **dict.fromkeys(("MedicationChange", "AllergyUpdate", "ProblemUpdate"), "retract: update to entered in error"),
        "CareTask": "cancel: update with status cancelled",
    },
    provenance="not taken: the EHR writes its own",
    versions="none: the time of the last change (meta.lastUpdated), whole seconds in If-Unmodified-Since",
    stale="412",
    authentication="OAuth client credentials, secret in the body",
)
#: Only these are searched by more than the patient. Source: the search parameters of each page.
_KEYS = {name: natural_key.KEYS[name] for name in ("Observation", "DocumentReference")}


class CanvasAdapter(R4Adapter):
    """The answers of this EHR name nothing but a place, and its only version is a time."""

    def version_of(self, resource: Resource) -> str | None:
        changed = resource.get("meta", {}).get("lastUpdated")
        return changed if isinstance(changed, str) and changed else None

    def shape(self, resource: Resource, change: Change) -> Resource:
        return only_taken_back(resource, change)

    def classify(self, operation: Operation, answer: Answer | NoAnswer, now: datetime) -> Settlement:
        if isinstance(answer, Answer) and 200 <= answer.status < 300:
            return _success(operation, answer, now)
        return super().classify(operation, answer, now)


def _success(operation: Operation, answer: Answer, now: datetime) -> Settlement:
    """Take a success only in the shape that is described: its status, and a body that says nothing."""
    expected = 201 if operation.interaction is CREATE else 200
    if answer.status != expected or answer.body.strip() not in {b"", b"null"}:
        return Settlement(
            outcome=Outcome.UNKNOWN, status=answer.status, detail="a success in no documented shape", body=answer.body
        )
    if operation.interaction is UPDATE:
        return Settlement(
            outcome=Outcome.APPLIED, status=answer.status, reference=operation.reference, body=answer.body
        )
    # The number in Location is no version that any read states.
    return replace(answers.classify(operation, answer, now=now), version=None)


ADAPTER: Adapter = CanvasAdapter(
    key="canvas",
    mapping_version=MAPPING_VERSION,
    capabilities=CAPABILITIES,
    handlers=HANDLERS,
    views=VIEWS,
    normalisations=(*NORMALISATIONS, *canvas_documents.NORMALISATIONS),
    natural_keys=_KEYS,
)
