"""Oracle Health Millennium (R4): direct writes with If-Match, answered with an empty body in text/html.

Facts: the vendor's own pages (fhir.cerner.com, docs.oracle.com mfrap) and its live statement of August 2026; threads of the
vendor's forum where they say so. What is not confirmed is a quirk or setting with a neutral default.
"""

from collections.abc import Mapping
from typing import Literal, cast

from sandbox import written_json
from sandbox.answers import Answer, Refusal, operation_outcome
from sandbox.call import Interaction
from sandbox.oracle_health_patch import as_patched, stop_or_cancel
from sandbox.personality import Personality, Quirks, Resource, Situation
from sandbox.references import elements_at, reference_text
from sandbox.rules import Rule, Told, at_most, exactly, in_encounter, lacks, needs, only

CEUUID = "https://fhir.cerner.com/ceuuid"
PERFORMER_FUNCTION = "http://hl7.org/fhir/StructureDefinition/event-performerFunction"
_NOTE_KINDS = {
    "application/pdf",
    "text/plain",
    "application/rtf",
    "text/rtf",
    "text/html",
    "text/xml",
    "application/xml",
}
_NOTE_KINDS |= {"application/xhtml+xml"}
#: SNOMED CT codes of "no known allergies" and "no known drug allergies".
_NONE_KNOWN = {"716186003", "409137002"}
#: Of several categories of an allergy the first of these is kept.
_PRECEDENCE = ("medication", "food", "environment")

_REQUIRED = Told(422, "required")
_BUSINESS = Told(422, "business-rule")
_EXTENSION = Told(422, "extension")
_NOT_SUPPORTED = Told(422, "not-supported")


class OracleHealthQuirks(Quirks):
    """What sites differ in, or what is not known."""

    #: A PATCH of a reported medication to `stopped` is kept as asked, or as the other of stopped and cancelled.
    stop_is_kept_as: Literal["asked", "the-other"] = "the-other"
    #: A whole resource as it was read (with its meta) sent back in a PUT of these types is a bare 400.
    echo_refused: tuple[str, ...] = ("DocumentReference",)
    #: Whether a persona without a relationship to the patient may write; ids of patients without one.
    strangers: tuple[str, ...] = ()
    #: XHTML of a note is kept as RTF.
    xhtml_becomes_rtf: bool = True


def quirks_of(at: Situation) -> OracleHealthQuirks:
    return cast("OracleHealthQuirks", at.conduct.quirks)


def tell(refusal: Refusal) -> Answer:
    """An OperationOutcome with `location` beside `expression`; 406 and a refused echo have no body."""
    if refusal.status == 406:
        return Answer(status=406)
    outcome = operation_outcome(refusal.code, refusal.diagnostics, severity="fatal", expression=refusal.expression)
    if refusal.expression:
        outcome["issue"][0]["location"] = [f"/f:{refusal.expression.replace('.', '/f:')}"]
    return Answer(status=refusal.status, body=written_json.dumps(outcome), headers=refusal.headers)


def _one_of_two_categories(_: Situation, resource: Resource) -> None:
    codes = elements_at(resource, "category.coding.code")
    if len(resource.get("category", [])) != 1 or not set(codes) & {"vital-signs", "laboratory"}:
        raise _BUSINESS.refusal("One category, vital-signs or laboratory.", "Observation.category")


def _is_vital(resource: Resource) -> bool:
    return "vital-signs" in elements_at(resource, "category.coding.code")


def _performers(_: Situation, resource: Resource) -> None:
    if not _is_vital(resource):
        return
    performers = resource.get("performer", [])
    functions = [_function(it) for it in performers]
    path = "Observation.performer"
    if not performers or not all(functions):
        raise _REQUIRED.refusal("Every performer of a vital sign has its event-performerFunction.", path)
    if "LA" not in functions or not set(functions) <= {"LA", "PPRF"}:
        raise _BUSINESS.refusal("One performer is LA, the others LA or PPRF.", path)


