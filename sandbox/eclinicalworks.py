"""eClinicalWorks: contracted write-back as a transaction posted to the base, answered with the vendor's own numbers.

Facts: the certified facade's live statement (2026), the vendor's error guide 1.0 (July 2026) and its page on limits, as described
by third parties. The numbers look like HTTP statuses and are none: 1 is success, 201 several patients, 202 a patient who exists.
Not played: the HL7 interface, whose numbers 301-308 mean something else, and remote monitoring.
"""

import base64
import binascii
from dataclasses import replace
from typing import Any, cast

from pydantic import Field

from sandbox import written_json
from sandbox.answers import Answer, Refusal, operation_outcome
from sandbox.call import Entry, Interaction
from sandbox.checking import checked
from sandbox.clinical_interval import interval_of
from sandbox.conditional import is_locked
from sandbox.held import hold
from sandbox.interactions import HANDLERS
from sandbox.natural_key import codings_of, entries_of, patient_of
from sandbox.personality import Personality, Quirks, Resource, Situation
from sandbox.references import elements_at
from sandbox.rewrites import LOINC, codes_of
from sandbox.rules import Rule, Told, coded_in, encounter_of, needs, only

RXNORM, NDC = "http://www.nlm.nih.gov/research/umls/rxnorm", "http://hl7.org/fhir/sid/ndc"
_CODED = {"http://snomed.info/sct", "http://hl7.org/fhir/sid/icd-10-cm"}
HL7_V2 = "text/hl7v2"
SUCCESS = "1"

#: LOINC code → units of a vital.
_UNITS: dict[str, set[str]] = {
    "29463-7": {"kg", "[lb_av]"},
    "8302-2": {"cm", "[in_i]"},
    "8310-5": {"Cel", "[degF]"},
    "8867-4": {"/min"},
    "9279-1": {"/min"},
    "2708-6": {"%"},
    "59408-5": {"%"},
    "8480-6": {"mm[Hg]"},
    "8462-4": {"mm[Hg]"},
    "85354-9": set(),
}


class EclinicalworksQuirks(Quirks):
    """What practices and builds differ in, or what is not known."""

    #: Types that the contract of this practice covers; None: all of them.
    contracted: tuple[str, ...] | None = None
    #: Types that wait in the App Data tab until a user reconciles them.
    reconciled: tuple[str, ...] = (
        *("AllergyIntolerance", "Condition", "MedicationStatement", "Immunization", "Procedure", "ServiceRequest"),
    )
    #: HTTP status of a write-back that succeeded, and of one that did not.
    success_status: int = 200
    failure_status: int = 200
    #: Whether a default write-back user is configured (else 308).
    writeback_user: bool = True
    #: RxNorm code → the NDC that agrees with it (else 2026); empty: any.
    agreeing_ndc: dict[str, str] = Field(default_factory=dict)
    #: Characters of a note.
    longest_text: int = 100_000


def quirks_of(at: Situation) -> EclinicalworksQuirks:
    return cast("EclinicalworksQuirks", at.conduct.quirks)


def _told(number: str) -> Told:
    return Told(422, "business-rule", number)


PATIENT, PROVIDER, SYSTEM, UNKNOWN = _told("100"), _told("101"), _told("102"), _told("103")
SIZE, STATUS, MIME, ENCOUNTER, ENCOUNTER_TYPE, LOCKED = map(_told, ("109", "110", "114", "123", "138", "139"))
DATE, NOT_FOUND, NO_USER, UNIT, VALUE, CODE = map(_told, ("204", "207", "308", "611", "612", "613"))
CONTENT, MEDICATION, DISAGREES = map(_told, ("615", "2025", "2026"))
FAILURE = "2"


def write_back(at: Situation) -> Answer:
    """A transaction to the base: all of it or nothing, each entry answered with a number."""
    if at.call.interaction is not Interaction.TRANSACTION:
        raise Refusal(400, "not-supported", "Only a transaction is written back.")
    connection = at.chart.connection
    connection.execute("SAVEPOINT writeback")
    numbers = [_written(at, entry) for entry in at.call.checked_entries()]
    done = all(number == SUCCESS for number, _ in numbers) and bool(numbers)
    if not done:
        connection.execute("ROLLBACK TO writeback")
    connection.execute("RELEASE writeback")
    quirks = quirks_of(at)
    entries = [_response(number, reference if done else None) for number, reference in numbers]
    bundle = {"resourceType": "Bundle", "type": "transaction-response", "entry": entries}
    reference = next((it for _, it in numbers if it), None) if done else None
    status = quirks.success_status if done else quirks.failure_status
    return Answer(status=status, body=written_json.dumps(bundle), reference=reference)


