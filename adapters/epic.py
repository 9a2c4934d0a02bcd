"""Epic (R4): vitals and notes go into the chart, allergies and problems to clinicians who reconcile them; nothing is changed.

Every create is an API that the hospital licenses one by one (answered 403 with an empty body otherwise), so each stands behind
a flag of the connection. There is no update, patch or delete of what we create, no version, no conditional create, and our
identifier is not known to be kept: a write is looked for by patient, code and time. What waits to be reconciled is in no
search, so a create of it whose answer was lost goes to a person. Whoever reconciles an allergy decides about a "no known
allergies" beside it.

The same vital at the same instant is refused (59189), a duplicate of a charted allergy too (59141): the chart is looked into,
as only an equal entry is the one that was meant.

Without an author it signs a note in the name of the connection's own user, so that a signed note is sent only under the author
who signed it.

Options of a connection. ``licensed_vitals``, ``licensed_allergies``, ``licensed_problems``, ``licensed_notes``: the hospital
licensed that API. ``units``: LOINC code → UCUM unit in which this Epic keeps it; without it a vital is not sent, since the
default unit differs by organisation. ``codes.vital``, ``codes.note``: ours → the one coding (``system|code``) by which a
flowsheet row or a type of note is known, where that is not the LOINC code. ``keeps``: action type → further fields that its
build was seen to keep. ``vital_note_characters`` (254; 60 before May 2025). ``leaves_out``: see :mod:`adapters.accepted`; it
may hold ``title`` too, since no place for the title of a note is known.

Not confirmed, so nothing rests on it: life of a token, rates, timeouts, search lag, which elements beyond those named here a
build keeps; all but the list of verbs is from a third party's tests or transcripts of the vendor's pages.

Source: Epic's live CapabilityStatement (api-evangelist/epic-systems, fhir/epic-fhir-r4-capabilitystatement.json, 2026-07-24);
Pegasus-One-USA/Segue docs/backend/20-epic-r4-write-back.md (sandbox of August 2026); error codes as transcribed there and in
api-evangelist/epic-systems.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from adapters.accepted import LEAVES_OUT, UnmappedCodeError, code_in, codings, own_code, taken, within
from adapters.adapter import Adapter
from adapters.measured import in_a_unit_of, same_amount
from adapters.r4 import allergy_intolerance, answers, condition, document_reference, natural_key, observation
from adapters.r4.adapter import R4Adapter, View
from adapters.r4.change import Change, Handler
from adapters.r4.components import LOINC
from adapters.r4.compounds import NO_ENTRY
from adapters.r4.fields import has_code, put
from adapters.r4.invariants import CONDITION_VERIFICATION
from adapters.r4.normalisation import Normalisation, added, codings_added, not_kept, told
from adapters.r4.support import refused, refused_but, supported
from adapters.wire import Answer, NoAnswer
from canonical.capabilities import Attribution, Capabilities, Interaction, Landing, Limit, Meaning, Proof, Write
from canonical.code_systems import ICD_10_CM, SNOMED_CT, UCUM
from canonical.errors import NeedsPersonError, UnsupportedActionError
from canonical.outcome import Outcome, Settlement
from canonical.ports import Operation, Resource
from canonical.vital_signs import vital_signs

MAPPING_VERSION = "epic/1"
CREATE = Interaction.CREATE

_TESTED = "Segue docs/backend/20-epic-r4-write-back.md (third party, sandbox of August 2026)"
_STATED = "CapabilityStatement 2026-07-24 (api-evangelist/epic-systems)"
#: Fields with a place of their own; what else a build keeps, its connection declares in ``keeps``.
_KEPT: Mapping[str, tuple[str, ...]] = {
    "VitalReading": ("code", "valueQuantity", "component", "effectiveDateTime", "note"),
    "AllergyUpdate": ("code", "category", "reaction", "recordedDate"),
    "ProblemUpdate": ("category", "code", "onsetDateTime", "note"),
    "ClinicalNote": ("docType", "content", "date", "docStatus", "author", "authenticator"),
}
_PRESSURE = "85354-9"
_PARTS = frozenset({"8480-6", "8462-4"})
_LOINC_OF_VITALS = frozenset(code for vital in vital_signs().values() for code in vital.loinc)
_PROBLEM_NOTE = 450
#: Kinds of notes that it refuses, by their LOINC codes.
_REFUSED_NOTES = frozenset({"18842-5", "34105-7", "69730-0"})


def _kept(change: Change, action: str) -> Change:
    return taken(change, (*_KEPT[action], *change.site.options.get("keeps", {}).get(action, ())))


def _one_note(resource: Resource, most: int) -> None:
    notes = resource.get("note", [])
    if len(notes) > 1:
        raise UnsupportedActionError("this EHR takes one note with an entry")
    for note in notes:
        within(note.get("text", ""), most, "note")


def _vital(change: Change) -> Resource:
    """Build a reading in the encounter that it is filed in.

    Raises :class:`NeedsPersonError` ``encounter_needed``: the EHR files no vital outside one, and none is chosen here.
    """
    if change.encounter is None:
        raise NeedsPersonError(
            "encounter_needed", "The EHR files vital signs in an open encounter; the command names none."
        )
    resource = observation.record(_kept(change, "VitalReading"))
    _one_note(resource, change.site.options.get("vital_note_characters", 254))
    code = _loinc_of(resource["code"])
    resource["code"] = {**resource["code"], "coding": [_one(change, "vital", resource["code"], code)]}
    if code == _PRESSURE:
        return _pressure(resource)
    return _measured(resource, code, change.site.options.get("units", {}).get(code))


def _loinc_of(concept: Mapping[str, Any]) -> str:
    """Return the LOINC code that its author gave the vital; a translation of it, or its twin for saturation, is not sent."""
    named = (str(item["code"]) for item in codings(concept) if item.get("system") == LOINC)
    return next(code for code in named if code in _LOINC_OF_VITALS)


def _one(change: Change, kind: str, concept: Mapping[str, Any], code: str) -> dict[str, str]:
    """Return the one coding by which the EHR knows it: the site's own where the connection maps it, else LOINC."""
    mapped = change.site.options.get("codes", {}).get(kind, {})
    if not any(f"{LOINC}|{item['code']}" in mapped for item in codings(concept)):
        return {"system": LOINC, "code": code}
    system, _, own = own_code(change.site, kind, concept).rpartition("|")
    return {"system": system, "code": own}