def _function(performer: Mapping[str, object]) -> str | None:
    for extension in elements_at(dict(performer), "extension"):
        if extension.get("url") == PERFORMER_FUNCTION:
            codes = elements_at(extension, "valueCodeableConcept.coding.code")
            return str(codes[0]) if codes else None
    return None


def _status_of_observation(at: Situation, resource: Resource) -> None:
    creates = at.call.interaction is Interaction.CREATE
    statuses = {"final", "amended", "corrected"} if creates else {"amended", "corrected"}
    only("status", statuses, _BUSINESS)(at, resource)
    if not creates and CEUUID not in elements_at(resource, "identifier.system"):
        raise _REQUIRED.refusal("An update names the ceuuid it read.", "Observation.identifier")


def _components_only_where_known(_: Situation, resource: Resource) -> None:
    known = {"85354-9", "59408-5", "2708-6"}
    if resource.get("component") and not known & set(elements_at(resource, "code.coding.code")):
        raise _BUSINESS.refusal("Components belong to blood pressure and oxygen saturation.", "Observation.component")


def _related(at: Situation, resource: Resource) -> None:
    subject = reference_text(resource.get("subject") or resource.get("patient")) or ""
    if subject.rpartition("/")[2] in quirks_of(at).strangers:
        raise Refusal(403, "forbidden", "There is no active relationship with the patient.", vendor_code="relationship")


def _category_of_condition(at: Situation, resource: Resource) -> None:
    codes = elements_at(resource, "category.coding.code")
    if len(codes) != 1 or codes[0] not in {"problem-list-item", "encounter-diagnosis"}:
        raise _BUSINESS.refusal("One category: problem-list-item or encounter-diagnosis.", "Condition.category")
    if codes[0] == "encounter-diagnosis":
        in_encounter("encounter", _REQUIRED, None)(at, resource)
        only("clinicalStatus.coding.code", {"active"}, _BUSINESS)(at, resource)


def _has_clinical_status(at: Situation, resource: Resource) -> None:
    # The standard's con-5 forbids it of what was entered in error.
    if "entered-in-error" not in elements_at(resource, "verificationStatus.coding.code"):
        needs("clinicalStatus", _REQUIRED)(at, resource)


def _verification_on_create(at: Situation, resource: Resource) -> None:
    refused = {"entered-in-error", "refuted"}
    if at.call.interaction is Interaction.CREATE and refused & set(
        elements_at(resource, "verificationStatus.coding.code")
    ):
        raise _BUSINESS.refusal("Neither entered-in-error nor refuted is created.", "Condition.verificationStatus")


def _manifests(at: Situation, resource: Resource) -> None:
    # That nothing is known has nothing that could manifest itself.
    if not _NONE_KNOWN & set(elements_at(resource, "code.coding.code")):
        needs("reaction.manifestation", _REQUIRED)(at, resource)


def _refuted_is_no_update(at: Situation, resource: Resource) -> None:
    refuted = "refuted" in elements_at(resource, "verificationStatus.coding.code")
    if at.call.interaction is Interaction.UPDATE and refuted:
        raise _BUSINESS.refusal("refuted is not allowed here.", "AllergyIntolerance.verificationStatus")


def _notes_are_kept(at: Situation, resource: Resource) -> None:
    if at.call.interaction is not Interaction.UPDATE:
        return
    stored = at.chart.current("Condition", at.call.id)
    before = written_json.loads(stored.body).get("note", []) if stored else []
    if [it.get("text") for it in resource.get("note", [])][: len(before)] != [it.get("text") for it in before]:
        raise _BUSINESS.refusal("A note that is there cannot be changed.", "Condition.note")


def _reported_only(at: Situation, resource: Resource) -> None:
    if at.call.interaction is Interaction.CREATE:
        only("status", {"active"}, _BUSINESS)(at, resource)
        only("intent", {"order", "plan"}, _BUSINESS)(at, resource)
    if resource.get("reportedBoolean") is not True:
        raise _BUSINESS.refusal("Only what was reported is written here.", "MedicationRequest.reportedBoolean")


