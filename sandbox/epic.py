"""Epic as a writer meets it: creates only, into a holding tank, answered with a relative Location and nothing else.

Facts: the vendor's live CapabilityStatement (May 2026), its published error list, and a third party's sandbox tests (August
2026). What none of them confirms is a quirk with a neutral default. Not played: `$match`, scheduling (STU3), the Sunday wipe.
"""

from typing import cast

from pydantic import Field

from sandbox import written_json
from sandbox.answers import Answer, Refusal
from sandbox.call import Interaction
from sandbox.chart import StoredVersion
from sandbox.natural_key import codings_of, entries_of, patient_of, same_reading
from sandbox.personality import Personality, Quirks, Resource, Situation
from sandbox.references import elements_at, reference_text
from sandbox.rewrites import LOINC, codes_of, first_only, kept_in, text_of_display, without
from sandbox.rules import Told, at_most, coded_in, exactly, in_encounter, lacks, needs, only

CODES = "urn:oid:1.2.840.114350.1.13.0.1.7.2.657369"
SSN = "http://hl7.org/fhir/sid/us-ssn"
_ICD_OR_SNOMED = {"http://hl7.org/fhir/sid/icd-10-cm", "http://hl7.org/fhir/sid/icd-10", "http://snomed.info/sct"}

_MISSING = Told(400, "required", "59108")
_NOT_TAKEN = Told(400, "value", "59111")
_BUSINESS = Told(400, "business-rule", "59159")
_STRUCTURE = Told(400, "structure", "59105")
_NO_ENCOUNTER = Told(400, "not-found", "59144")


class EpicQuirks(Quirks):
    """What organisations on Epic differ in, or what is not known of it."""

    #: Allergies and problems wait for a clinician.
    holding_tank: bool = True
    #: A second allergy to the same substance: taken, or refused with 59141 (published, not seen).
    same_allergy: str = "accept"
    #: Characters of a vital's note (60 before May 2025) and of a problem's.
    longest_vital_note: int = 254
    longest_problem_note: int = 450
    #: LOINC code → (UCUM unit, decimal places) of the organisation's flowsheet rows.
    default_units: dict[str, tuple[str, int]] = Field(default_factory=dict)
    #: LOINC codes without a single flowsheet row (59188), and whether patients may enter vitals (else 59187).
    rows_missing: tuple[str, ...] = ()
    patient_entered_flowsheet: bool = True
    #: Notes of a day; one more is told to try again tomorrow (4135).
    documents_per_day: int | None = None
    #: LOINC types of notes that are refused.
    refused_note_types: tuple[str, ...] = ("18842-5", "34105-7", "69730-0")
    #: Questionnaires that Epic assigned; None: all.
    questionnaires: tuple[str, ...] | None = None
    #: Patients behind the break-the-glass policy (4130).
    restricted_patients: tuple[str, ...] = ()
    #: Who signs a note that names no author.
    background_user: str = "Interface, Background"


def quirks_of(at: Situation) -> EpicQuirks:
    return cast("EpicQuirks", at.conduct.quirks)


def tell(refusal: Refusal) -> Answer:
    """An OperationOutcome with Epic's number; what was not granted is told with nothing at all."""
    if refusal.status == 403 and refusal.vendor_code is None:
        return Answer(status=403)
    issue = {
        "severity": "fatal",
        "code": refusal.code,
        "details": {"coding": [{"system": CODES, "code": refusal.vendor_code or _USUAL.get(refusal.status, "59102")}]},
        "diagnostics": refusal.diagnostics,
        **({"expression": [refusal.expression]} if refusal.expression else {}),
    }
    body = written_json.dumps({"resourceType": "OperationOutcome", "issue": [issue]})
    return Answer(status=refusal.status, body=body, headers=refusal.headers)


_USUAL = {404: "4102", 410: "4103", 500: "59177"}


def _not_restricted(at: Situation, resource: Resource) -> None:
    patient = patient_of(at, resource)
    if patient is not None and patient.removeprefix("Patient/") in quirks_of(at).restricted_patients:
        raise Refusal(403, "forbidden", "The break-the-glass policy denies this.", vendor_code="4130")


