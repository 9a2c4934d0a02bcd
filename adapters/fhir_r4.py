"""The standard EHR: FHIR R4 (4.0.1) as the specification has it, without any vendor's own way.

It creates with ``If-None-Exist`` on our identifier and updates with the author's version in ``If-Match``. Nothing is converted:
units, codes and decimals go out as they came in. ``If-None-Exist`` is often not atomic, so it is the third belt, never the first.

Open servers differ from it in what a stale version is answered with and how soon a search shows a write: the option
``dialect`` of a connection (``standard``, ``hapi`` or ``medplum``) says which one it is.

Source: hl7.org/fhir/R4 (http, Observation, MedicationStatement, MedicationRequest, AllergyIntolerance, Condition,
Communication, Task, DocumentReference), US Core vital signs; those of a dialect stand with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from adapters.adapter import Adapter
from adapters.r4 import (
    allergy_intolerance,
    answers,
    communication,
    condition,
    document_reference,
    medication_statement,
    observation,
    task,
)
from adapters.r4.adapter import R4Adapter, View
from adapters.r4.support import supported
from adapters.site import Site
from canonical.capabilities import Capabilities, Interaction, Limit, Meaning, PreconditionKind, Proof, Write
from canonical.errors import ConfigurationError
from canonical.outcome import Outcome

#: Raise it with every change of what is sent for the same action; it is journaled with each attempt.
MAPPING_VERSION = "fhir_r4/1"

HANDLERS = {
    **observation.HANDLERS,
    **medication_statement.HANDLERS,
    **allergy_intolerance.HANDLERS,
    **condition.HANDLERS,
    **communication.HANDLERS,
    **task.HANDLERS,
    **document_reference.HANDLERS,
}

VIEWS = {
    "Observation": View(fields=observation.FIELDS, encounter="encounter"),
    "MedicationStatement": View(fields=medication_statement.FIELDS, encounter="context"),
    "AllergyIntolerance": View(
        fields=(*allergy_intolerance.FIELDS, *allergy_intolerance.STATUSES.fields), encounter="encounter"
    ),
    "Condition": View(fields=(*condition.FIELDS, *condition.STATUSES.fields), encounter="encounter"),
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


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How one server differs: ``errors`` are the rows it answers otherwise, ``answer`` what a create answers, in words."""

    stale: str
    search_lag: timedelta
    versions: str
    answer: str
    source: str
    errors: answers.ErrorTable = field(default_factory=dict)
    limits: tuple[Limit, ...] = ()


_MEDPLUM = "medplum packages/server/src/fhir/{repo,response,fhirquota}.ts (2025-11)"
DIALECTS: Mapping[str, Dialect] = {
    "hapi": Dialect(
        stale="409 (HAPI-0989)",
        # A result is reused for a minute unless "Cache-Control: no-cache" asks for a fresh one, which every search of ours does.
        search_lag=timedelta(seconds=60),
        versions='a counter in ETag (W/"1") and meta.versionId',
        answer="201, Location with the version, body by Prefer",
        source="hapifhir/hapi-fhir, server_jpa/configuration.md (reuse_cached_search_results_millis), rest_operations.md",
        # A 412 there speaks of several matches, never of a version: whether ours was done is for the probe.
        errors={(Interaction.UPDATE, 412, None): Outcome.UNKNOWN},
    ),
    "medplum": Dialect(
        stale="412",
        search_lag=timedelta(0),
        versions='a UUID in ETag (W/"<uuid>") and meta.versionId; an If-Match without quotes is silently ignored',
        answer="201, absolute Location without the version, body",
        source=_MEDPLUM,
        limits=(
            Limit(what="requests", most="6000 a minute and address (60000 paid)", source=_MEDPLUM),
            Limit(what="creates and updates", most="100 load points each, a user and minute", source=_MEDPLUM),
        ),
    ),
}


class FhirR4(R4Adapter):
    """The standard EHR, or the dialect of it that the connection declares."""

    def connected(self, site: Site) -> Adapter:
        name = site.options.get("dialect", "standard")
        if name == "standard":
            return self
        dialect = DIALECTS.get(str(name))
        if dialect is None:
            known = ", ".join(("standard", *DIALECTS))
            raise ConfigurationError(f"connection.options.dialect: there is no '{name}'; there are: {known}")
        return replace(self, errors={**self.errors, **dialect.errors}, capabilities=_spoken(self.capabilities, dialect))


def _spoken(standard: Capabilities, dialect: Dialect) -> Capabilities:
    writes = {
        key: replace(write, answer=dialect.answer, source=dialect.source) if key[1] is Interaction.CREATE else write
        for key, write in standard.writes.items()
    }
    return replace(
        standard,
        writes=writes,
        stale=dialect.stale,
        search_lag=dialect.search_lag,
        versions=dialect.versions,
        limits=dialect.limits,
    )


ADAPTER: Adapter = FhirR4(
    key="fhir_r4",
    mapping_version=MAPPING_VERSION,
    capabilities=CAPABILITIES,
    handlers=HANDLERS,
    views=VIEWS,
)
