"""eClinicalWorks: every write is a transaction bundle to the base, and its answer holds the vendor's own numbers, not HTTP's.

Writing clinical entries is granted by contract, per practice and build; most of it waits in the EHR until one of its users
takes it over, and no read shows it before. There is no change and no removal of an entry, no version, no mark of ours.

Options of a connection: ``writeback_vitals``, ``writeback_medications``, ``writeback_allergies``, ``writeback_problems``
(default false): what the practice's contract grants;
``leaves_out`` (see :mod:`adapters.accepted`), which here may name ``encounter`` too: a reading is filed by its time.

Not confirmed, so nothing rests on it: the HTTP status of a successful write (the transaction's own number decides); whether
clinical entries are deduplicated; which unit texts are taken beside UCUM.

Source: live CapabilityStatement "eCW FHIR Facade 1.6"; error guide 1.0 of July 2026 as described by
api-evangelist/eclinicalworks; connect4.healow.com (limit, since 2025-10-07); Pegasus-One-USA/Segue, a third party's reading of
the vendor's pages (2026-09).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from adapters.accepted import code_in, codings, outside_encounter, taken
from adapters.adapter import Adapter, Request
from adapters.location import parse_location
from adapters.r4 import allergy_intolerance, answers, condition, medication_statement, observation
from adapters.r4.adapter import R4Adapter, View
from adapters.r4.change import Change, Handler
from adapters.r4.compounds import NO_ENTRY
from adapters.r4.normalisation import Normalisation, added, told
from adapters.r4.operation_outcome import json_object
from adapters.r4.support import refused_but, supported
from adapters.site import Site
from adapters.wire import Answer, NoAnswer
from canonical import exact_json
from canonical.capabilities import (
    Capabilities,
    Interaction,
    Landing,
    Limit,
    Meaning,
    MedicationList,
    Proof,
    Transport,
    Write,
)
from canonical.code_systems import RXNORM
from canonical.command import Command
from canonical.errors import UnsupportedActionError
from canonical.outcome import Outcome, Settlement
from canonical.ports import Fetched, Operation, Resource

MAPPING_VERSION = "eclinicalworks/1"
CREATE = Interaction.CREATE
_GUIDE = "error guide 1.0 (July 2026), as described by api-evangelist/eclinicalworks"
_SEGUE = "Pegasus-One-USA/Segue docs/backend (third party), 2026-09"
_LIMIT = "connect4.healow.com, in force since 2025-10-07"
_TRANSACTION = "transaction"
_BAD, _OPEN = Outcome.REJECTED_PAYLOAD, Outcome.UNKNOWN

#: (channel, interaction or ``None`` for any, the vendor's number) → what it came to. On this channel 201, 202 and 308 are no
#: HTTP statuses; a number that is not here proves nothing.
NUMBERS: Mapping[tuple[str, Interaction | None, str], Outcome] = {
    **{
        (_TRANSACTION, None, code): _BAD
        for code in ("100", "101", "102", "108", "109", "110", "113", "114", "123", "138")
    },
    **{(_TRANSACTION, None, code): _BAD for code in ("161", "204", "207", "611", "612", "613", "2025", "2026", "2027")},
    **{(_TRANSACTION, None, str(code)): _BAD for code in range(301, 308)},
    # Somebody at the EHR has the encounter locked: it did nothing, and the lock ends.
    (_TRANSACTION, None, "139"): Outcome.LOCKED,
    # No user is set up for what is written from outside: only the practice can.
    (_TRANSACTION, None, "308"): Outcome.REJECTED_SITE_CONFIG,
    # Several patients fit: identity is for a person.
    (_TRANSACTION, None, "201"): _BAD,
    # What is in the way may be our own, written before.
    (_TRANSACTION, None, "202"): _OPEN,
    # "Failure", "unknown" and a number with two meanings do not say that nothing was written.
    **{(_TRANSACTION, None, code): _OPEN for code in ("2", "103", "104", "615")},
}
_DONE = "1"


def _vital(change: Change) -> Resource:
    """Build the reading; the interface has no encounter for it and files it by its time."""
    fields = ("code", "valueQuantity", "component", "effectiveDateTime", "performer")
    return observation.record(taken(outside_encounter(change), fields))


def _statement(change: Change) -> Resource:
    resource = medication_statement.start(taken(change, ("medication", "dosage", "effectivePeriod")))
    concept = resource.get("medicationCodeableConcept")
    if code_in(concept, RXNORM) is None or "contained" in resource:
        raise UnsupportedActionError("this EHR takes a medication by one RxNorm code")
    if any(item.get("system") != RXNORM for item in codings(concept)):
        # A second code must agree with the first, which only the EHR's own tables can tell.
        resource["medicationCodeableConcept"] = {
            **(concept or {}),
            "coding": [item for item in codings(concept) if item.get("system") == RXNORM],
        }
    return resource


def _allergy(change: Change) -> Resource:
    fields = ("code", "allergyType", "category", "criticality", "onsetDateTime", "reaction", "recorder", "recordedDate")
    return allergy_intolerance.record(taken(change, fields))


def _problem(change: Change) -> Resource:
    return condition.add(taken(change, ("category", "code", "onsetDateTime", "recorder", "recordedDate")))


HANDLERS: Mapping[tuple[str, str], Handler] = {
    ("VitalReading", "record"): Handler(resource_type="Observation", build=_vital, creates=True),
    ("MedicationChange", "start"): Handler(resource_type="MedicationStatement", build=_statement, creates=True),
    ("AllergyUpdate", "record"): Handler(
        resource_type="AllergyIntolerance", build=_allergy, creates=True, entails=allergy_intolerance.retire_none_known
    ),
    ("ProblemUpdate", "add"): Handler(resource_type="Condition", build=_problem, creates=True),
}
VIEWS = {
    "Observation": View(fields=observation.FIELDS, encounter="encounter"),
    "MedicationStatement": View(fields=medication_statement.FIELDS, encounter="context"),
    "AllergyIntolerance": View(
        fields=(*allergy_intolerance.FIELDS, *allergy_intolerance.STATUSES.fields), encounter="encounter"
    ),
    "Condition": View(fields=(*condition.FIELDS, *condition.STATUSES.fields), encounter="encounter"),
}


def _granted(flag: str) -> Write:
    return Write(
        meaning=Meaning.CREATES,
        landing=Landing.REVIEW,
        transport=Transport.TRANSACTION,
        answer='transaction-response whose entry has status "1"; any other number is the vendor\'s own',
        flag=flag,
        source=f"{_SEGUE}; {_GUIDE}",
        confirmed=False,
    )


WRITES = {
    ("Observation", CREATE): _granted("writeback_vitals"),
    ("MedicationStatement", CREATE): _granted("writeback_medications"),
    ("AllergyIntolerance", CREATE): _granted("writeback_allergies"),
    ("Condition", CREATE): _granted("writeback_problems"),
}
_ONCE = (
    "eClinicalWorks takes entries from outside once, for its users to take over, and has no change or removal of them."
)
_NO_NOTE = "eClinicalWorks takes a note as an HL7 v2 message whose segments are agreed per site and are not public."
_NO_MESSAGE = "eClinicalWorks documents no message or task that could be written from outside."
SUPPORTS = {
    **supported(HANDLERS, WRITES),
    **refused_but(
        ("PatientReportedOutcome",),
        HANDLERS,
        "eClinicalWorks takes answers to forms of its own, to which nothing is mapped here.",
    ),
    **refused_but(
        ("ImmunizationRecord",),
        HANDLERS,
        "eClinicalWorks takes a past vaccination by contract, and which elements it keeps is not public.",
    ),
    **refused_but(("OrderRequest",), HANDLERS, "eClinicalWorks takes a referral that is ordered, and no proposal."),
    **NO_ENTRY,
    **refused_but(("VitalReading", "MedicationChange", "AllergyUpdate", "ProblemUpdate"), HANDLERS, _ONCE),
    **refused_but(("CareMessage", "CareTask"), HANDLERS, _NO_MESSAGE),
    **refused_but(("ClinicalNote",), HANDLERS, _NO_NOTE),
}


def _in_its_categories(sent: Resource, stored: Resource) -> bool:
    return all(item in stored.get("category", []) for item in sent.get("category", []))


NORMALISATIONS = (
    added("Observation", "encounter", what="the appointment at its time", source=_SEGUE),
    Normalisation(
        resource_type="Observation",
        element="category",
        what="filed under 'Vitals Notes' besides, where no appointment is at its time",
        source=_SEGUE,
        same=_in_its_categories,
    ),
)
CAPABILITIES = Capabilities(
    writes=WRITES,
    supports=SUPPORTS,
    medication_list=MedicationList(
        types=("MedicationStatement", "MedicationRequest"),
        source=f"live CapabilityStatement of 2026-08 (US Core 6.1.0), described by api-evangelist/eclinicalworks; {_SEGUE}",
    ),
    conditional_create=False,
    finds_by_mark=False,
    proof=Proof.READ_BACK,
    known_changes=told(NORMALISATIONS),
    limits=(
        Limit(what="requests per practice, token requests among them", most="250 a minute of the clock", source=_LIMIT),
        Limit(what="access token", most="300 s in the vendor's example", source=_GUIDE, confirmed=False),
    ),
    provenance="not taken",
    versions="none",
    stale="none; a locked encounter is number 139",
    authentication="SMART Backend Services, RS384 only",
)


class ECWAdapter(R4Adapter):
    """One entry in one transaction, judged by the number in its answer."""

    def said(self, operation: Operation, site: Site) -> Resource:
        (entry,) = exact_json.parse(operation.body)["entry"]
        resource: Resource = entry["resource"]
        return resource

    def _create(
        self, command: Command, handler: Handler, change: Change, current: Fetched | None, number: int
    ) -> Operation:
        alone = super()._create(command, handler, change, current, number)
        request = {"method": "POST", "url": alone.resource_type}
        entry = {"resource": exact_json.parse(alone.body), "request": request}
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
        return replace(alone, body=exact_json.dumps(bundle).encode(), path="")

    def request(self, operation: Operation, site: Site) -> Request:
        headers = {"Content-Type": "application/fhir+json"}
        return Request(method="POST", path="", headers=headers, body=operation.body)

    def classify(self, operation: Operation, answer: Answer | NoAnswer, now: datetime) -> Settlement:
        if isinstance(answer, NoAnswer):
            return answers.classify(operation, answer, now=now, errors=self.errors)
        entry = _only_entry(answer)
        if entry is not None:
            return _by_number(operation, answer, entry)
        if 200 <= answer.status < 300:
            detail = "a success in no documented shape"
            return Settlement(outcome=_OPEN, status=answer.status, detail=detail, body=answer.body)
        settled = answers.classify(operation, answer, now=now, errors=self.errors)
        if settled.outcome is Outcome.THROTTLED and settled.retry_after is None:
            # Everything of ours is refused until the clock's next minute.
            return replace(settled, retry_after=timedelta(seconds=60 - now.second))
        return settled


def _only_entry(answer: Answer) -> Mapping[str, Any] | None:
    """Return the response to the one entry that was sent, or ``None`` where the body is no such answer."""
    bundle = json_object(answer.body)
    if bundle is None or bundle.get("type") != "transaction-response":
        return None
    entries = bundle.get("entry")
    first = entries[0] if isinstance(entries, list) and len(entries) == 1 else None
    response = first.get("response") if isinstance(first, Mapping) else None
    return response if isinstance(response, Mapping) and isinstance(response.get("status"), str) else None


def _by_number(operation: Operation, answer: Answer, response: Mapping[str, Any]) -> Settlement:
    number = str(response["status"]).strip()
    place = parse_location(str(response.get("location", "")))
    if number == _DONE and 200 <= answer.status < 300:
        fits = place is not None and place.reference.startswith(f"{operation.resource_type}/")
        reference = place.reference if place is not None and fits else None
        detail = "taken; it waits for a user of the EHR"
        return Settlement(
            outcome=Outcome.PENDING_REMOTE, status=answer.status, reference=reference, detail=detail, body=answer.body
        )
    found = NUMBERS.get((_TRANSACTION, operation.interaction, number)) or NUMBERS.get((_TRANSACTION, None, number))
    # A number of refusal beside a place says both: nobody can tell.
    outcome = found if found is not None and place is None else _OPEN
    code = number if number.isdigit() and len(number) <= 6 else None
    return Settlement(
        outcome=outcome, status=answer.status, vendor_code=code, detail="the transaction's own number", body=answer.body
    )


ADAPTER: Adapter = ECWAdapter(
    key="eclinicalworks",
    mapping_version=MAPPING_VERSION,
    capabilities=CAPABILITIES,
    handlers=HANDLERS,
    views=VIEWS,
    normalisations=NORMALISATIONS,
)