def _measured(resource: Resource, code: str, unit: str | None) -> Resource:
    if "component" in resource or "valueQuantity" not in resource:
        raise UnsupportedActionError("this EHR takes this vital sign as one number")
    if unit is None:
        raise UnsupportedActionError(f"the connection declares in 'units' no unit in which this EHR keeps {code}")
    quantity = resource["valueQuantity"]
    value, _ = in_a_unit_of(quantity, {unit: unit}, code)
    if quantity.get("code") == unit:
        return resource
    return {**resource, "valueQuantity": {"value": value, "unit": unit, "system": UCUM, "code": unit}}


def _pressure(resource: Resource) -> Resource:
    """Keep both numbers as components: their units are ignored, so none but mm[Hg] may be sent."""
    parts = resource.get("component", [])
    named = {str(item["code"]) for part in parts for item in codings(part.get("code")) if item.get("system") == LOINC}
    if named != _PARTS or not all(len(codings(part["code"])) == 1 and part.get("valueQuantity") for part in parts):
        raise UnsupportedActionError("this EHR takes a blood pressure as its systolic and diastolic numbers, both")
    for part in parts:
        in_a_unit_of(part["valueQuantity"], {"mm[Hg]": "mm[Hg]"}, "a blood pressure")
    return resource


def _allergy(change: Change) -> Resource:
    resource = allergy_intolerance.record(_kept(change, "AllergyUpdate"))
    if any(len(reaction["manifestation"]) != 1 for reaction in resource.get("reaction", [])):
        raise UnsupportedActionError("this EHR takes one manifestation with each reaction")
    return resource