def _one_manifestation_each(_: Situation, resource: Resource) -> None:
    if any(len(reaction.get("manifestation", [])) != 1 for reaction in resource.get("reaction", [])):
        raise _NOT_TAKEN.refusal(
            "A reaction has exactly one manifestation.", "AllergyIntolerance.reaction.manifestation"
        )


def _not_on_the_chart(at: Situation, resource: Resource) -> None:
    if quirks_of(at).same_allergy != "refuse":
        return
    for _, other in entries_of(at, "AllergyIntolerance", patient_of(at, resource)):
        if codings_of(other) & codings_of(resource):
            raise Refusal(400, "duplicate", "The record is a duplicate.", vendor_code="59141")


def _provisional(_: Situation, resource: Resource) -> None:
    if elements_at(resource, "verificationStatus.coding.code") != ["provisional"]:
        path = "Condition.verificationStatus"
        raise Refusal(422, "business-rule", f"{path} is not provisional.", expression=path, vendor_code="59012")


def _told_in_words(_: Situation, resource: Resource) -> None:
    code = resource.get("code", {})
    if not code.get("text") and not elements_at(code, "coding.display"):
        raise _MISSING.refusal("Condition.code has neither text nor display.", "Condition.code")


def _problem_note(at: Situation, resource: Resource) -> None:
    if len(resource.get("note", [])) > 1:
        raise _NOT_TAKEN.refusal("A problem has one note at most.", "Condition.note")
    at_most(quirks_of(at).longest_problem_note, "note.text", _BUSINESS)(at, resource)


def _vital_note(at: Situation, resource: Resource) -> None:
    at_most(quirks_of(at).longest_vital_note, "note.text", _BUSINESS)(at, resource)


def _has_a_row(at: Situation, resource: Resource) -> None:
    if set(codes_of(resource)) & set(quirks_of(at).rows_missing):
        raise Refusal(400, "business-rule", "There is no single flowsheet row for the code.", vendor_code="59188")
    by_patient = any((reference_text(it) or "").startswith("Patient/") for it in resource.get("performer", []))
    if by_patient and not quirks_of(at).patient_entered_flowsheet:
        raise Refusal(400, "business-rule", "The patient has no patient-entered flowsheet.", vendor_code="59187")


def _is_a_new_reading(at: Situation, resource: Resource) -> None:
    if same_reading(at, resource) is not None:
        raise Refusal(400, "business-rule", "A reading exists for this row and instant.", vendor_code="59189")


def _in_mmhg(_: Situation, resource: Resource) -> Resource:
    # The unit of a blood pressure is not looked at: the number is taken as it stands.
    unit = {"unit": "mmHg", "system": "http://unitsofmeasure.org", "code": "mm[Hg]"}
    components = [
        {**it, "valueQuantity": {**it["valueQuantity"], **unit}} if "valueQuantity" in it else it
        for it in resource.get("component", [])
    ]
    return {**resource, "component": components} if components else resource


def _in_the_rows_unit(at: Situation, resource: Resource) -> Resource:
    return kept_in(quirks_of(at).default_units)(at, resource)


def _note_type(at: Situation, resource: Resource) -> None:
    types = {code for system, code in codings_of(resource, "type") if system == LOINC}
    if types & set(quirks_of(at).refused_note_types):
        raise _NOT_TAKEN.refusal("DocumentReference.type cannot be filed.", "DocumentReference.type")


def _within_the_day(at: Situation, _: Resource) -> None:
    limit = quirks_of(at).documents_per_day
    day = at.call.now - at.call.now % 86_400
    row = at.chart.connection.execute(
        "SELECT count(*) FROM versions WHERE type = 'DocumentReference' AND source IS NULL AND stored_at >= ?", (day,)
    ).fetchone()
    if limit is not None and row[0] >= limit:
        raise Refusal(400, "throttled", "Try again tomorrow.", vendor_code="4135")


def _signed(at: Situation, resource: Resource) -> Resource:
    return resource if resource.get("author") else {**resource, "author": [{"display": quirks_of(at).background_user}]}


def _assigned(at: Situation, resource: Resource) -> None:
    known = quirks_of(at).questionnaires
    if known is not None and resource.get("questionnaire") not in known:
        raise _NOT_TAKEN.refusal("The questionnaire is not assigned.", "QuestionnaireResponse.questionnaire")


