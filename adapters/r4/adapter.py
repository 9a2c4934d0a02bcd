"""An EHR that speaks FHIR R4, put together from tables; a vendor's file gives the tables and overrides what differs there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from adapters import versions
from adapters.accepted import takes_back
from adapters.adapter import Adapter, Request
from adapters.r4 import answers, attribution, json_patch, natural_key, probes, provenance
from adapters.r4.change import Change, Handler, Revision, change_of
from adapters.r4.comparable import comparable
from adapters.r4.fields import Field
from adapters.r4.marks import add_mark, search_by
from adapters.r4.normalisation import Normalisation, unexplained
from adapters.r4.operation_outcome import json_object
from adapters.r4.projection import FRAME, differing, elements, project, written
from adapters.r4.status_order import check_forward, check_not_in_error
from adapters.r4.target import Now, Precondition, check_precondition, require_target
from adapters.r4.validity import check_valid
from adapters.site import Site
from adapters.wire import Answer, NoAnswer
from canonical import exact_json
from canonical.capabilities import (
    Capabilities,
    Interaction,
    Landing,
    Meaning,
    PreconditionKind,
    Way,
    Write,
    support_within,
)
from canonical.command import Command
from canonical.compound import part_urn
from canonical.errors import NeedsPersonError, UnsupportedActionError
from canonical.outcome import ProbeResult, ProbeVerdict, Settlement
from canonical.ports import Fetched, Operation, Projection, Resource, Surrounding
from canonical.provenance import PROVENANCE

_WRITE_HEADERS = {"Content-Type": "application/fhir+json", "Prefer": "return=representation"}


@dataclass(frozen=True, kw_only=True)
class View:
    """How resources of one type are read: their canonical ``fields``, and the (dotted) element that names the encounter."""

    fields: tuple[Field, ...]
    encounter: str


@dataclass(frozen=True, kw_only=True)
class R4Adapter:
    """The standard behaviour; ``handlers`` maps (action, operation) to its build function, ``views`` types to their reading.

    A vendor's file gives the tables and overrides what differs there: mostly :meth:`shape`.
    """

    key: str
    mapping_version: str
    capabilities: Capabilities
    handlers: Mapping[tuple[str, str], Handler]
    views: Mapping[str, View]
    errors: answers.ErrorTable = field(default_factory=lambda: answers.ERRORS)
    normalisations: tuple[Normalisation, ...] = ()
    natural_keys: natural_key.Keys = field(default_factory=lambda: natural_key.KEYS)

    def plan(self, command: Command, around: Surrounding, site: Site) -> Sequence[Operation]:
        if command.envelope.security_label and site.options.get("keeps_security_labels") is not True:
            raise NeedsPersonError(
                "security_label", "The connection does not declare that the EHR keeps security labels."
            )
        self._check_taken(command, site)
        parts = self._parts(command, around, site)
        urns = tuple(operation.placeholder or "" for operation in parts)
        own = self._own(command, around.current, site, parts=urns, beside=around.beside)
        planned = [replace(operation, seq=seq) for seq, operation in enumerate([*parts, *own], 1)]
        return provenance.with_provenance(command, planned, self.capabilities, site)

    def connected(self, site: Site) -> Adapter:
        """Return this adapter as the connection of ``site`` has it."""
        return self

    def shape(self, resource: Resource, change: Change) -> Resource:
        """Return ``resource`` as this EHR accepts it; what it cannot take is refused, never dropped unsaid."""
        return resource

    def said(self, operation: Operation, site: Site) -> Resource:
        """Return what ``operation`` says, as the FHIR resource that its reads are compared with."""
        if operation.interaction is Interaction.PATCH:
            return json_patch.said_by(operation)
        said: Resource = exact_json.parse(operation.body)
        return said

    def said_on(self, operation: Operation, stored: Resource, site: Site) -> Resource:
        if operation.interaction is Interaction.PATCH:
            return json_patch.patched(stored, operation)
        return self.said(operation, site)

    def _check_taken(self, command: Command, site: Site) -> None:
        """Pass only what this EHR takes on this connection; the reason is the one that the adapter declares."""
        action = command.envelope.action
        support = support_within(self.capabilities, site.options, action.type, action.operation)
        if support.way in {Way.REFUSED, Way.FALLBACK}:
            raise UnsupportedActionError(f"this EHR cannot express {action.type}.{action.operation}: {support.why}")

    def _parts(self, command: Command, around: Surrounding, site: Site) -> list[Operation]:
        """Plan a compound's parts, each as the command that it would be alone."""
        planned = []
        for number, envelope in enumerate(command.spec.parts(command.envelope), 1):
            target = envelope.target.reference if envelope.target else None
            alone = command.evolve(envelope=envelope, target_reference=target, known_versions=())
            self._check_taken(alone, site)
            current = around.parts[number - 1] if number <= len(around.parts) else None
            (operation,) = self._own(alone, current, site, number=number)
            urn = part_urn(command.id, number)
            planned.append(replace(operation, placeholder=urn, is_primary=False))
        return planned

    def _own(
        self, command: Command, current: Fetched | None, site: Site, *, number: int = 0, **more: Any
    ) -> list[Operation]:
        """Plan a command's own entry and what it entails; ``number`` is its place among the parts of a compound."""
        handler = self._handler(command)
        before = None
        if not command.rule.creates:
            before = require_target(
                command, current, resource_type=self._target_type(command, handler), base_url=site.base_url
            )
            if not handler.creates:
                check_not_in_error(before, takes_back_too=command.rule.takes_back)
        change = change_of(command, site, before, **more)
        build = self._create if handler.creates else self._update
        entailed = handler.entails(change) if handler.entails is not None else ()
        return [
            build(command, handler, change, current, number),
            *(self._revise(command, revision, site, at) for at, revision in enumerate(entailed, 1)),
        ]

    def _handler(self, command: Command) -> Handler:
        """Return how the command is expressed, by a verb that means here what the action says."""
        action = command.envelope.action
        handler = self.handlers.get((action.type, action.operation))
        if handler is None:
            raise UnsupportedActionError(f"this EHR cannot express {action.type}.{action.operation}")
        write = self._write(handler.resource_type, handler.interaction)
        if write.meaning is Meaning.RETRACTS and not command.rule.takes_back:
            raise UnsupportedActionError(f"what this EHR calls an update takes a {handler.resource_type} back")
        return handler

    @staticmethod
    def _target_type(command: Command, handler: Handler) -> str:
        """A new entry that refers to its target names the target's type in the command."""
        reference = command.target_reference or ""
        return reference.split("/", maxsplit=1)[0] if handler.creates and reference else handler.resource_type

    def _write(self, resource_type: str, interaction: Interaction) -> Write:
        write = self.capabilities.writes.get((resource_type, interaction))
        if write is None:
            raise UnsupportedActionError(f"this EHR has no {interaction} of {resource_type}")
        return write

    def _create(
        self, command: Command, handler: Handler, change: Change, current: Fetched | None, number: int
    ) -> Operation:
        if current is not None:
            # It refers to a target, which must still be what its author saw, though nothing of it is written.
            self._precondition(command, handler, change, current)
        resource = self.shape(handler.build(change), change)
        mark = change.site.created_by(command.id, number)
        if self.capabilities.finds_by_mark:
            add_mark(resource, mark)
        check_valid(resource)
        return Operation(
            interaction=Interaction.CREATE,
            resource_type=str(resource["resourceType"]),
            body=_bytes(resource),
            mark=mark,
            if_none_exist=search_by(mark) if self.capabilities.conditional_create else None,
            mapping_version=self.mapping_version,
        )

    def _update(
        self, command: Command, handler: Handler, change: Change, current: Fetched | None, number: int
    ) -> Operation:
        before = change.current or {}
        precondition = self._precondition(command, handler, change, current or Fetched(resource=None))
        resource = self.shape(handler.build(change), change)
        mark = change.site.changed_by(command.id, number)
        version, rebased = precondition.version, precondition.rebased
        return self._changed(resource, before, mark, if_match=version, rebased=rebased, patches=handler.patches)

    def _precondition(self, command: Command, handler: Handler, change: Change, current: Fetched) -> Precondition:
        kind = PreconditionKind.IF_MATCH
        if not handler.creates:
            kind = self._write(handler.resource_type, handler.interaction).precondition
        return check_precondition(command, current, self._now(command, change), kind=kind, site=change.site)

    def _now(self, command: Command, change: Change) -> Now:
        entry, target = change.current or {}, command.envelope.target
        view = self.views.get(str(entry.get("resourceType")))
        return Now(
            projection=self.project(entry, change.site),
            seen=self.as_seen(target.seen or {}, entry, change.site) if target else {},
            content=change.content,
            known=frozenset(item.name for item in view.fields) | FRAME if view else FRAME,
            is_ours=bool(attribution.marks_in(entry, change.site)),
        )

    def _revise(self, command: Command, revision: Revision, site: Site, at: int) -> Operation:
        """Plan a change that a command entails, on the version in which it was read for it."""
        mark = f"{site.changed_by(command.id)}.also{at}"
        version = self.version_of(revision.before)
        if version is None:
            raise NeedsPersonError(
                "unversioned_target", "The EHR states no version of an entry that must change as well."
            )
        return replace(self._changed(revision.after, revision.before, mark, if_match=version), is_primary=False)

    def _changed(
        self,
        resource: Resource,
        before: Resource,
        mark: str,
        *,
        if_match: str | None,
        rebased: bool = False,
        patches: tuple[str, ...] = (),
    ) -> Operation:
        """Plan a change of an entry: of the whole, or of the elements ``patches`` alone."""
        interaction = Interaction.PATCH if patches else Interaction.UPDATE
        write = self._write(str(resource["resourceType"]), interaction)
        if write.meaning is Meaning.RETRACTS and not takes_back(resource):
            raise UnsupportedActionError(f"what this EHR calls an update takes a {resource['resourceType']} back")
        if self.capabilities.finds_by_mark:
            add_mark(resource, mark)
        check_forward(before, resource)
        check_valid(resource, before=before)
        return Operation(
            interaction=interaction,
            resource_type=str(resource["resourceType"]),
            reference=f"{before['resourceType']}/{before['id']}",
            body=json_patch.patch_of(before, resource, patches) if patches else _bytes(resource),
            mark=mark,
            if_match=if_match,
            mapping_version=self.mapping_version,
            rebased=rebased,
        )

    def request(self, operation: Operation, site: Site) -> Request:
        headers = dict(_WRITE_HEADERS) | self._guard(operation)
        if operation.if_none_exist is not None:
            headers["If-None-Exist"] = operation.if_none_exist
        if operation.interaction is Interaction.PATCH and operation.reference is not None:
            headers["Content-Type"] = json_patch.CONTENT_TYPE
            return Request(method="PATCH", path=operation.reference, headers=headers, body=operation.body)
        if operation.interaction is Interaction.UPDATE and operation.reference is not None:
            return Request(method="PUT", path=operation.reference, headers=headers, body=operation.body)
        return Request(method="POST", path=operation.resource_type, headers=headers, body=operation.body)

    def _guard(self, operation: Operation) -> dict[str, str]:
        if operation.if_match is None:
            return {}
        write = self.capabilities.writes.get((operation.resource_type, operation.interaction))
        if write is not None and write.precondition is PreconditionKind.IF_UNMODIFIED_SINCE:
            return {"If-Unmodified-Since": versions.http_date(operation.if_match)}
        return {"If-Match": versions.if_match(operation.if_match)}

    def classify(self, operation: Operation, answer: Answer | NoAnswer, now: datetime) -> Settlement:
        return answers.classify(operation, answer, now=now, errors=self.errors)

    def probe(self, operation: Operation, site: Site) -> Request:
        if operation.resource_type == PROVENANCE:
            return self._search(provenance.path_of(operation))
        if operation.interaction is Interaction.CREATE and not self.capabilities.finds_by_mark:
            return self._search(natural_key.natural_path(self.said(operation, site), self.natural_keys))
        asked = probes.query(operation)
        return Request(method="GET", path=asked.path, headers=asked.headers)

    def read_probe(self, operation: Operation, answer: Answer, site: Site) -> ProbeResult:
        if operation.resource_type == PROVENANCE:
            return provenance.read_probe(operation, answer)
        if self.capabilities.finds_by_mark:
            return probes.read_answer(operation, answer)
        if operation.interaction is Interaction.CREATE:
            hidden = self.hides(operation, site)
            found = natural_key.read_created(operation, answer, self._differs(operation, site), hidden=hidden)
            return self._unless_near(operation, answer, found, site)
        resource = json_object(answer.body) if answer.status == 200 else None
        if resource is None or f"{resource.get('resourceType')}/{resource.get('id')}" != operation.reference:
            return probes.read_answer(operation, answer)
        return natural_key.read_updated(operation, resource, self.version_of(resource), self._differs(operation, site))

    def _unless_near(self, operation: Operation, answer: Answer, found: ProbeResult, site: Site) -> ProbeResult:
        """Say "not applied" only where the chart shows nothing of the kind: a near miss may be ours, changed by the EHR."""
        if found.verdict is not ProbeVerdict.NOT_APPLIED:
            return found
        said = self.said(operation, site)
        near = natural_key.entries(answer) or []
        if natural_key.TELLING & said.keys() and any(
            not natural_key.telling(said, entry) & set(self.differences(operation, entry, site)) for entry in near
        ):
            return ProbeResult(verdict=ProbeVerdict.CANNOT_TELL, detail="the chart says something close to it")
        return found

    def hides(self, operation: Operation, site: Site) -> bool:
        """Whether what ``operation`` writes may be at the EHR without any read showing it."""
        write = self.capabilities.writes.get((operation.resource_type, operation.interaction))
        return write is not None and write.landing is Landing.REVIEW

    def _differs(self, operation: Operation, site: Site) -> Callable[[Resource], Sequence[str]]:
        return lambda stored: self.differences(operation, stored, site)

    def twin_query(self, operation: Operation, site: Site) -> Request | None:
        by_itself = self.capabilities.finds_by_mark or operation.resource_type == PROVENANCE
        if by_itself or operation.interaction is not Interaction.CREATE:
            return None
        return self.probe(operation, site)

    def read_twins(self, operation: Operation, answer: Answer, site: Site) -> tuple[str, ...]:
        return natural_key.twins(answer, self._differs(operation, site))

    def entries_query(self, resource_type: str, patient: str, site: Site) -> Request:
        return self._search(natural_key.entries_path(resource_type, patient))

    @staticmethod
    def _search(path: str) -> Request:
        return Request(method="GET", path=path, headers=probes.SEARCH_HEADERS)

    def differences(self, operation: Operation, stored: Resource, site: Site) -> tuple[str, ...]:
        sent = self.said(operation, site)
        if operation.interaction is Interaction.PATCH:
            stored = json_patch.part_of(stored, operation)
        base = site.base_url
        found = differing(self.project(sent, site), self.project(stored, site))
        found |= differing(elements(sent, base_url=base), elements(stored, base_url=base))
        found |= {name for name in ("resourceType", "id") if name in sent and sent[name] != stored.get(name)}
        return tuple(sorted(unexplained(found, sent, stored, self.normalisations)))

    def project(self, resource: Resource, site: Site) -> Projection:
        view = self.views.get(str(resource.get("resourceType")))
        if view is None:
            return elements(resource, base_url=site.base_url)
        return project(resource, view.fields, encounter=view.encounter, base_url=site.base_url)

    def fields(self, resource: Resource) -> Projection:
        view = self.views.get(str(resource.get("resourceType")))
        return written(resource, view.fields if view else (), encounter=view.encounter if view else "encounter")

    def as_seen(self, seen: Mapping[str, Any], stored: Resource | None, site: Site) -> Projection:
        base = {name: comparable(value, site.base_url) for name, value in seen.items()}
        if stored is None:
            return base
        now = self.project(stored, site)
        moved = [name for name, value in base.items() if value is not None and name in now and value != now[name]]
        return base | {name: now[name] for name in moved if self._is_only_form(name, seen[name], stored, site)}

    def _is_only_form(self, name: str, value: Any, stored: Resource, site: Site) -> bool:
        view = self.views.get(str(stored.get("resourceType")))
        field_ = next((item for item in view.fields if item.name == name), None) if view else None
        if field_ is None:
            return False
        sent: Resource = {"resourceType": stored["resourceType"]}
        try:
            field_.write(sent, value)
            return self.is_known_change(name, sent, stored, site)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            # What an app says its author saw is checked by no schema: if it is no such value, it is no known change of it.
            return False

    def is_known_change(self, name: str, sent: Resource, stored: Resource, site: Site) -> bool:
        """Whether ``stored`` is in field ``name``, which alone ``sent`` states, what this EHR is known to make of it."""
        return not unexplained({name}, sent, stored, self.normalisations)

    def history_query(self, reference: str, site: Site) -> Request | None:
        return attribution.history_request(reference) if self.capabilities.attribution.history else None

    def version_query(self, reference: str, version: str, site: Site) -> Request | None:
        return attribution.version_request(reference, version) if self.capabilities.attribution.versions else None

    def provenance_query(self, reference: str, site: Site) -> Request | None:
        return attribution.provenance_request(self.capabilities.attribution.provenance, reference)

    def version_of(self, resource: Resource) -> str | None:
        return versions.version_of(resource)


def _bytes(resource: Resource) -> bytes:
    return exact_json.dumps(resource).encode()