def _problem(change: Change) -> Resource:
    resource = condition.add(_kept(change, "ProblemUpdate"))
    if not has_code(resource["category"][0], **condition.CATEGORIES["problem-list-item"]):
        raise UnsupportedActionError("this EHR takes from outside what is on the problem list, and no other category")
    known = [item for item in codings(resource["code"]) if item.get("system") in {ICD_10_CM, SNOMED_CT}]
    if not known:
        raise UnmappedCodeError("problem", concept=resource["code"])
    if not resource["code"].get("text") and not any(item.get("display") for item in known):
        raise UnsupportedActionError("this EHR takes a problem with its name beside its code")
    _one_note(resource, _PROBLEM_NOTE)
    # Anything else is answered 422: what nobody confirmed is provisional there.
    put(resource, "verificationStatus", {"coding": [{"system": CONDITION_VERIFICATION, "code": "provisional"}]})
    return resource


def _note(change: Change) -> Resource:
    """Build a note of its encounter, signed by its author or a draft.

    Raises :class:`NeedsPersonError` ``encounter_needed``, and as :func:`adapters.r4.document_reference.create`.
    """
    if change.encounter is None:
        raise NeedsPersonError("encounter_needed", "The EHR files a note in an encounter; the command names none.")
    kept = _kept(replace(change, content=_without_title(change)), "ClinicalNote")
    resource = document_reference.create(kept)
    code = code_in(resource["type"], LOINC)
    if code is None or code in _REFUSED_NOTES:
        raise UnsupportedActionError("this EHR does not take this kind of note")
    resource["type"] = {**resource["type"], "coding": [_one(change, "note", resource["type"], code)]}
    # Plain text and nothing else, not even a parameter of it, is documented to be taken.
    data = resource["content"][0]["attachment"]["data"]
    resource["content"] = [{"attachment": {"contentType": "text/plain", "data": data}}]
    _check_signature(resource)
    return resource


def _without_title(change: Change) -> Mapping[str, Any]:
    leaves_out = "title" in change.site.options.get(LEAVES_OUT, ())
    return {name: item for name, item in change.content.items() if name != "title" or not leaves_out}


def _check_signature(resource: Resource) -> None:
    """Leave out the signer, who must be the author where the note is signed: that is whom the EHR takes for it."""
    signer, authors = resource.pop("authenticator", None), resource.get("author", [])
    if resource["docStatus"] != "final":
        return
    named = authors[0].get("reference") if len(authors) == 1 else None
    if named is None or signer is None or named != signer.get("reference"):
        raise UnsupportedActionError("this EHR takes a signed note from the one author who signed it")


HANDLERS: Mapping[tuple[str, str], Handler] = {
    ("VitalReading", "record"): Handler(resource_type="Observation", build=_vital, creates=True),
    ("AllergyUpdate", "record"): Handler(resource_type="AllergyIntolerance", build=_allergy, creates=True),
    ("ProblemUpdate", "add"): Handler(resource_type="Condition", build=_problem, creates=True),
    ("ClinicalNote", "create"): Handler(resource_type="DocumentReference", build=_note, creates=True),
}
VIEWS = {
    "Observation": View(fields=observation.FIELDS, encounter="encounter"),
    "AllergyIntolerance": View(
        fields=(*allergy_intolerance.FIELDS, *allergy_intolerance.STATUSES.fields), encounter="encounter"
    ),
    "Condition": View(fields=(*condition.FIELDS, *condition.STATUSES.fields), encounter="encounter"),
    "DocumentReference": View(fields=document_reference.FIELDS, encounter="context.encounter"),
}


def _create(flag: str, api: int, landing: Landing = Landing.CHART) -> Write:
    return Write(
        meaning=Meaning.CREATES,
        landing=landing,
        answer="201, empty body unless a representation is asked for, relative Location, no ETag",
        flag=flag,
        source=f"{_STATED}; API {api}: {_TESTED}",
        confirmed=False,
    )


