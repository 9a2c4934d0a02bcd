"""The standard EHR: FHIR R4 (4.0.1) as the specification has it, without any vendor's own way.

It creates with ``If-None-Exist`` on our identifier and updates with the author's version in ``If-Match``. Nothing is converted:
units, codes and decimals go out as they came in. ``If-None-Exist`` is often not atomic, so it is the third belt, never the first.

Source: hl7.org/fhir/R4 (http, Observation, MedicationStatement, MedicationRequest), US Core vital signs.
"""

from __future__ import annotations

from datetime import timedelta

from adapters.adapter import Adapter
from adapters.r4 import medication_statement, observation
from adapters.r4.adapter import R4Adapter, View
from canonical.ports import Capabilities, Interaction, PreconditionKind, Proof

#: Raise it with every change of what is sent for the same action; it is journaled with each attempt.
MAPPING_VERSION = "fhir_r4/1"

HANDLERS = {**observation.HANDLERS, **medication_statement.HANDLERS}

CAPABILITIES = Capabilities(
    interactions=frozenset(
        (name, interaction)
        for name in ("Observation", "MedicationStatement")
        for interaction in (Interaction.CREATE, Interaction.UPDATE)
    ),
    actions=frozenset(HANDLERS),
    precondition=PreconditionKind.IF_MATCH,
    conditional_create=True,
    proof=Proof.READ_BACK,
    slowest_commit=timedelta(seconds=120),
    search_lag=timedelta(seconds=60),
)

ADAPTER: Adapter = R4Adapter(
    key="fhir_r4",
    mapping_version=MAPPING_VERSION,
    capabilities=CAPABILITIES,
    handlers=HANDLERS,
    views={
        "Observation": View(fields=observation.FIELDS, encounter="encounter"),
        "MedicationStatement": View(fields=medication_statement.FIELDS, encounter="context"),
    },
)
