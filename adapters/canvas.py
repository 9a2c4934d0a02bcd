"""Canvas Medical: FHIR R4 whose update, for most types, takes an entry back whatever is sent. No version, no mark of ours.

It creates with an answer that says nothing but a ``Location``, lets an update be guarded by the time of the last change (whole
seconds: an edit within the same second would not be noticed), and gives measurements back in units of its own. Creates for one
encounter must not overlap; one lane per patient sees to that.

Options of a connection: ``medication_codes`` ``"fdb"`` (default: RxNorm is mapped by ``codes.medication`` to the vendor's FDB
id) or ``"rxnorm"`` (the vendor says that it takes it as well); ``codes``; ``leaves_out`` (see :mod:`adapters.accepted`).

Not confirmed, so nothing rests on it: rate limits; which of the described answer shapes production has.

Source: canvas-medical/documentation (``collections/_api``: observation, medicationstatement, conditional-requests, errors,
customer-authentication; read 2026-11); canvas-medical/fhirstarter for the shapes of an answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from adapters.accepted import code_in, codings, own_code, taken, takes_back
from adapters.adapter import Adapter
from adapters.measured import UCUM, in_a_unit_of, same_amount
from adapters.r4 import answers, medication_statement, natural_key, observation
from adapters.r4.adapter import R4Adapter, View
from adapters.r4.change import Change, Handler, Revision
from adapters.r4.components import LOINC
from adapters.r4.fields import put
from adapters.r4.normalisation import Normalisation, added, not_kept, told
from adapters.r4.support import refused, supported
from adapters.wire import Answer, NoAnswer
from canonical.capabilities import Capabilities, Interaction, Limit, Meaning, PreconditionKind, Proof, Write
from canonical.code_systems import RXNORM
from canonical.errors import UnsupportedActionError
from canonical.outcome import Outcome, Settlement
from canonical.ports import Operation, Resource

MAPPING_VERSION = "canvas/1"
CREATE, UPDATE = Interaction.CREATE, Interaction.UPDATE

_DOCS = "canvas-medical/documentation, collections/_api/"
_OBSERVATION, _STATEMENT = _DOCS + "observation.md", _DOCS + "medicationstatement.md"
_GUARD = _DOCS + "conditional-requests.md"
_FDB = "http://www.fdbhealth.com/"
_FDB_ID = "Medication/fdb-"

#: LOINC → (the name that goes with it, UCUM → the vendor's word for each unit that it takes).
VITALS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "29463-7": ("Weight", {"kg": "kg", "[lb_av]": "lb", "[oz_av]": "oz"}),
    "8302-2": ("Height", {"cm": "cm", "[in_i]": "in"}),
    "8867-4": ("Pulse", {"/min": "bpm"}),
    "8310-5": ("Body Temperature", {"[degF]": "°F"}),
    "59408-5": ("Oxygen Saturation", {"%": "%"}),
    "9279-1": ("Respiration Rate", {"/min": "bpm"}),
    "56086-2": ("Waist Circumference", {"cm": "cm", "[in_i]": "in"}),
}
_UCUM_OF = {word: code for _, units in VITALS.values() for code, word in units.items()} | {"mmHg": "mm[Hg]"}
_PRESSURE = "85354-9"
#: The parts of a blood pressure in the order in which the vendor writes them as a text.
_PARTS = (("8480-6", "Systolic blood pressure"), ("8462-4", "Diastolic blood pressure"))
_VITAL_FIELDS = ("code", "valueQuantity", "component", "effectiveDateTime", "performer")
_STATEMENT_FIELDS = ("medication", "dosage", "effectivePeriod")


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
    known = code_in(concept, _FDB)
    rxnorm = code_in(concept, RXNORM)
    if known is None and rxnorm and change.site.options.get("medication_codes") == "rxnorm":
        return {"medicationCodeableConcept": {"coding": [_coding(concept, RXNORM, rxnorm)]}}
    known = known or own_code(change.site, "medication", concept)
    display = _coding(concept, _FDB, known)["display"]
    return {"medicationReference": {"reference": f"{_FDB_ID}{known}", "display": display}}


def _coding(concept: Mapping[str, Any], system: str, code: str) -> dict[str, Any]:
    displays = [item.get("display") for item in concept["coding"] if item.get("code") == code]
    display = next((item for item in (*displays, concept.get("text")) if item), code)
    return {"system": system, "code": code, "display": display}


def _taken_back(change: Change) -> Resource:
    """Build the entry as it is but for its status: whatever else were sent would be ignored."""
    return _in_error(change.current or {})


def _in_error(current: Resource) -> Resource:
    return {name: item for name, item in current.items() if name not in {"meta", "text"}} | {
        "status": "entered-in-error"
    }


def _replaced(change: Change) -> list[Revision]:
    before = change.current or {}
    return [Revision(before=before, after=_in_error(before))]


HANDLERS: Mapping[tuple[str, str], Handler] = {
    ("VitalReading", "record"): Handler(resource_type="Observation", build=_vital, creates=True),
    ("MedicationChange", "start"): Handler(resource_type="MedicationStatement", build=_statement, creates=True),
    ("MedicationChange", "correct"): Handler(
        resource_type="MedicationStatement", build=_corrected, creates=True, entails=_replaced
    ),
    ("MedicationChange", "retract"): Handler(resource_type="MedicationStatement", build=_taken_back),
}
VIEWS = {
    "Observation": View(fields=observation.FIELDS, encounter="encounter"),
    "MedicationStatement": View(fields=medication_statement.FIELDS, encounter="context"),
}


def _create(source: str) -> Write:
    return Write(meaning=Meaning.CREATES, answer="201, body null or empty, Location alone", source=source)


_TAKES_BACK = Write(
    meaning=Meaning.RETRACTS,
    precondition=PreconditionKind.IF_UNMODIFIED_SINCE,
    answer="200, body null or empty",
    source=f"{_STATEMENT}; {_GUARD}",
)
WRITES = {
    ("Observation", CREATE): _create(_OBSERVATION),
    ("MedicationStatement", CREATE): _create(_STATEMENT),
    ("MedicationStatement", UPDATE): _TAKES_BACK,
}
_ONLY_BACK = "Canvas has no change of a documented medication: its update marks the entry as entered in error."
_NO_CHANGE = "Canvas takes vital signs from outside once and can neither change them nor take them back."
SUPPORTS = {
    **supported(HANDLERS, WRITES),
    **refused("VitalReading", {"correct": _NO_CHANGE, "retract": _NO_CHANGE}),
    **refused("MedicationChange", dict.fromkeys(("changeDose", "hold", "resume", "stop", "notTaking"), _ONLY_BACK)),
}


def _ucum(quantity: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a quantity with its UCUM code: the vendor takes and states units by words of its own."""
    code = quantity.get("code") or _UCUM_OF.get(str(quantity.get("unit")))
    return {**quantity, "system": UCUM, "code": code}