WRITES = {
    ("Observation", CREATE): _create("licensed_vitals", 963),
    ("AllergyIntolerance", CREATE): _create("licensed_allergies", 945, Landing.REVIEW),
    ("Condition", CREATE): _create("licensed_problems", 949, Landing.REVIEW),
    ("DocumentReference", CREATE): _create("licensed_notes", 1046),
}
_ONCE = "Epic takes {} from outside once and can neither change them nor take them back: it is done in Epic by hand."
_VITALS, _ALLERGIES, _PROBLEMS = _ONCE.format("vital signs"), _ONCE.format("allergies"), _ONCE.format("problems")
_NOTES = (
    "Epic takes a note from outside once, and keeps no relation of it to another: it is added to, replaced or taken back"
    " in Epic by hand."
)
_MEDICATIONS = "Epic takes no documented medication from outside: it has no create and no update of one."
_MESSAGES = "Epic takes messages from outside for community referrals only, which this is not."
_TASKS = "Epic takes no task from outside: it only lets a referral's own task be updated."
_NONE_KNOWN = "Epic takes allergies from outside for reconciliation; that none are known is stated in Epic by hand."
SUPPORTS = {
    **supported(HANDLERS, WRITES),
    **refused_but(("PatientReportedOutcome",), HANDLERS, "Epic takes answers only to forms that it assigned itself."),
    **refused_but(("ImmunizationRecord",), HANDLERS, "Epic takes no vaccination: it is entered there by hand."),
    **refused_but(("OrderRequest",), HANDLERS, "Epic takes a request from outside for radiotherapy only."),
    **NO_ENTRY,
    **refused("VitalReading", dict.fromkeys(("correct", "retract"), _VITALS)),
    **refused(
        "MedicationChange",
        dict.fromkeys(
            ("start", "changeDose", "hold", "resume", "stop", "notTaking", "correct", "retract"), _MEDICATIONS
        ),
    ),
    **refused(
        "AllergyUpdate",
        dict.fromkeys(
            ("update", "addReaction", "removeReaction", "inactivate", "resolve", "refute", "retract"), _ALLERGIES
        )
        | dict.fromkeys(("assertNoneKnown", "withdrawNoneKnown"), _NONE_KNOWN),
    ),
    **refused(
        "ProblemUpdate",
        dict.fromkeys(("update", "resolve", "inactivate", "reactivate", "refute", "retract"), _PROBLEMS),
    ),
    **refused("ClinicalNote", dict.fromkeys(("addendum", "replace", "retract"), _NOTES)),
    **refused("CareMessage", dict.fromkeys(("send", "retract"), _MESSAGES)),
    **refused("CareTask", dict.fromkeys(("create", "update", "complete", "cancel"), _TASKS)),
}

#: Code of the vendor → what it came to. 59109 is told beside a success too and decides nothing.
_CODES: Mapping[str, Outcome] = {
    **dict.fromkeys(("59141", "59189"), Outcome.CONFLICT),
    **dict.fromkeys(("40000", "4118", "59187", "59188"), Outcome.REJECTED_SITE_CONFIG),
    # Break-the-glass is a policy's denial, and none of these is ever tried again.
    **dict.fromkeys(("4130", "4131", "4134"), Outcome.NOT_SUPPORTED),
    "4103": Outcome.GONE,
    "4107": Outcome.MERGED,
    **dict.fromkeys(
        ("4100", "4102", "59012", "59100", "59101", "59102", "59105", "59108", "59111", "59144", "59159"),
        Outcome.REJECTED_PAYLOAD,
    ),
    # The cap on documents of one day: the connection waits.
    "4135": Outcome.THROTTLED,
    # A failure in the middle of filing does not say how much was filed.
    "59177": Outcome.UNKNOWN,
}
#: Statuses by which a request is refused: beside any other (throttled, a failure of the server) a code refuses nothing.
_REFUSING = (400, 403, 404, 409, 410, 412, 422)
ERRORS: answers.ErrorTable = {
    **answers.ERRORS,
    **{(None, status, code): outcome for code, outcome in _CODES.items() for status in _REFUSING},
    # The API was not granted to this client: for the site, not for the author.
    (None, 403, answers.EMPTY): Outcome.REJECTED_SITE_CONFIG,
}


