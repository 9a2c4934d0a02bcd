"""An EHR that speaks FHIR R4, put together from tables; a vendor's file gives the tables and overrides what differs there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from adapters import versions
from adapters.adapter import Request
from adapters.r4 import answers, probes
from adapters.r4.change import Handler, change_of
from adapters.r4.fields import Field
from adapters.r4.marks import add_mark, search_by
from adapters.r4.projection import differing, elements, project
from adapters.r4.target import check_precondition, require_target
from adapters.r4.validity import check_valid
from adapters.site import Site
from adapters.wire import Answer, NoAnswer
from canonical import exact_json
from canonical.command import Command
from canonical.errors import NeedsPersonError, UnsupportedActionError
from canonical.outcome import ProbeResult, Settlement
from canonical.ports import Capabilities, Fetched, Interaction, Operation, Projection, Resource

_WRITE_HEADERS = {"Content-Type": "application/fhir+json", "Prefer": "return=representation"}


@dataclass(frozen=True, kw_only=True)
class View:
    """How resources of one type are read: their canonical ``fields``, and the element that names the encounter."""

    fields: tuple[Field, ...]
    encounter: str


@dataclass(frozen=True, kw_only=True)
class R4Adapter:
    """The standard behaviour; ``handlers`` maps (action, operation) to its build function, ``views`` types to their reading."""

    key: str
    mapping_version: str
    capabilities: Capabilities
    handlers: Mapping[tuple[str, str], Handler]
    views: Mapping[str, View]
    errors: answers.ErrorTable = field(default_factory=lambda: answers.ERRORS)

    def plan(self, command: Command, current: Fetched | None, site: Site) -> Sequence[Operation]:
        action = command.envelope.action
        handler = self.handlers.get((action.type, action.operation))
        if handler is None:
            raise UnsupportedActionError(f"this EHR cannot express {action.type}.{action.operation}")
        if command.envelope.security_label and site.options.get("keeps_security_labels") is not True:
            raise NeedsPersonError(
                "security_label", "The connection does not declare that the EHR keeps security labels."
            )
        build = self._create if handler.creates else self._update
        return (build(command, handler, current, site),)

    def _create(self, command: Command, handler: Handler, _current: Fetched | None, site: Site) -> Operation:
        resource = handler.build(change_of(command, site, None))
        mark = site.created_by(command.id)
        add_mark(resource, mark)
        check_valid(resource)
        return Operation(
            interaction=Interaction.CREATE,
            resource_type=handler.resource_type,
            body=_bytes(resource),
            mark=mark,
            if_none_exist=search_by(mark) if self.capabilities.conditional_create else None,
            mapping_version=self.mapping_version,
        )

    def _update(self, command: Command, handler: Handler, current: Fetched | None, site: Site) -> Operation:
        before = require_target(command, current, resource_type=handler.resource_type, base_url=site.base_url)
        resource = handler.build(change_of(command, site, before))
        projection = self.project(before, site)
        precondition = check_precondition(
            command, current or Fetched(resource=None), projection, base_url=site.base_url
        )
        mark = site.changed_by(command.id)
        add_mark(resource, mark)
        check_valid(resource, before=before)
        return Operation(
            interaction=Interaction.UPDATE,
            resource_type=handler.resource_type,
            reference=f"{handler.resource_type}/{before['id']}",
            body=_bytes(resource),
            mark=mark,
            if_match=precondition.version,
            mapping_version=self.mapping_version,
            rebased=precondition.rebased,
        )

    def request(self, operation: Operation) -> Request:
        headers = dict(_WRITE_HEADERS)
        if operation.if_match is not None:
            headers["If-Match"] = versions.if_match(operation.if_match)
        if operation.if_none_exist is not None:
            headers["If-None-Exist"] = operation.if_none_exist
        if operation.interaction is Interaction.UPDATE and operation.reference is not None:
            return Request(method="PUT", path=operation.reference, headers=headers, body=operation.body)
        return Request(method="POST", path=operation.resource_type, headers=headers, body=operation.body)

    def classify(self, operation: Operation, answer: Answer | NoAnswer, now: datetime) -> Settlement:
        return answers.classify(operation, answer, now=now, errors=self.errors)

    def probe(self, operation: Operation) -> Request:
        asked = probes.query(operation)
        return Request(method="GET", path=asked.path, headers=asked.headers)

    def read_probe(self, operation: Operation, answer: Answer) -> ProbeResult:
        return probes.read_answer(operation, answer)

    def differences(self, operation: Operation, stored: Resource, site: Site) -> tuple[str, ...]:
        sent: Resource = exact_json.parse(operation.body)
        base = site.base_url
        found = differing(self.project(sent, site), self.project(stored, site))
        found |= differing(elements(sent, base_url=base), elements(stored, base_url=base))
        found |= {name for name in ("resourceType", "id") if name in sent and sent[name] != stored.get(name)}
        return tuple(sorted(found))

    def project(self, resource: Resource, site: Site) -> Projection:
        view = self.views.get(str(resource.get("resourceType")))
        if view is None:
            return elements(resource, base_url=site.base_url)
        return project(resource, view.fields, encounter=view.encounter, base_url=site.base_url)

    def version_of(self, resource: Resource) -> str | None:
        return versions.version_of(resource)


def _bytes(resource: Resource) -> bytes:
    return exact_json.dumps(resource).encode()