def _no_echo(at: Situation, resource: Resource) -> None:
    echoed = "versionId" in resource.get("meta", {})
    if at.call.interaction is Interaction.UPDATE and echoed and at.call.type in quirks_of(at).echo_refused:
        raise Refusal(400, "invalid", "Invalid request")


def _one_encounter_and_period(at: Situation, resource: Resource) -> None:
    exactly(1, "context.encounter", _REQUIRED)(at, resource)
    needs("context.period.end", _REQUIRED)(at, resource)
    if any("T" not in str(moment) for moment in elements_at(resource, "context.period.end")):
        raise _BUSINESS.refusal("A full time is wanted.", "DocumentReference.context.period.end")


def _kind_of_note(_: Situation, resource: Resource) -> None:
    kinds = [str(kind).partition(";")[0].strip() for kind in elements_at(resource, "content.attachment.contentType")]
    if any(kind not in _NOTE_KINDS for kind in kinds):
        raise _BUSINESS.refusal(
            "The attachment's type is not taken.", "DocumentReference.content.attachment.contentType"
        )


def _to_people(_: Situation, resource: Resource) -> None:
    kinds = {str(text).partition("/")[0] for text in elements_at(resource, "recipient.reference")}
    if not kinds or not kinds <= {"Practitioner", "Group"}:
        raise _BUSINESS.refusal("A message goes to practitioners or groups.", "Communication.recipient")


def _bookable(_: Situation, resource: Resource) -> None:
    needed = {"booked": ("slot",), "proposed": ("serviceType", "requestedPeriod")}
    for name in needed.get(resource.get("status", ""), ()):
        if name not in resource:
            raise _REQUIRED.refusal(f"Appointment.{name} is missing.", f"Appointment.{name}")


def _in_progress(at: Situation, _: Resource) -> None:
    stored = at.chart.current("QuestionnaireResponse", at.call.id)
    if stored is not None and written_json.loads(stored.body).get("status") != "in-progress":
        raise _BUSINESS.refusal("Only a response in progress is updated.", "QuestionnaireResponse.status")


# -- what is kept


def _one_category(_: Situation, resource: Resource) -> Resource:
    kept = [it for it in _PRECEDENCE if it in resource.get("category", [])][:1]
    return {**resource, "category": kept} if kept else resource


def _two_codings(_: Situation, resource: Resource) -> Resource:
    # One that the user chose and one beside it: the client's own where it names two, else the same once more.
    codings = resource["code"].get("coding", [])
    if not codings:
        return resource
    chosen = next((it for it in codings if it.get("userSelected") is True), codings[0])
    beside = next((it for it in codings if it is not chosen), chosen)
    kept = [{**chosen, "userSelected": True}, {**beside, "userSelected": False}]
    return {**resource, "code": {**resource["code"], "coding": kept}}


def _swapped_stop(at: Situation, resource: Resource) -> Resource:
    others = {"stopped": "cancelled", "cancelled": "stopped"}
    if at.call.interaction is not Interaction.PATCH or quirks_of(at).stop_is_kept_as == "asked":
        return resource
    return {**resource, "status": others.get(resource["status"], resource["status"])}


def _as_rtf(at: Situation, resource: Resource) -> Resource:
    def kept(content: Resource) -> Resource:
        attachment = content.get("attachment", {})
        if attachment.get("contentType") != "application/xhtml+xml":
            return content
        return {**content, "attachment": {**attachment, "contentType": "application/rtf"}}

    if not quirks_of(at).xhtml_becomes_rtf:
        return resource
    return {**resource, "content": [kept(it) for it in resource["content"]]}


def _with_ceuuid(at: Situation, resource: Resource) -> Resource:
    identifiers = resource.get("identifier", [])
    if any(it.get("system") == CEUUID for it in identifiers):
        return resource
    return {**resource, "identifier": [*identifiers, {"system": CEUUID, "value": f"CE{int(at.call.now * 1000)}"}]}


_COMMON: tuple[Rule, ...] = (
    lacks("modifierExtension", _EXTENSION),
    lacks("implicitRules", _NOT_SUPPORTED),
    _related,
    _no_echo,
)
_C, _U = frozenset({Interaction.CREATE}), frozenset({Interaction.UPDATE})
_P = frozenset({Interaction.PATCH})