def _response(number: str, reference: str | None) -> dict[str, Any]:
    location = {"location": reference} if reference else {}
    outcome = {} if number == SUCCESS else {"outcome": operation_outcome("processing", f"{number}: {_key(number)}")}
    return {"response": {"status": number, **location, **outcome}}


def _key(number: str) -> str:
    return _KEYS.get(number, "FAILURE")


_KEYS = {
    "100": "PATIENT_MISSING",
    "101": "PROVIDER_MISSING",
    "102": "CODING_SYSTEM_INVALID",
    "109": "SIZE_EXCEEDED",
    "110": "STATUS_INVALID",
    "114": "MIME_TYPE_INVALID",
    "123": "ENCOUNTER_MISSING",
    "138": "ENCOUNTER_TYPE_INVALID",
    "139": "ENCOUNTER_IS_LOCKED",
    "201": "MULTIPLE_PATIENTS_FOUND",
    "202": "ALREADY_EXIST",
    "204": "DATE_INVALID",
    "207": "PATIENT_NOT_FOUND",
    "308": "DEFAULT_WRITEBACK_USER_NOT_CONFIGURED",
    "611": "UNIT_INVALID",
    "612": "VALUE_INVALID",
    "613": "OBSERVATION_CODE_INVALID",
}


def _written(at: Situation, entry: Entry) -> tuple[str, str | None]:
    call = replace(entry.call, now=at.call.now)
    try:
        return SUCCESS, _write(replace(at, call=checked(call, at.conduct)))
    except Refusal as refusal:
        return refusal.vendor_code or FAILURE, None


def _write(at: Situation) -> str:
    call, quirks = at.call, quirks_of(at)
    if not quirks.writeback_user:
        raise NO_USER.refusal("No default write-back user is configured.")
    contracted = _RULES.keys() if quirks.contracted is None else set(quirks.contracted)
    allowed = {Interaction.CREATE, Interaction.UPDATE} if call.type == "Patient" else {Interaction.CREATE}
    if call.type not in contracted or call.interaction not in allowed:
        raise UNKNOWN.refusal(f"{call.type} is not written back at this practice.")
    if call.interaction is Interaction.UPDATE:
        return HANDLERS[Interaction.UPDATE](at).reference or ""
    resource = call.checked_resource()
    for rule in _RULES[call.type]:
        rule(at, resource)
    if call.type == "Observation":
        resource = _filed_by_time(at, resource)
    if call.type in quirks.reconciled:
        return hold(at, resource, None).reference
    return at.chart.store(resource, at=call.now).reference


# -- the rules of the types


def _known_patient(at: Situation, resource: Resource) -> None:
    patient = patient_of(at, resource)
    if patient is None:
        raise PATIENT.refusal("A patient is needed.")
    stored = at.chart.current(*patient.split("/"))
    if stored is None or stored.deleted:
        raise NOT_FOUND.refusal("The patient was not found.")


def _new_patient(at: Situation, resource: Resource) -> None:
    wanted = _person(resource)
    found = [it for it in at.chart.resources("Patient") if _person(written_json.loads(it.body)) == wanted]
    if len(found) > 1:
        raise _told("201").refusal("Several patients were found.")
    if found:
        raise _told("202").refusal("The patient exists already.")


def _person(resource: Resource) -> tuple[Any, ...]:
    names = (resource.get("name") or [{}])[0]
    return names.get("family"), tuple(names.get("given", [])), resource.get("birthDate"), resource.get("gender")


def _a_vital(_: Situation, resource: Resource) -> None:
    parts = resource.get("component") or [resource]
    if not set(codes_of(resource)) & _UNITS.keys():
        raise CODE.refusal("The observation's code is not taken.")
    for part in parts:
        quantity = part.get("valueQuantity", {})
        units = set().union(*(_UNITS.get(code, set()) for code in codes_of(part, LOINC)))
        if "value" not in quantity:
            raise VALUE.refusal("A value is needed.")
        if quantity.get("code") not in units:
            raise UNIT.refusal("The unit is not taken.")


def _filed_by_time(at: Situation, resource: Resource) -> Resource:
    # A vital carries no encounter: the appointment at its time gets it, else it is filed under "Vitals Notes".
    start, _ = interval_of(resource["effectiveDateTime"])
    kept = {name: value for name, value in resource.items() if name != "encounter"}
    for stored, encounter in entries_of(at, "Encounter", patient_of(at, resource)):
        period = encounter.get("period", {})
        if (
            "start" in period
            and interval_of(period["start"])[0] <= start
            and ("end" not in period or start < interval_of(period["end"])[1])
        ):
            return {**kept, "encounter": {"reference": stored.reference}}
    return {**kept, "category": [*kept.get("category", []), {"text": "Vitals Notes"}]}