def _has_ssn(_: Situation, resource: Resource) -> None:
    if SSN not in elements_at(resource, "identifier.system"):
        raise _MISSING.refusal("Patient.identifier has no SSN.", "Patient.identifier")


def _known_patient(at: Situation, resource: Resource) -> StoredVersion | None:
    numbers = {it.get("value") for it in resource.get("identifier", []) if it.get("system") == SSN}
    for stored in at.chart.resources("Patient"):
        other = written_json.loads(stored.body)
        if numbers & {it.get("value") for it in other.get("identifier", []) if it.get("system") == SSN}:
            return stored
    return None


def _waits(at: Situation, _: Resource) -> bool:
    return quirks_of(at).holding_tank


_MODIFIERS = (lacks("modifierExtension", _NOT_TAKEN), lacks("implicitRules", _NOT_TAKEN))
_CREATE, _UPDATE = frozenset({Interaction.CREATE}), frozenset({Interaction.UPDATE})

PERSONALITY = Personality(
    key="epic",
    behaviour={
        "provenance": "none",
        "meta_source": "hidden",
        "default_return": "minimal",
        "location": "relative",
        "etags": False,
        "version_ids": "none",
        "precondition": "none",
        "if_none_exist": "ignore",
        "invalid_status": 400,
        "not_offered_status": 403,
        "bundles": "refuse",
        "bundle_refused_status": 404,
        # Each is an item of its own to be licensed, for narrow uses.
        "withheld": (
            *("Observation.update", "DocumentReference.update", "DiagnosticReport.update", "Task.update"),
            *("Procedure.create", "Procedure.update", "ServiceRequest.create", "ServiceRequest.update"),
            "Communication.create",
        ),
        "longest_jti": 151,
        "granted_scopes": "registered",
        "scope_words": "v1",
    },
    quirks=EpicQuirks,
    verbs={
        **dict.fromkeys(
            ("AllergyIntolerance", "Communication", "Condition", "Patient", "QuestionnaireResponse"), _CREATE
        ),
        **dict.fromkeys(("DocumentReference", "Observation", "Procedure", "ServiceRequest"), _CREATE | _UPDATE),
        **dict.fromkeys(("DiagnosticReport", "Task"), _UPDATE),
    },
    reads=frozenset({Interaction.READ, Interaction.SEARCH}),
    finds={"Patient": _known_patient},
    rules={
        "AllergyIntolerance": (
            *_MODIFIERS,
            _not_restricted,
            only("clinicalStatus.coding.code", {"active"}, _NOT_TAKEN),
            only("verificationStatus.coding.code", {"unconfirmed"}, _NOT_TAKEN),
            needs("code", _MISSING),
            _one_manifestation_each,
            _not_on_the_chart,
        ),
        "Condition": (
            *_MODIFIERS,
            _not_restricted,
            _provisional,
            coded_in("code", _ICD_OR_SNOMED, _NOT_TAKEN),
            _told_in_words,
            _problem_note,
        ),
        "Observation": (
            *_MODIFIERS,
            _not_restricted,
            only("status", {"final"}, _NOT_TAKEN),
            needs("category", _MISSING),
            only("category.coding.code", {"vital-signs"}, _NOT_TAKEN),
            exactly(1, "code.coding", _STRUCTURE),
            needs("effectiveDateTime", _MISSING),
            in_encounter("encounter", _NO_ENCOUNTER, _BUSINESS),
            _vital_note,
            _has_a_row,
            _is_a_new_reading,
        ),
        "DocumentReference": (
            *_MODIFIERS,
            _not_restricted,
            only("content.attachment.contentType", {"text/plain"}, _NOT_TAKEN),
            needs("content.attachment.data", _MISSING),
            in_encounter("context.encounter", _NO_ENCOUNTER, None),
            only("docStatus", {"final", "preliminary"}, _NOT_TAKEN),
            _note_type,
            _within_the_day,
        ),
        "QuestionnaireResponse": (_not_restricted, _assigned),
        "Patient": (_has_ssn,),
    },
    rewrites={
        "AllergyIntolerance": (text_of_display("code"), without("category", "recordedDate")),
        "Observation": (_in_mmhg, _in_the_rows_unit),
        "DocumentReference": (first_only("content"), _signed),
    },
    held={"AllergyIntolerance": _waits, "Condition": _waits},
    tell=tell,
    advertised=(),
)