def _same_value(sent: Resource, stored: Resource) -> bool:
    one, other = sent.get("valueQuantity"), stored.get("valueQuantity")
    return bool(one and other) and same_amount(one or {}, other or {})


NORMALISATIONS = (
    Normalisation(
        resource_type="Observation",
        element="valueQuantity",
        what="given back in the organisation's unit, rounded",
        source=_TESTED,
        same=_same_value,
    ),
    codings_added("Observation", "code", what="its flowsheet row's codings are added", source=_TESTED),
    codings_added(
        "AllergyIntolerance", "code", what="its text is replaced by the coding's", source=_TESTED, text_replaced=True
    ),
    added("DocumentReference", "category", what="clinical-note is added", source=_TESTED),
    added("DocumentReference", "author", what="the connection's own user, where nobody is named", source=_TESTED),
    not_kept("AllergyIntolerance", "category", source=_TESTED),
    not_kept("AllergyIntolerance", "recordedDate", source=_TESTED),
)
CAPABILITIES = Capabilities(
    writes=WRITES,
    supports=SUPPORTS,
    fallbacks={"note": ("ClinicalNote", "create")},
    conditional_create=False,
    finds_by_mark=False,
    proof=Proof.READ_BACK,
    known_changes=told(NORMALISATIONS),
    # Provenance can be read; how it is searched for is not stated.
    attribution=Attribution(
        source="api-evangelist/epic-systems epic-fhir-r4-capabilitystatement.json: readHistory false"
    ),
    merged=frozenset({"4107"}),
    limits=(
        Limit(
            what="Observation.note",
            most="one, 254 characters (60 before May 2025)",
            source=_TESTED,
            confirmed=False,
        ),
        Limit(what="Condition.note", most=f"one, {_PROBLEM_NOTE} characters", source=_TESTED, confirmed=False),
        Limit(what="DocumentReference.content", most="one, plain text", source=_TESTED, confirmed=False),
        Limit(what="Observation.code.coding", most="1", source=_TESTED, confirmed=False),
        Limit(what="AllergyIntolerance.reaction.manifestation", most="1", source=_TESTED, confirmed=False),
        Limit(
            what="share of the database",
            most="1 % in peak hours, 5 % else; no rate is published or signalled",
            source="api-evangelist/epic-systems rate-limits/epic-systems-rate-limits.yml",
            confirmed=False,
        ),
        Limit(
            what="token request", most="assertion of 5 minutes, jti of 151 characters", source=_TESTED, confirmed=False
        ),
    ),
    compensations=dict.fromkeys(
        ("VitalReading", "AllergyUpdate", "ProblemUpdate", "ClinicalNote"), "none from outside: by hand in Epic"
    ),
    provenance="read only: ours stays in our own record",
    versions="none: no ETag, and no update that would need one",
    stale="does not occur: nothing is updated",
    authentication="SMART Backend Services (private_key_jwt, JWKS by URL); scopes asked for are ignored, granted in v1 spelling",
)


class EpicAdapter(R4Adapter):
    """What its clinicians must reconcile first is not in the chart, whatever the answer's status says."""

    def classify(self, operation: Operation, answer: Answer | NoAnswer, now: datetime) -> Settlement:
        settlement = super().classify(operation, answer, now)
        write = self.capabilities.writes.get((operation.resource_type, operation.interaction))
        if settlement.outcome is not Outcome.APPLIED or write is None or write.landing is not Landing.REVIEW:
            return settlement
        return replace(settlement, outcome=Outcome.PENDING_REMOTE, detail="taken; it waits to be reconciled")


ADAPTER: Adapter = EpicAdapter(
    key="epic",
    mapping_version=MAPPING_VERSION,
    capabilities=CAPABILITIES,
    handlers=HANDLERS,
    views=VIEWS,
    errors=ERRORS,
    normalisations=NORMALISATIONS,
    # What waits for reconciliation is searched by the patient alone: no other parameter is known to be taken.
    natural_keys={**natural_key.KEYS, "AllergyIntolerance": {}, "Condition": {}},
)
