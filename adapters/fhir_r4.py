"""The standard EHR: FHIR R4 (4.0.1) as the specification has it, without any vendor's own way.

It creates with ``If-None-Exist`` on our identifier and updates with the author's version in ``If-Match``. Nothing is converted:
units, codes and decimals go out as they came in. ``If-None-Exist`` is often not atomic, so it is the third belt, never the first.

Source: hl7.org/fhir/R4 (http, Observation, MedicationStatement, MedicationRequest, Communication, Task, DocumentReference),
US Core vital signs and clinical notes.
"""

from __future__ import annotations

from datetime import timedelta

from adapters.adapter import Adapter
from adapters.r4 import communication, document_reference, medication_statement, observation, task
from adapters.r4.adapter import R4Adapter, View
from adapters.r4.support import supported
from canonical.capabilities import Capabilities, Interaction, Meaning, PreconditionKind, Proof, Write

#: Raise it with every change of what is sent for the same action; it is journaled with each attempt.
MAPPING_VERSION = "fhir_r4/1"

HANDLERS = {
    **observation.HANDLERS,
    **medication_statement.HANDLERS,
    **communication.HANDLERS,
    **task.HANDLERS,
    **document_reference.HANDLERS,
}

VIEWS = {
    "Observation": View(fields=observation.FIELDS, encounter="encounter"),
    "MedicationStatement": View(fields=medication_statement.FIELDS, encounter="context"),
    "Communication": View(fields=communication.FIELDS, encounter="encounter"),
    "Task": View(fields=task.FIELDS, encounter="encounter"),
    "DocumentReference": View(fields=document_reference.FIELDS, encounter="context.encounter"),
}

_SPECIFICATION = "HL7 FHIR R4 (4.0.1), RESTful API"
_CREATE = Write(meaning=Meaning.CREATES, answer="201, Location with the version, ETag", source=_SPECIFICATION)
_UPDATE = Write(
    meaning=Meaning.REPLACES,
    precondition=PreconditionKind.IF_MATCH,
    answer="200, ETag",
    source=_SPECIFICATION,
)
WRITES = {
    (name, interaction): write
    for name in VIEWS
    for interaction, write in ((Interaction.CREATE, _CREATE), (Interaction.UPDATE, _UPDATE))
}

CAPABILITIES = Capabilities(
    writes=WRITES,
    supports=supported(HANDLERS, WRITES),
    conditional_create=True,
    finds_by_mark=True,
    proof=Proof.READ_BACK,
    slowest_commit=timedelta(seconds=120),
    search_lag=timedelta(seconds=60),
    stale="412; 409 on servers of the older rule",
)

ADAPTER: Adapter = R4Adapter(
    key="fhir_r4",
    mapping_version=MAPPING_VERSION,
    capabilities=CAPABILITIES,
    handlers=HANDLERS,
    views=VIEWS,
)
