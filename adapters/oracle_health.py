"""Oracle Health (Cerner Millennium R4): written at once into the chart, updates guarded by version, medications only as reported.

Its creates answer with a place and an entity tag and no body; its updates replace, so that what is left out is cleared; of a
medication only the status can be patched, and the EHR itself chooses between stopped and cancelled. It honours no
``If-None-Exist`` and is not known to keep our identifier: a write is looked for by patient, code and time. A new allergy that it
takes for one it has becomes a change of that one, so it is not sent then; it retires "no known allergies" itself.

What it cannot take may go as a message into a clinician's inbox. A message is given back without its text, so the text of one
whose answer was lost cannot be looked up: a person decides. A note is given back by the address of its document: what
is read back proves that it is there, of its kind, time and authors, and not each word of it.

Options of a connection: see :mod:`adapters.millennium`.

Not confirmed, so nothing rests on it: whether an update without ``If-Match`` is refused for every type (every update here has
one), lag between write and search, limits of requests, the list of vital signs that are taken.

Source: cerner/fhir.cerner.com content/millennium/r4 and lib/resources/r4 (read 2026-11); live CapabilityStatement
(api-evangelist/cerner, conformance/cerner-capability-statement-r4-secure.json, 2026-08-14); docs.oracle.com mfrap.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from adapters import millennium, millennium_immunization
from adapters.adapter import Adapter, Request
from adapters.r4 import (
    allergy_intolerance,
    answers,
    communication,
    condition,
    document_reference,
    medication_request,
    natural_key,
    observation,
)
from adapters.r4.adapter import R4Adapter, View
from adapters.r4.change import Handler
from adapters.r4.compounds import NO_ENTRY
from adapters.r4.normalisation import Normalisation, added, codings_added, told
from adapters.r4.support import refused, supported
from adapters.site import Site
from canonical.capabilities import (
    Attribution,
    Capabilities,
    Interaction,
    Limit,
    Meaning,
    MedicationList,
    PreconditionKind,
    Proof,
    ProvenanceSearch,
    ProvenanceWrite,
    Write,
)
from canonical.outcome import Outcome
from canonical.ports import Operation, Resource

MAPPING_VERSION = "oracle_health/1"
CREATE, UPDATE, PATCH = Interaction.CREATE, Interaction.UPDATE, Interaction.PATCH

_DOCS = "cerner/fhir.cerner.com content/millennium/r4/"
_OBSERVATION = _DOCS + "clinical/diagnostics/observation.md"
_ALLERGY = _DOCS + "clinical/summary/allergy-intolerance.md"
_CONDITION = _DOCS + "clinical/summary/condition.md"
_MEDICATION = _DOCS + "clinical/medications/medication-request.md"
_PATCH = "cerner/fhir.cerner.com lib/resources/r4/medication_request_patch.yaml"
_DOCUMENT = _DOCS + "documents/document-reference.md"
_MESSAGE = _DOCS + "clinical/request-and-response/communication.md"

_ALLERGY_CHANGE = Handler(resource_type="AllergyIntolerance", build=millennium.changed_allergy)
_PROBLEM_CHANGE = Handler(resource_type="Condition", build=millennium.changed_problem)
HANDLERS: Mapping[tuple[str, str], Handler] = {
    **millennium_immunization.HANDLERS,
    ("VitalReading", "record"): Handler(resource_type="Observation", build=millennium.vital, creates=True),
    ("VitalReading", "correct"): Handler(resource_type="Observation", build=millennium.corrected_vital),
    ("MedicationChange", "start"): Handler(resource_type="MedicationRequest", build=millennium.reported, creates=True),
    ("MedicationChange", "stop"): Handler(
        resource_type="MedicationRequest", build=millennium.stopped, patches=("status",)
    ),
    ("AllergyUpdate", "record"): Handler(resource_type="AllergyIntolerance", build=millennium.allergy, creates=True),
    ("AllergyUpdate", "assertNoneKnown"): Handler(
        resource_type="AllergyIntolerance", build=millennium.none_known, creates=True
    ),
    **{
        ("AllergyUpdate", operation): _ALLERGY_CHANGE
        for operation in ("update", "inactivate", "resolve", "retract", "withdrawNoneKnown")
    },
    ("ProblemUpdate", "add"): Handler(resource_type="Condition", build=millennium.problem, creates=True),
    **{
        ("ProblemUpdate", operation): _PROBLEM_CHANGE
        for operation in ("update", "resolve", "inactivate", "reactivate", "refute", "retract")
    },
    ("ClinicalNote", "create"): Handler(resource_type="DocumentReference", build=millennium.note, creates=True),
    ("CareMessage", "send"): Handler(resource_type="Communication", build=millennium.message, creates=True),
}
VIEWS = {
    **millennium_immunization.VIEWS,
    "Observation": View(fields=observation.FIELDS, encounter="encounter"),
    "MedicationRequest": View(fields=medication_request.FIELDS, encounter="encounter"),
    "AllergyIntolerance": View(
        fields=(*allergy_intolerance.FIELDS, *allergy_intolerance.STATUSES.fields), encounter="encounter"
    ),
    "Condition": View(fields=(*condition.FIELDS, *condition.STATUSES.fields), encounter="encounter"),
    "DocumentReference": View(fields=document_reference.FIELDS, encounter="context.encounter"),
    "Communication": View(fields=communication.FIELDS, encounter="encounter"),
}


def _create(source: str, meaning: Meaning = Meaning.CREATES) -> Write:
    answer = "201, Content-Length: 0, absolute Location without _history, ETag"
    return Write(meaning=meaning, answer=answer, source=source)


def _change(source: str, meaning: Meaning) -> Write:
    answer = "200, empty body, new ETag"
    return Write(meaning=meaning, precondition=PreconditionKind.IF_MATCH, answer=answer, source=source)


WRITES = {
    **millennium_immunization.WRITES,
    ("Observation", CREATE): _create(_OBSERVATION),
    ("Observation", UPDATE): _change(_OBSERVATION, Meaning.REPLACES),
    ("MedicationRequest", CREATE): _create(_MEDICATION),
    ("MedicationRequest", PATCH): _change(_PATCH, Meaning.MERGES),
    ("AllergyIntolerance", CREATE): _create(_ALLERGY, Meaning.UPSERTS),
    ("AllergyIntolerance", UPDATE): _change(_ALLERGY, Meaning.REPLACES),
    ("Condition", CREATE): _create(_CONDITION),
    ("Condition", UPDATE): _change(_CONDITION, Meaning.REPLACES),
    ("DocumentReference", CREATE): _create(_DOCUMENT),
    ("Communication", CREATE): _create(_MESSAGE),
}
_KEPT_VITAL = (
    "Millennium takes a change of a reading as amended or corrected only: an error is marked in Millennium by hand."
)
_STATUS_ONLY = "Millennium changes of a documented medication its status alone, and that to stopped or cancelled only."
_NEW_DOSE = f"{_STATUS_ONLY} Stop this entry and start one with the new content."
_NOT_ERROR = f"{_STATUS_ONLY} Neither says that the entry was an error."
_REFUTED = "Millennium does not take an allergy as refuted in an update: it is refuted in Millennium by hand."
_REACTIONS = "Millennium does not let the manifestations of an allergy be changed: it is done in Millennium by hand."
_UNRELATED = (
    "Millennium keeps no relation of a note to another: it is added to, or a draft finished, in Millennium by hand."
)
_NOTE_STAYS = "Which notes an update may mark as an error is not confirmed: it is done in Millennium by hand."
_SENT = "A message that was sent cannot be taken back in Millennium."
_TASKS = "Millennium's tasks can only be read from outside. It may be sent as a message to a clinician's inbox."
SUPPORTS = {
    **supported(HANDLERS, WRITES),
    **refused("ImmunizationRecord", millennium_immunization.WHY_NOT),
    **refused(
        "PatientReportedOutcome",
        dict.fromkeys(
            ("record", "correct", "retract"),
            "Millennium lets answers that are in progress be changed from outside, and none be made.",
        ),
    ),
    **refused(
        "OrderRequest",
        dict.fromkeys(
            ("propose", "update", "cancel"),
            "Millennium's requests can only be read from outside. It may be sent as a message to a clinician's inbox.",
        ),
    ),
    **NO_ENTRY,
    **refused("VitalReading", {"retract": _KEPT_VITAL}),
    **refused(
        "MedicationChange",
        {
            **dict.fromkeys(("changeDose", "correct"), _NEW_DOSE),
            **dict.fromkeys(("hold", "resume", "notTaking"), _STATUS_ONLY),
            "retract": _NOT_ERROR,
        },
    ),
    **refused("AllergyUpdate", {"refute": _REFUTED, **dict.fromkeys(("addReaction", "removeReaction"), _REACTIONS)}),
    **refused("ClinicalNote", {**dict.fromkeys(("addendum", "replace"), _UNRELATED), "retract": _NOTE_STAYS}),
    **refused("CareMessage", {"retract": _SENT}),
    **refused("CareTask", dict.fromkeys(("create", "update", "complete", "cancel"), _TASKS)),
}

ERRORS: answers.ErrorTable = {
    **answers.ERRORS,
    # The tenant in the base URL is unknown, or the client may not use the API: neither is the author's.
    (None, 403, None): Outcome.REJECTED_SITE_CONFIG,
    (None, 406, None): Outcome.REJECTED_SITE_CONFIG,
    # The header was asked for: something on the way has taken it off.
    (UPDATE, 412, "required"): Outcome.REJECTED_SITE_CONFIG,
    # A prerequisite failed, such as the encounter's; nothing was written.
    (None, 424, None): Outcome.LOCKED,
}
_ENDED = frozenset({"stopped", "cancelled"})


def _same_end(sent: Resource, stored: Resource) -> bool:
    return sent.get("status") in _ENDED and stored.get("status") in _ENDED


def _same_intent(sent: Resource, stored: Resource) -> bool:
    """Whether an entry is reported as it was sent: only then is either intent no authorisation."""
    both = {sent.get("intent"), stored.get("intent")}
    return both <= {"order", "plan"} and stored.get("reportedBoolean") is True


def _as_day(element: str) -> Any:
    """Return a comparison of a time with the day in GMT that the EHR makes of it."""

    def same(sent: Resource, stored: Resource) -> bool:
        try:
            moment = datetime.fromisoformat(str(sent.get(element)))
        except ValueError:
            return False
        return moment.tzinfo is not None and stored.get(element) == moment.astimezone(UTC).date().isoformat()

    return same


def _normal(resource_type: str, element: str, what: str, source: str, same: Any) -> Normalisation:
    return Normalisation(resource_type=resource_type, element=element, what=what, source=source, same=same)


def _document_is_elsewhere(sent: Resource, stored: Resource) -> bool:
    """Whether the one document is given back by its address, under the type in which it was sent."""
    one, other = (item.get("content", []) for item in (sent, stored))
    if len(one) != 1 or len(other) != 1:
        return False
    here, there = one[0]["attachment"], other[0].get("attachment", {})
    return bool(there.get("url")) and "data" not in there and there.get("title", here.get("title")) == here.get("title")


def _same_title(sent: Resource, stored: Resource) -> bool:
    title = sent.get("content", [{}])[0].get("attachment", {}).get("title")
    return "description" not in sent and (title is None or stored.get("description") == title)


def _text_is_elsewhere(_sent: Resource, stored: Resource) -> bool:
    payload = stored.get("payload", [])
    return len(payload) == 1 and "Binary/" in str(payload[0].get("contentReference", {}).get("reference"))


_DAY = "converted to a date in GMT"
NORMALISATIONS = (
    *millennium_immunization.NORMALISATIONS,
    codings_added("Observation", "code", what="its clinical event code is added", source=_OBSERVATION),
    codings_added(
        "MedicationRequest",
        "medicationCodeableConcept",
        what="its order synonym is added",
        source=_MEDICATION,
        also=("medication",),
    ),
    _normal("MedicationRequest", "status", "stopped and cancelled: the EHR stores whichever fits", _PATCH, _same_end),
    _normal("MedicationRequest", "intent", "order or plan, always of what is reported", _MEDICATION, _same_intent),
    *(
        added("MedicationRequest", element, what="filled by the EHR", source=_MEDICATION, also=also)
        for element, also in (
            ("authoredOn", ("dateAsserted",)),
            ("requester", ("prescriber",)),
            ("category", ()),
            ("courseOfTherapyType", ()),
        )
    ),
    codings_added("Condition", "code", what="its own coding is added", source=_CONDITION),
    *(_normal("Condition", name, _DAY, _CONDITION, _as_day(name)) for name in ("onsetDateTime", "abatementDateTime")),
    _normal("AllergyIntolerance", "onsetDateTime", _DAY, _ALLERGY, _as_day("onsetDateTime")),
    codings_added("AllergyIntolerance", "code", what="its own coding is added", source=_ALLERGY),
    *(
        added(name, element, what="filled by the EHR", source=source)
        for name, source in (("Condition", _CONDITION), ("AllergyIntolerance", _ALLERGY))
        for element in ("recorder", "asserter")
    ),
    Normalisation(
        resource_type="DocumentReference",
        element="content",
        what="given back by its address; markup is cleaned",
        source=_DOCUMENT,
        same=_document_is_elsewhere,
        also=("attachment", "content"),
    ),
    Normalisation(
        resource_type="DocumentReference",
        element="description",
        what="the title of the document",
        source=_DOCUMENT,
        same=_same_title,
        also=("title",),
    ),
    codings_added("DocumentReference", "type", what="its event code is added", source=_DOCUMENT, also=("docType",)),
    *(
        added("DocumentReference", element, what="filled by the EHR", source=_DOCUMENT)
        for element in ("category", "date")
    ),
    _normal("Communication", "payload", "its text is a Binary of its own", _MESSAGE, _text_is_elsewhere),
    *(
        added("Communication", element, what="filled by the EHR", source=_MESSAGE)
        for element in ("sent", "received", "extension")
    ),
)
CAPABILITIES = Capabilities(
    writes=WRITES,
    supports=SUPPORTS | NO_ENTRY,
    fallbacks={"message": ("CareMessage", "send")},
    conditional_create=False,
    finds_by_mark=False,
    proof=Proof.READ_BACK,
    unreadable=frozenset({(500, "required")}),
    known_changes=told(NORMALISATIONS),
    # It tells where data from outside came from, not who edited an entry.
    attribution=Attribution(
        provenance=ProvenanceSearch.BY_TARGET,
        source="fhir.cerner.com millennium/r4/foundation/security/provenance.md",
        confirmed=True,
    ),
    limits=(
        Limit(what="Observation.performer", most="2, practitioners", source=_OBSERVATION),
        Limit(what="Observation.category", most="1", source=_OBSERVATION),
        Limit(what="AllergyIntolerance.reaction.manifestation", most="1", source=_ALLERGY),
        Limit(what="Condition.code.coding", most="2, one of them chosen by the user", source=_CONDITION),
        Limit(what="MedicationRequest.dosageInstruction", most="1", source=_MEDICATION),
        Limit(what="MedicationRequest.statusReason", most="not sent: a patch carries the status alone", source=_PATCH),
        Limit(what="access token", most="570 s", source="docs.oracle.com mfrap, authorization"),
        Limit(what="requests", most="not published", source="api-evangelist/cerner rate-limits", confirmed=False),
    ),
    medication_list=MedicationList(types=("MedicationRequest",), source=_MEDICATION, confirmed=True),
    compensations={
        "VitalReading": "none from outside: corrected by an update, marked as an error in Millennium by hand",
        "MedicationChange": "stop: the entry ends; as an error it is marked in Millennium by hand",
        "AllergyUpdate": "retract: update with verificationStatus entered-in-error",
        "ProblemUpdate": "retract: update with verificationStatus entered-in-error",
        "ClinicalNote": "none from outside: marked as an error in Millennium by hand",
        "CareMessage": "none: it was read or will be",
        "ImmunizationRecord": "none from outside: changed or marked as an error in Millennium by hand",
    },
    provenance="one for each entry; which elements are kept is not stated, so only where the connection asks for it",
    provenance_write=ProvenanceWrite(
        one_target=True, source="fhir.cerner.com millennium/r4/foundation/security/provenance.md", confirmed=False
    ),
    versions='opaque, in ETag: W/"0", a number near the id, W/"10-1"; never counted',
    stale="409; 412 where If-Match is missing, 423 while somebody has it open, 424 where a prerequisite failed",
    authentication="SMART Backend Services (private_key_jwt, RS384 or ES384) or a secret; scopes in v1 or v2, no wildcards",
)


class OracleHealthAdapter(R4Adapter):
    """A message is looked for by nobody: its text is not given back, and no search goes by the patient."""

    def twin_query(self, operation: Operation, site: Site) -> Request | None:
        return None if operation.resource_type == "Communication" else super().twin_query(operation, site)


ADAPTER: Adapter = OracleHealthAdapter(
    key="oracle_health",
    mapping_version=MAPPING_VERSION,
    capabilities=CAPABILITIES,
    handlers=HANDLERS,
    views=VIEWS,
    errors=ERRORS,
    normalisations=NORMALISATIONS,
    # Only readings and notes are searched by more than the patient; an unknown parameter would be refused.
    natural_keys={name: natural_key.KEYS[name] for name in ("Observation", "DocumentReference")},
)