def _agreeing_codes(at: Situation, resource: Resource) -> None:
    codes = dict(codings_of(resource, "medicationCodeableConcept"))
    if not {RXNORM, NDC} & codes.keys():
        raise MEDICATION.refusal("RxNorm or NDC is needed.")
    agreeing = quirks_of(at).agreeing_ndc
    if {RXNORM, NDC} <= codes.keys() and agreeing and agreeing.get(codes[RXNORM]) != codes[NDC]:
        raise DISAGREES.refusal("RxNorm and NDC do not agree.")


def _in_an_open_note(at: Situation, resource: Resource) -> None:
    references = elements_at(resource, "context.encounter")
    encounter = encounter_of(at, references[0]) if references else None
    if encounter is None:
        raise ENCOUNTER.refusal("An encounter is needed.")
    if encounter["status"] == "finished" or is_locked(at, "Encounter", encounter["id"]):
        raise LOCKED.refusal("The encounter is locked.")


def _an_oru_message(at: Situation, resource: Resource) -> None:
    for attachment in elements_at(resource, "content.attachment"):
        if attachment.get("contentType") != HL7_V2:
            raise MIME.refusal("An HL7 v2 message is wanted.")
        try:
            text = base64.b64decode(attachment.get("data", ""), validate=True).decode("utf-8")
        except (binascii.Error, UnicodeDecodeError):
            raise CONTENT.refusal("The attachment cannot be read.") from None
        if len(text) > quirks_of(at).longest_text:
            raise SIZE.refusal("The note is too long.")
        segments = [line.partition("|")[0] for line in text.splitlines()]
        if not {"MSH", "PID", "OBR", "OBX"} <= set(segments) or "ORU^R01" not in text.splitlines()[0]:
            raise CONTENT.refusal("MSH (ORU^R01), PID, OBR and OBX are wanted.")


def _a_telephone_encounter(at: Situation, resource: Resource) -> None:
    encounter = encounter_of(at, resource.get("encounter"))
    if encounter is None:
        raise ENCOUNTER.refusal("An encounter is needed.")
    if encounter.get("class", {}).get("code") != "VR" or encounter["status"] == "finished":
        raise ENCOUNTER_TYPE.refusal("An open telephone encounter is needed.")


_RULES: dict[str, tuple[Rule, ...]] = {
    "AllergyIntolerance": (_known_patient, needs("code", SYSTEM)),
    "Condition": (_known_patient, coded_in("code", _CODED, SYSTEM)),
    "Procedure": (_known_patient, _a_telephone_encounter),
    "Immunization": (_known_patient, needs("occurrenceDateTime", DATE), only("status", {"completed"}, STATUS)),
    "MedicationStatement": (_known_patient, _agreeing_codes),
    "Observation": (_known_patient, only("status", {"final"}, STATUS), needs("effectiveDateTime", DATE), _a_vital),
    "Patient": (_new_patient,),
    "DocumentReference": (_known_patient, needs("author", PROVIDER), _in_an_open_note, _an_oru_message),
    "ServiceRequest": (_known_patient, needs("requester", PROVIDER)),
}


def tell(refusal: Refusal) -> Answer:
    """An OperationOutcome; what a single request is refused for has the number in its text."""
    text = f"{refusal.vendor_code}: {refusal.diagnostics}" if refusal.vendor_code else refusal.diagnostics
    outcome = operation_outcome(refusal.code, text, expression=refusal.expression)
    return Answer(status=refusal.status, body=written_json.dumps(outcome), headers=refusal.headers)


def _questionnaire_known(_: Situation, resource: Resource) -> None:
    if "questionnaire" not in resource:
        raise _told("301").refusal("QuestionnaireResponse.questionnaire is missing.")


PERSONALITY = Personality(
    key="eclinicalworks",
    behaviour={
        "provenance": "none",
        "meta_source": "hidden",
        "etags": False,
        "version_ids": "none",
        "precondition": "none",
        "if_none_exist": "ignore",
        "calls_per_minute": 250,
        "tokens_count_as_calls": True,
        "assertion_algorithms": ("RS384",),
        "token_ttl_s": 300,
        "scope_refused": (500, "access_denied"),
    },
    quirks=EclinicalworksQuirks,
    verbs={"QuestionnaireResponse": frozenset({Interaction.CREATE})},
    reads=frozenset({Interaction.READ, Interaction.SEARCH}),
    rules={"QuestionnaireResponse": (_questionnaire_known,)},
    base=write_back,
    tell=tell,
    advertised=("transaction",),
)
