"""Finding out who changed an entry: the reads that an EHR allows, in the order in which they are trusted. It decides nothing.

Whatever is refused or not there leaves less to be told, and is never a failure.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from adapters.adapter import Adapter, Request
from adapters.r4.attribution import (
    ACTS_AS,
    Agent,
    Edition,
    Record,
    edition_of,
    editions_in,
    marks_in,
    name_of,
    records_in,
    system_of,
    system_words,
)
from adapters.site import Site
from canonical.ports import Resource
from canonical.remote_change import ChangeSource, RemoteChange

#: A Provenance that names no version belongs to the version stored within this much of when it was recorded.
_SAME_MOMENT = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True)
class _Change:
    """One change as far as it is known; ``marks`` are ours that it brought."""

    edition: Edition
    source: ChangeSource
    record: Record | None = None
    marks: frozenset[tuple[str, str]] = frozenset()
    is_ours: bool = False


@dataclass(frozen=True, kw_only=True)
class ChangeLookup:
    """One question to one EHR; ``look`` reads and returns the JSON of a 200, ``None`` for anything else."""

    adapter: Adapter
    site: Site
    look: Callable[[Request], Resource | None]
    own_versions: Collection[str] = ()

    def find(self, reference: str, since_version: str | None, seen_at: datetime | None, now: datetime) -> RemoteChange:
        """Return the latest change by somebody else, or by us if there is no other; see :meth:`canonical.ports.Ehr.changes`."""
        editions, source = self._editions(reference)
        query = self.adapter.provenance_query(reference, self.site)
        bundle = self.look(query) if query is not None else None
        records = records_in(bundle, reference, self.site.base_url)
        found = self._changes(editions, source, records, since_version, seen_at)
        chosen = next((change for change in found if not change.is_ours), found[0] if found else None)
        span = (seen_at, now) if seen_at is not None and seen_at <= now else None
        if chosen is None:
            return RemoteChange(source=ChangeSource.BRACKET, between=span)
        told = self._told(chosen)
        # Of one version alone it is not known how many there were.
        others = len(found) - 1 if source is ChangeSource.HISTORY else 0
        return replace(told, between=None if told.at else span, others=others)

    def _editions(self, reference: str) -> tuple[list[Edition], ChangeSource]:
        """Return the versions that can be seen, the newest first: all of them, or the one that is current."""
        query = self.adapter.history_query(reference, self.site)
        editions = editions_in(self.look(query)) if query is not None else []
        if editions:
            return editions, ChangeSource.HISTORY
        current = self.look(Request(method="GET", path=reference, headers={"Cache-Control": "no-cache"}))
        if current is None:
            return [], ChangeSource.BRACKET
        now = edition_of(current)
        return [replace(now, version=self.adapter.version_of(current))], ChangeSource.META

    def _changes(
        self,
        editions: list[Edition],
        source: ChangeSource,
        records: list[Record],
        since_version: str | None,
        seen_at: datetime | None,
    ) -> list[_Change]:
        recent = _since(editions, since_version, seen_at)
        found = []
        for at, edition in enumerate(recent):
            before = editions[at + 1].resource if at + 1 < len(editions) else None
            known = edition.resource is not None and (before is not None or source is ChangeSource.HISTORY)
            marks = marks_in(edition.resource, self.site) - marks_in(before, self.site) if known else frozenset()
            found.append(self._change(edition, source, record_of(edition, records), marks))
        if found:
            return found
        # Neither history nor the entry can be read: what was recorded since is all there is.
        told = sorted((item for item in records if _is_after(item.recorded, seen_at)), key=_time_of, reverse=True)
        nothing = Edition(version=None, at=None, resource=None)
        return [self._change(nothing, ChangeSource.PROVENANCE, item, frozenset()) for item in told]

    def _change(
        self, edition: Edition, source: ChangeSource, record: Record | None, marks: frozenset[tuple[str, str]]
    ) -> _Change:
        own = self.site.options.get(ACTS_AS) or ()
        acted = {key for agent in record.agents for key in agent.keys} if record else set()
        is_ours = bool(marks) or edition.version in self.own_versions or bool(acted.intersection(own))
        return _Change(edition=edition, source=source, record=record, marks=marks, is_ours=is_ours)

    def _told(self, change: _Change) -> RemoteChange:
        edition, record = change.edition, change.record
        agents = record.agents if record else ()
        person = next((agent for agent in agents if not agent.is_system), None)
        system = next((agent for agent in agents if agent.is_system), None)
        at = edition.at or (record.recorded if record else None)
        through = system_words(self._name(system) if system else None, self.site) or system_of(
            edition.resource, self.site
        )
        source = ChangeSource.PROVENANCE if record is not None else change.source
        if source is ChangeSource.META and at is None and through is None:
            source = ChangeSource.BRACKET
        return RemoteChange(
            source=source,
            by=self._name(person) if person else None,
            role=person.role if person else None,
            system=through,
            at=at,
            same_app=change.is_ours,
            command=_command(change, self.site),
            version=edition.version,
        )

    def _name(self, agent: Agent) -> str | None:
        if agent.name is not None or agent.reference is None or "/" not in agent.reference or ":" in agent.reference:
            return agent.name
        return name_of(self.look(Request(method="GET", path=agent.reference)))


def _since(editions: list[Edition], since_version: str | None, seen_at: datetime | None) -> list[Edition]:
    """Return the versions made since the author looked; if that cannot be told, the newest alone."""
    known = [edition.version for edition in editions]
    if since_version is not None and since_version in known:
        recent = editions[: known.index(since_version)]
    else:
        recent = [edition for edition in editions if edition.at and _is_after(edition.at, seen_at)]
    return recent or editions[:1]


def _is_after(at: datetime | None, seen_at: datetime | None) -> bool:
    return at is not None and (seen_at is None or at > seen_at)


def _time_of(record: Record) -> float:
    return record.recorded.timestamp() if record.recorded else 0.0


def record_of(edition: Edition, records: list[Record]) -> Record | None:
    """Return the Provenance of a version: one that names it, else one of its moment that names none."""
    named = next((item for item in records if edition.version in item.versions), None)
    if named is not None or edition.at is None:
        return named
    at = edition.at
    nameless = [(abs(item.recorded - at), item) for item in records if not item.versions and item.recorded is not None]
    distance, near = min(nameless, key=lambda pair: pair[0], default=(None, None))
    return near if distance is not None and distance <= _SAME_MOMENT else None


def _command(change: _Change, site: Site) -> str | None:
    """Return the command of ours that a change's new mark names; that of a change before that of a create."""
    marks = sorted(change.marks, key=lambda mark: mark[0] != site.change_system)
    return marks[0][1].partition(".")[0] if marks else None
