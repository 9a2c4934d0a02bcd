"""athenahealth athenaOne: read by FHIR R4, written by form posts to its own interface (v1), which answers 200 also to failures.

Only what that interface keeps is built: a number in its fixed unit and a day, a medication of its own list with the text of
its dosage. Readings outside an encounter stay hidden until the practice shows them, so they count as taken for review. The
answer gives an id that no FHIR read knows; what was written is found by what it says.

Options of a connection: ``native_url`` (``…/v1/{practice}``) and ``department_id`` (both required); ``patient_id_prefix``
(default ``a-{practice}.E-``) and ``encounter_id_prefix`` (default ``a-{practice}.encounter-``): what stands before the number
in FHIR ids; ``vitals_visible`` (default false): readings outside an encounter are shown at once; ``vital_elements``: further
LOINC codes and the elements for them, each in the unit that ``athenahealth_forms.UNITS`` has; ``medication_reads`` (default
``MedicationRequest``): the FHIR type that shows documented medications; ``codes``: ``medication`` to the vendor's
``medicationid``, ``allergy`` to its ``allergenid``, ``problem`` to SNOMED CT; ``accepts_update_window``: reactions may be
merged although an edit in that moment would be lost; ``leaves_out`` (see :mod:`adapters.accepted`).

Not confirmed, hence options or left out: the element of an oxygen saturation (another product's mapping sends it as inhaled
oxygen, which is another measurement), the form of encounter ids, calls per second.

Source: metriport/metriport ``packages/core/src/external/ehr/athenahealth`` and eleanorhealth/go-athenahealth (third parties'
code, read 2026-11); docs.athenahealth.com guides (token limits, daily quota); live CapabilityStatement 2026-08;
athenahealth/aone-fhir-subscriptions README, versions 0.5 to 0.8, read 2026-11 (notifications: a SubscriptionStatus whose event
numbers begin anew in each message, ids of events to know repeats by, ``X-Hub-Signature``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from adapters.accepted import code_in, codes_for, outside_encounter, own_code, taken
from adapters.adapter import Adapter
from adapters.athenahealth_forms import (
    MEDICATION_READS,
    UNITS,
    allergy_form,
    allergy_sent,
    elements,
    medication_form,
    medication_sent,
    medication_type,
    problem_form,
    problem_sent,
    vital_form,
    vital_sent,
)
from adapters.native import COMPARISONS, Native, NativeAdapter, same_code
from adapters.r4 import allergy_intolerance, answers, condition, medication_statement, natural_key, observation
from adapters.r4.adapter import View
from adapters.r4.change import Change, Handler
from adapters.r4.components import SNOMED
from adapters.r4.compounds import NO_ENTRY
from adapters.r4.operation_outcome import json_object
from adapters.r4.support import refused_but, supported
from adapters.readings import numbers_in, stated
from adapters.site import Site
from adapters.wire import Answer, NoAnswer
from canonical.capabilities import (
    Attribution,
    Capabilities,
    Interaction,
    KnownChange,
    Landing,
    Limit,
    Meaning,
    MedicationList,
    PreconditionKind,
    Proof,
    ProvenanceSearch,
    Transport,
    Write,
)
from canonical.errors import NeedsPersonError, UnsupportedActionError
from canonical.notification import NotificationForm
from canonical.outcome import Outcome, Settlement
from canonical.ports import Operation, Resource

MAPPING_VERSION = "athenahealth/1"
CREATE, UPDATE = Interaction.CREATE, Interaction.UPDATE
_CODE = "metriport/metriport packages/core/src/external/ehr/athenahealth/index.ts (third party), read 2026-11"
_GUIDES = "docs.athenahealth.com/api/guides, read 2026-11"


# Vital signs


def _vital(change: Change) -> Resource:
    """Build the reading as the interface keeps it: its code, numbers in the fixed units, a day."""
    resource = observation.record(taken(change, ("code", "valueQuantity", "component", "effectiveDateTime")))
    known = elements(change.site)
    numbers = numbers_in(resource, {code: unit for code, unit in UNITS.items() if code in known})
    kept = {name: resource[name] for name in ("resourceType", "status", "subject")}
    if change.encounter is not None:
        kept["encounter"] = {"reference": change.encounter["reference"]}
    return {**kept, "effectiveDateTime": resource["effectiveDateTime"][:10], **stated(numbers)}


# Documented medications


def _statement(change: Change) -> Resource:
    resource = medication_statement.start(taken(outside_encounter(change), ("medication", "dosage", "effectivePeriod")))
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


# Problems and allergies


def _problem(change: Change) -> Resource:
    """Build an entry of the problem list by its SNOMED CT code, the only one that is taken."""
    resource = condition.add(taken(outside_encounter(change), ("category", "code", "onsetDateTime")))
    if change.content["category"] != "problem-list-item":
        raise UnsupportedActionError("this EHR takes entries of the problem list only")
    _check_days(resource, "onsetDateTime")
    code = code_in(resource["code"], SNOMED) or own_code(change.site, "problem", resource["code"])
    kept = ("resourceType", "clinicalStatus", "category", "subject", "onsetDateTime")
    return {**_only(resource, kept), "code": {"coding": [{"system": SNOMED, "code": code}]}}


def _only(resource: Resource, names: tuple[str, ...]) -> Resource:
    return {name: resource[name] for name in names if name in resource}


def _check_days(resource: Resource, *names: str) -> None:
    if any(len(str(resource.get(name, "0000-00-00"))) != 10 for name in names):
        raise UnsupportedActionError("this EHR takes such times as whole days")


_ALLERGY_KEPT = ("resourceType", "id", "clinicalStatus", "patient", "code", "criticality", "onsetDateTime", "reaction")


def _allergy(change: Change) -> Resource:
    """Build a new allergy; beside an entry of the same allergen it would take that one's place, so a person decides."""
    fields = ("code", "criticality", "onsetDateTime", "reaction")
    resource = allergy_intolerance.record(taken(outside_encounter(change), fields))
    own = own_code(change.site, "allergy", resource["code"])
    ours = {"coding": codes_for(change.site, "allergy", own)}
    if any(same_code(ours, entry.get("code")) for entry in change.beside):
        raise NeedsPersonError(
            "possible_duplicate", "The chart has an entry of this allergen, which this would replace."
        )
    return _as_kept(resource)


