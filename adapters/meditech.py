"""MEDITECH: its public FHIR R4 server takes a message to staff and answers to questionnaires, and nothing of a chart's lists.

Scopes are advertised for more than there is: a granted scope never makes an interaction. What would be written to a list can
only be told to somebody, so the message is what everything falls back to.

Not confirmed, so the standard's rules hold and whatever else comes is unknown: the shape of the answer to a create, entity tags,
limits, what a contract may add. Whether an identifier of ours is kept and searched for is not stated either: a message is found
by what it says.

Source: live CapabilityStatement and SMART configuration of the Greenfield server (api-evangelist/meditech, 2026-08).
"""

from __future__ import annotations

from collections.abc import Mapping

from adapters.accepted import taken
from adapters.adapter import Adapter
from adapters.r4 import communication, questionnaire_response
from adapters.r4.adapter import R4Adapter, View
from adapters.r4.change import Change, Handler
from adapters.r4.compounds import NO_ENTRY
from adapters.r4.support import refused_but, supported
from canonical.capabilities import Capabilities, Interaction, Limit, Meaning, Proof, Write
from canonical.ports import Resource

MAPPING_VERSION = "meditech/1"
_STATEMENT = "CapabilityStatement of the Greenfield server, api-evangelist/meditech, 2026-08"


def _message(change: Change) -> Resource:
    fields = (
        "category",
        "topic",
        "payload",
        "recipient",
        "priority",
        "about",
        "inResponseTo",
        "reasonCode",
        "sent",
        "note",
    )
    return communication.send(taken(change, fields))


def _answers(change: Change) -> Resource:
    # Whether an extension is kept is not stated, and a score stands in one.
    return questionnaire_response.record(taken(change, ("questionnaire", "partial", "authored", "source", "item")))


HANDLERS: Mapping[tuple[str, str], Handler] = {
    ("PatientReportedOutcome", "record"): Handler(
        resource_type=questionnaire_response.TYPE, build=_answers, creates=True
    ),
    ("CareMessage", "send"): Handler(resource_type="Communication", build=_message, creates=True),
}
VIEWS = {
    "Communication": View(fields=communication.FIELDS, encounter="encounter"),
    "QuestionnaireResponse": View(fields=questionnaire_response.FIELDS, encounter="encounter"),
}
WRITES = {
    (name, Interaction.CREATE): Write(
        meaning=Meaning.CREATES,
        answer="not stated; the standard's 201 with Location is asked for",
        source=_STATEMENT,
    )
    for name in VIEWS
}
_NO_WRITE = (
    "MEDITECH's public interface has no create or update of it, whatever scopes it grants: send a message instead."
)
SUPPORTS = {
    **supported(HANDLERS, WRITES),
    **NO_ENTRY,
    **refused_but(
        ("PatientReportedOutcome",),
        HANDLERS,
        "MEDITECH states no version by which a change of answers could be guarded: they are changed in MEDITECH by hand.",
    ),
    **refused_but(("ImmunizationRecord", "OrderRequest"), HANDLERS, _NO_WRITE),
    **refused_but(
        ("VitalReading", "MedicationChange", "AllergyUpdate", "ProblemUpdate", "CareTask", "ClinicalNote"),
        HANDLERS,
        _NO_WRITE,
    ),
    **refused_but(("CareMessage",), HANDLERS, "MEDITECH has no update of a message: who received it has it."),
}
CAPABILITIES = Capabilities(
    writes=WRITES,
    supports=SUPPORTS | NO_ENTRY,
    fallbacks={"message": ("CareMessage", "send")},
    conditional_create=False,
    finds_by_mark=False,
    proof=Proof.READ_BACK,
    limits=(
        Limit(
            what="requests", most="at the vendor's discretion", source="none: no page read states it", confirmed=False
        ),
    ),
    provenance="not taken",
    versions="not stated",
    stale="not stated",
    authentication="SMART Backend Services is advertised; the sandbox refuses it (unauthorized_client)",
)

ADAPTER: Adapter = R4Adapter(
    key="meditech",
    mapping_version=MAPPING_VERSION,
    capabilities=CAPABILITIES,
    handlers=HANDLERS,
    views=VIEWS,
)
