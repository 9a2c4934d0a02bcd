"""The standard EHR: FHIR R4 (4.0.1) as the specification has it, without any vendor's own way.

It creates with ``If-None-Exist`` on our identifier and updates with the author's version in ``If-Match``. Nothing is converted:
units, codes and decimals go out as they came in. ``If-None-Exist`` is often not atomic, so it is the third belt, never the first.

Open servers differ from it in what a stale version is answered with and how soon a search shows a write: the option
``dialect`` of a connection says which one it is (:mod:`adapters.r4.dialects`; without it, the standard).

Source: hl7.org/fhir/R4 (http, Observation, MedicationStatement, MedicationRequest, AllergyIntolerance, Condition,
Communication, Task, DocumentReference, QuestionnaireResponse, Immunization, ServiceRequest, List), US Core vital signs;
those of a dialect stand with it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from adapters.adapter import Adapter
from adapters.r4 import (
    allergy_intolerance,
    care_gap,
    communication,
    condition,
    document_reference,
    immunization,
    medication_list,
    medication_statement,
    observation,
    questionnaire_response,
    service_request,
    task,
)
from adapters.r4.adapter import R4Adapter, View
from adapters.r4.dialects import dialect_of
from adapters.r4.support import supported
from adapters.site import Site
from canonical.capabilities import (
    Attribution,
    Capabilities,
    Interaction,
    Meaning,
    MedicationList,
    PreconditionKind,
    Proof,
    ProvenanceSearch,
    ProvenanceWrite,
    Write,
)

#: Raise it with every change of what is sent for the same action; it is journaled with each attempt.
MAPPING_VERSION = "fhir_r4/2"

HANDLERS = {
    **observation.HANDLERS,
    **medication_statement.HANDLERS,
    **allergy_intolerance.HANDLERS,
    **condition.HANDLERS,
    **communication.HANDLERS,
    **task.HANDLERS,
    **document_reference.HANDLERS,
    **questionnaire_response.HANDLERS,
    **immunization.HANDLERS,
    **service_request.HANDLERS,
    **care_gap.HANDLERS,
    **medication_list.HANDLERS,
}

VIEWS = {
    "Observation": View(fields=observation.FIELDS, encounter="encounter"),
    "MedicationStatement": View(fields=medication_statement.FIELDS, encounter="context"),
    "AllergyIntolerance": View(
        fields=(*allergy_intolerance.FIELDS, *allergy_intolerance.STATUSES.fields), encounter="encounter"
    ),
    "Condition": View(fields=(*condition.FIELDS, *condition.STATUSES.fields), encounter="encounter"),
    "Communication": View(fields=communication.FIELDS, encounter="encounter"),
    "Task": View(fields=(*task.FIELDS, *care_gap.OWN), encounter="encounter"),
    "DocumentReference": View(fields=document_reference.FIELDS, encounter="context.encounter"),
    "QuestionnaireResponse": View(fields=questionnaire_response.FIELDS, encounter="encounter"),
    "Immunization": View(fields=immunization.FIELDS, encounter="encounter"),
    "ServiceRequest": View(fields=service_request.FIELDS, encounter="encounter"),
    "List": View(fields=medication_list.FIELDS, encounter="encounter"),
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
    # Each is optional in FHIR: what a server lacks is refused, and then not known.
    attribution=Attribution(
        history=True,
        versions=True,
        provenance=ProvenanceSearch.BY_TARGET,
        meta_source=True,
        names_authors=True,
        source="HL7 FHIR R4 (4.0.1), RESTful API (vread, history), Provenance, Resource.meta",
        confirmed=True,
    ),
    medication_list=MedicationList(
        types=("MedicationStatement", "MedicationRequest"),
        source="HL7 FHIR R4 (4.0.1), MedicationStatement, MedicationRequest: search by patient",
        confirmed=True,
    ),
    provenance="created beside the entry, of what a model wrote; of every write or of none where the connection says so",
    provenance_write=ProvenanceWrite(source="HL7 FHIR R4 (4.0.1), Provenance"),
    stale="412; 409 on servers of the older rule",
)


class FhirR4(R4Adapter):
    """The standard EHR, or the dialect of it that the connection declares."""

    def connected(self, site: Site) -> Adapter:
        dialect = dialect_of(site.options)
        if dialect is None:
            return self
        return replace(
            self, errors={**self.errors, **dialect.errors}, capabilities=dialect.spoken_by(self.capabilities)
        )


ADAPTER: Adapter = FhirR4(
    key="fhir_r4",
    mapping_version=MAPPING_VERSION,
    capabilities=CAPABILITIES,
    handlers=HANDLERS,
    views=VIEWS,
)