def _same_value(sent: Resource, stored: Resource) -> bool:
    one, other = sent.get("valueQuantity"), stored.get("valueQuantity")
    return bool(one and other) and same_amount(_ucum(one or {}), _ucum(other or {}))


def _same_parts(sent: Resource, stored: Resource) -> bool:
    one, other = _parts(sent), _parts(stored)
    return one.keys() == other.keys() and all(same_amount(item, other[code]) for code, item in one.items())


def _parts(resource: Resource) -> dict[str | None, Mapping[str, Any]]:
    return {
        code_in(item.get("code"), LOINC): _ucum({"unit": "mmHg", **item.get("valueQuantity", {})})
        for item in resource.get("component", [])
    }


def _same_medication(sent: Resource, stored: Resource) -> bool:
    """Whether what is given back, which carries every coding of the medication, is the one that was sent."""
    reference = sent.get("medicationReference", {}).get("reference", "")
    meant = [(_FDB, reference.removeprefix(_FDB_ID))] if reference.startswith(_FDB_ID) else []
    meant += [(str(item.get("system")), str(item["code"])) for item in codings(sent.get("medicationCodeableConcept"))]
    here = stored.get("medicationCodeableConcept")
    return any(code_in(here, system) == code for system, code in meant)


def _change(resource_type: str, element: str, what: str, source: str, same: Any, *also: str) -> Normalisation:
    return Normalisation(resource_type=resource_type, element=element, what=what, source=source, same=same, also=also)


NORMALISATIONS = (
    _change("Observation", "valueQuantity", "given back in another unit, rounded", _OBSERVATION, _same_value),
    _change("Observation", "component", "given back with the unit spelled out", _OBSERVATION, _same_parts),
    added("Observation", "category", what="vital-signs, which a create does not state", source=_OBSERVATION),
    added("Observation", "derivedFrom", what="the panel that it makes for the reading", source=_OBSERVATION),
    added("Observation", "performer", what="its own user, where none was sent", source=_OBSERVATION),
    not_kept("Observation", "encounter", source=_OBSERVATION),
    *(
        _change(
            "MedicationStatement", element, "given back by all codes it has", _STATEMENT, _same_medication, "medication"
        )
        for element in ("medicationCodeableConcept", "medicationReference")
    ),
    added("MedicationStatement", "effectivePeriod", what="starts when it was written", source=_STATEMENT),
    not_kept("MedicationStatement", "context", source=_STATEMENT, also=("encounter",)),
)
CAPABILITIES = Capabilities(
    writes=WRITES,
    supports=SUPPORTS,
    conditional_create=False,
    finds_by_mark=False,
    proof=Proof.READ_BACK,
    known_changes=told(NORMALISATIONS),
    limits=(
        Limit(what="access token", most="36000 s", source=_DOCS + "customer-authentication.md"),
        Limit(what="MedicationStatement.dosage", most="1, its text only", source=_STATEMENT),
        Limit(what="readings of one kind in a panel", most="1", source=_OBSERVATION),
        Limit(what="concurrent creates for one encounter", most="1", source=_STATEMENT),
        Limit(what="requests", most="not published", source="", confirmed=False),
    ),
    compensations={"MedicationChange": "retract: update with status entered-in-error"},
    provenance="not taken: the EHR writes its own",
    versions="none: the time of the last change (meta.lastUpdated), whole seconds in If-Unmodified-Since",
    stale="412",
    authentication="OAuth client credentials, secret in the body",
)
#: Only these are searched by more than the patient. Source: the search parameters of each page.
_KEYS = {**natural_key.KEYS, "MedicationStatement": {}}


class CanvasAdapter(R4Adapter):
    """The answers of this EHR name nothing but a place, and its only version is a time."""

    def version_of(self, resource: Resource) -> str | None:
        changed = resource.get("meta", {}).get("lastUpdated")
        return changed if isinstance(changed, str) and changed else None

    def shape(self, resource: Resource, change: Change) -> Resource:
        return _in_error(resource) if takes_back(resource) else resource

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
    normalisations=NORMALISATIONS,
    natural_keys=_KEYS,
)
