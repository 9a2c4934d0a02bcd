"""Reading what became of an entry, version by version, and every copy of what was created. It reads only, and judges nothing.

What the EHR refuses to show is told by a code; an EHR that is away raises, so that nobody takes silence for an empty history.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from adapters.adapter import Adapter, Request
from adapters.change_lookup import record_of
from adapters.r4.attribution import ACTS_AS, Agent, Edition, Record, edition_of, editions_in, marks_in, records_in
from adapters.r4.marks import has_mark
from adapters.r4.operation_outcome import json_object
from adapters.r4.pages import all_pages, matches
from adapters.site import Site
from adapters.wire import Answer
from canonical.entry_history import EntryHistory, EntryVersion
from canonical.errors import EhrUnavailableError, NeedsPersonError
from canonical.ports import Fetched, Interaction, Operation, Resource
from canonical.provenance import PROVENANCE

#: Whom a report may name: staff, and what is no person at all.
_MAY_BE_NAMED = ("Practitioner/", "PractitionerRole/", "CareTeam/", "Organization/", "Device/")
_SOMEBODY = "a person"
#: Not an EHR that is away, but one that does not have what was asked for.
_NOT_OFFERED = 501


@dataclass(frozen=True, kw_only=True)
class EntryPast:
    """Asks one EHR. ``read`` gives any answer, ``bundle`` a page of a search, ``fetch`` an entry; all raise as ``Ehr.fetch``."""

    adapter: Adapter
    site: Site
    read: Callable[[Request], Answer]
    bundle: Callable[[Request], Resource]
    fetch: Callable[[str], Fetched]

    def history(self, reference: str) -> EntryHistory:
        """Return the versions of ``Type/id``; see :meth:`canonical.ports.Ehr.history`."""
        troubles: list[str] = []
        editions = self._editions(reference, troubles)
        is_whole = editions is not None
        if editions is None:
            editions = self._current(reference)
        records = self._records(reference, troubles) if editions else []
        before: list[Edition | None] = [None, *editions]
        versions = (
            self._version(edition, before[at] if is_whole else edition, record_of(edition, records))
            for at, edition in enumerate(editions)
        )
        return EntryHistory(reference=reference, versions=tuple(versions), is_whole=is_whole, troubles=tuple(troubles))

    def copies(self, operation: Operation) -> tuple[str, ...]:
        """Return the entries that carry the mark of a create; see :meth:`canonical.ports.Ehr.copies`."""
        if operation.interaction is not Interaction.CREATE or operation.resource_type == PROVENANCE:
            return ()
        asked = self.adapter.probe(operation, self.site)
        pages = all_pages(asked, self.bundle, base_url=self.site.base_url)
        found = (resource for page in pages for resource in matches(page))
        return tuple(
            f"{item['resourceType']}/{item['id']}" for item in found if has_mark(item, operation.mark) and "id" in item
        )

    def _editions(self, reference: str, troubles: list[str]) -> list[Edition] | None:
        """Return all versions, the oldest first; ``None``: this EHR does not show them."""
        asked = self.adapter.history_query(reference, self.site)
        if asked is None:
            return None
        found: list[Edition] = []
        try:
            for page in all_pages(asked, self._page, base_url=self.site.base_url):
                found += editions_in(page)
        except _RefusedError as refusal:
            if refusal.status == 404:
                return []
            troubles.append(f"history-http-{refusal.status}")
            return None
        except NeedsPersonError:
            troubles.append("history-too-long")
            return None
        return found[::-1]

    def _page(self, request: Request) -> Resource:
        answer = self.read(request)
        if answer.status >= 500 and answer.status != _NOT_OFFERED:
            raise EhrUnavailableError("outage")
        page = json_object(answer.body) if answer.status == 200 else None
        if page is None or page.get("resourceType") != "Bundle":
            raise _RefusedError(answer.status)
        return page

    def _current(self, reference: str) -> list[Edition]:
        read = self.fetch(reference)
        if read.resource is not None:
            now = edition_of(read.resource)
            return [Edition(version=read.version, at=now.at, resource=read.resource)]
        return [Edition(version=None, at=None, resource=None)] if read.gone else []

    def _records(self, reference: str, troubles: list[str]) -> list[Record]:
        asked = self.adapter.provenance_query(reference, self.site)
        if asked is None:
            return []
        try:
            page = self._page(asked)
        except _RefusedError as refusal:
            # Of an entry that was taken out some servers answer so, and have nothing to tell.
            if refusal.status not in {404, 410}:
                troubles.append(f"provenance-http-{refusal.status}")
            return []
        return records_in(page, reference, self.site.base_url)

    def _version(self, edition: Edition, before: Edition | None, record: Record | None) -> EntryVersion:
        brought = marks_in(edition.resource, self.site) - marks_in(before.resource if before else None, self.site)
        # That of a change comes before that of the create, which every later version carries too.
        mark = min(brought, key=lambda item: item[0] != self.site.change_system, default=None)
        agents = record.agents if record is not None else ()
        acted = {key for agent in agents for key in agent.keys}
        return EntryVersion(
            version=(self.adapter.version_of(edition.resource) if edition.resource else None) or edition.version,
            at=edition.at,
            resource=edition.resource,
            mark="|".join(mark) if mark else None,
            is_ours=mark is not None or bool(acted.intersection(self.site.options.get(ACTS_AS) or ())),
            author=_author(agents),
            is_named=any(agent.name or agent.is_system for agent in agents) or self._is_through_system(edition, before),
        )

    def _is_through_system(self, edition: Edition, before: Edition | None) -> bool:
        """Whether the version itself says through which system it came, other than the one before it."""
        stated = _source(edition.resource)
        return stated is not None and stated != _source(before.resource if before else None)


class _RefusedError(Exception):
    """The EHR answers, and does not show it."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def _source(resource: Resource | None) -> str | None:
    meta = (resource or {}).get("meta")
    stated = meta.get("source") if isinstance(meta, dict) else None
    return stated.partition("#")[0] or None if isinstance(stated, str) else None


def _author(agents: tuple[Agent, ...]) -> str | None:
    """Return who acted: staff and systems by name, whoever may be the patient by what they are."""
    told = dict.fromkeys(_called(agent) for agent in agents)
    return ", ".join(told) or None


def _called(agent: Agent) -> str:
    if agent.name and (agent.is_system or (agent.reference or "").startswith(_MAY_BE_NAMED)):
        return agent.name
    return "a system" if agent.is_system else agent.role or _SOMEBODY