def _reacted(change: Change) -> Resource:
    """Build an allergy with all of its reactions: those it has and the one that is added, or without the one removed."""
    return _as_kept(allergy_intolerance.update(taken(change, ("code", "reaction", "changeReason"))))


def _as_kept(resource: Resource) -> Resource:
    _check_days(resource, "onsetDateTime")
    for reaction in resource.get("reaction", []):
        known = all(code_in(what, SNOMED) for what in reaction.get("manifestation", []))
        if set(reaction) - {"id", "manifestation", "severity"} or not known:
            # It would be replaced by what could be said of it here.
            raise UnsupportedActionError("this EHR keeps of a reaction its SNOMED CT code and its severity")
    return _only(resource, _ALLERGY_KEPT)


HANDLERS: Mapping[tuple[str, str], Handler] = {
    ("VitalReading", "record"): Handler(resource_type="Observation", build=_vital, creates=True),
    ("MedicationChange", "start"): Handler(resource_type="MedicationStatement", build=_statement, creates=True),
    ("ProblemUpdate", "add"): Handler(resource_type="Condition", build=_problem, creates=True),
    ("AllergyUpdate", "record"): Handler(
        resource_type="AllergyIntolerance", build=_allergy, creates=True, entails=allergy_intolerance.retire_none_known
    ),
    **{
        ("AllergyUpdate", operation): Handler(resource_type="AllergyIntolerance", build=_reacted)
        for operation in ("addReaction", "removeReaction")
    },
}
NATIVES = {
    "Observation": Native(encode=vital_form, decode=vital_sent),
    "MedicationStatement": Native(encode=medication_form, decode=medication_sent, reads_as=medication_type),
    "Condition": Native(encode=problem_form, decode=problem_sent),
    "AllergyIntolerance": Native(encode=allergy_form, decode=allergy_sent, method="PUT"),
}
VIEWS = {
    "Observation": View(fields=observation.FIELDS, encounter="encounter"),
    "MedicationStatement": View(fields=medication_statement.FIELDS, encounter="context"),
    "AllergyIntolerance": View(
        fields=(*allergy_intolerance.FIELDS, *allergy_intolerance.STATUSES.fields), encounter="encounter"
    ),
    "Condition": View(fields=(*condition.FIELDS, *condition.STATUSES.fields), encounter="encounter"),
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


#: By allergen: the entry's reactions become those that are sent, so they are read, merged and sent whole.
_UPSERT = replace(_post(), meaning=Meaning.UPSERTS, precondition=PreconditionKind.READ_COMPARE)
WRITES = {
    # Outside an encounter: hidden until the practice turns a setting on, whoever accepts them.
    ("Observation", CREATE): replace(_post(Landing.REVIEW), shown_by="vitals_visible"),
    ("MedicationStatement", CREATE): _post(),
    ("Condition", CREATE): _post(),
    ("AllergyIntolerance", CREATE): _UPSERT,
    ("AllergyIntolerance", UPDATE): _UPSERT,
}
_NO_VITAL = "athenaOne's interface takes vital signs once and documents no change or removal of one."
_NO_MEDICATION = "athenaOne's interface adds documented medications and documents no change of one."
_NO_LIST = (
    "athenaOne's interface adds problems, and adds and replaces the reactions of an allergen; it documents no more."
)
_NO_READ = (
    "athenaOne files it as a document or case, which its FHIR reads do not show as such: it could never be proven."
)
SUPPORTS = {
    **supported(HANDLERS, WRITES),
    **refused_but(
        ("PatientReportedOutcome",),
        HANDLERS,
        "Whether a read of athenaOne shows the answers that it takes is not stated: they could never be proven.",
    ),
    **refused_but(
        ("ImmunizationRecord",),
        HANDLERS,
        "How athenaOne takes a vaccination is not known here: it is entered in athenaOne by hand.",
    ),
    **refused_but(
        ("OrderRequest",),
        HANDLERS,
        "What athenaOne takes is an order for a provider to sign. Nothing is ordered here, and it has no place for a proposal.",
    ),
    **NO_ENTRY,
    **refused_but(("VitalReading",), HANDLERS, _NO_VITAL),
    **refused_but(("MedicationChange",), HANDLERS, _NO_MEDICATION),
    **refused_but(("AllergyUpdate", "ProblemUpdate"), HANDLERS, _NO_LIST),
    **refused_but(("CareMessage", "CareTask", "ClinicalNote"), HANDLERS, _NO_READ),
}
KNOWN_CHANGES = (
    KnownChange(resource_type="Observation", element="valueQuantity", what="kept in grams, cm, °F", source=_CODE),
    KnownChange(resource_type="Observation", element="effectiveDateTime", what="the day only", source=_CODE),
    KnownChange(resource_type="AllergyIntolerance", element="note", what="no reason of a change is kept", source=_CODE),
    KnownChange(resource_type="Condition", element="verificationStatus", what="not taken", source=_CODE),
    KnownChange(
        resource_type="MedicationStatement", element="dosage", what="one text, the structure is not kept", source=_CODE
    ),
)
CAPABILITIES = Capabilities(
    writes=WRITES,
    supports=SUPPORTS | NO_ENTRY,
    medication_list=MedicationList(
        types=("MedicationRequest",),
        named_by=MEDICATION_READS,
        source="live CapabilityStatement 2026-08 (US Core 6.1.0), described by api-evangelist/athenahealth",
    ),
    conditional_create=False,
    finds_by_mark=False,
    proof=Proof.READ_BACK,
    known_changes=KNOWN_CHANGES,
    limits=(
        Limit(what="access token", most="3600 s", source=_GUIDES),
        Limit(what="token requests", most="50 a minute in production, 5 in preview", source=_GUIDES),
        Limit(what="requests", most="a quota a day, reset at midnight GMT", source=_GUIDES),
        Limit(what="requests a second", most="not published", source="none: no page read states it", confirmed=False),
    ),
    attribution=Attribution(
        provenance=ProvenanceSearch.WITH_ENTRY,
        source="api-evangelist/athenahealth, live CapabilityStatement: _revinclude on 22 types; whom it names is not stated",
    ),
    provenance="not taken; THIRDPARTYUSERNAME could name who acted, which is not confirmed",
    versions="none",
    stale="none; 409 for conflicting or doubled data",
    notifications=NotificationForm(is_numbered=False),
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
        if operation.reference is not None:
            return Settlement(outcome=Outcome.APPLIED, status=200, reference=operation.reference, body=answer.body)
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
    # These are coded in the vendor's own lists: a search by our code would miss them.
    natural_keys={**natural_key.KEYS, "AllergyIntolerance": {}, "MedicationStatement": {}},
    comparisons=COMPARISONS,
)