PERSONALITY = Personality(
    key="oracle_health",
    behaviour={
        "provenance": "none",
        "meta_source": "hidden",
        "default_return": "minimal",
        "prefer": "ignore",
        "location": "absolute",
        "empty_content_type": "text/html",
        "request_id_header": "X-Request-Id",
        "stale_status": 409,
        "missing_if_match": "reject",
        "missing_if_match_status": 412,
        "missing_if_match_types": ("Appointment",),
        "if_none_exist": "ignore",
        "lock_status": 423,
        "bundles": "refuse",
        "bundle_refused_status": 422,
        "method_override": True,
        "version_ids": "zero",
        "version_ids_of": {
            "Observation": "counter",
            "Condition": "number",
            "AllergyIntolerance": "number",
            "Provenance": "number",
        },
        "id_forms": {
            "Observation": "VS-{number}",
            "Condition": "p{number}",
            "AllergyIntolerance": "{number}",
            "Provenance": "doc-{number}",
            **dict.fromkeys(("DocumentReference", "MedicationRequest", "Communication"), "{number}"),
        },
        "token_auth": ("client_secret_basic", "private_key_jwt"),
        "token_ttl_s": 570,
    },
    quirks=OracleHealthQuirks,
    verbs={
        **dict.fromkeys(
            ("Observation", "Condition", "AllergyIntolerance", "DocumentReference", "Immunization"), _C | _U
        ),
        **dict.fromkeys(("Appointment", "Communication", "Encounter", "MedicationRequest", "Patient"), _C | _P),
        **dict.fromkeys(("RelatedPerson",), _C | _P),
        **dict.fromkeys(("DiagnosticReport", "Practitioner", "Procedure", "Provenance"), _C),
        "QuestionnaireResponse": _U,
    },
    reads=frozenset({Interaction.READ, Interaction.SEARCH}),
    rules={
        "Observation": (
            *_COMMON,
            _one_of_two_categories,
            _status_of_observation,
            _performers,
            _components_only_where_known,
        ),
        "Condition": (
            *_COMMON,
            _has_clinical_status,
            _category_of_condition,
            _verification_on_create,
            _notes_are_kept,
        ),
        "AllergyIntolerance": (
            *_COMMON,
            needs("code", _REQUIRED),
            _manifests,
            only("category", set(_PRECEDENCE), _BUSINESS),
            _refuted_is_no_update,
        ),
        "MedicationRequest": (*_COMMON, as_patched, _reported_only, stop_or_cancel),
        "DocumentReference": (
            *_COMMON,
            only("status", {"current"}, _BUSINESS),
            needs("docStatus", _REQUIRED),
            only("docStatus", {"final", "amended"}, _BUSINESS),
            exactly(1, "content", _BUSINESS),
            _kind_of_note,
            _one_encounter_and_period,
        ),
        "Communication": (
            *_COMMON,
            as_patched,
            only("status", {"completed"}, _BUSINESS),
            _to_people,
            needs("payload.contentAttachment.data", _REQUIRED),
        ),
        "Appointment": (
            *_COMMON,
            as_patched,
            _bookable,
            at_most(255, "reasonCode.text", Told(400, "invalid")),
        ),
        "Procedure": (*_COMMON, only("status", {"completed"}, _BUSINESS)),
        "Provenance": (*_COMMON, exactly(1, "target", _BUSINESS)),
        "QuestionnaireResponse": (*_COMMON, _in_progress),
        **dict.fromkeys(("Patient", "RelatedPerson", "Encounter"), (*_COMMON, as_patched)),
        "Immunization": _COMMON,
    },
    rewrites={
        "AllergyIntolerance": (_one_category,),
        "Condition": (_two_codings,),
        "MedicationRequest": (_swapped_stop,),
        "DocumentReference": (_as_rtf,),
        "Observation": (_with_ceuuid,),
    },
    tell=tell,
    advertised=("batch",),
)
