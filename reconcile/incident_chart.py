"""The chart's side of an incident: entries of commands, version by version, within a budget. It reads, and writes nothing.

What an entry says is compared here and goes no further: versions, times and who acted leave this module.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar
from uuid import UUID

import structlog

from canonical import exact_json
from canonical.drift_digest import sight_digest
from canonical.entry_history import EntryHistory, EntryVersion
from canonical.errors import EhrUnavailableError, NeedsPersonError
from canonical.incident.records import StoredCommand
from canonical.incident.report import ChartEntry, ChartVersion, Unread
from canonical.ports import Ehr, Interaction, Operation, Resource, Trace

Answer = TypeVar("Answer")
log = structlog.get_logger()

#: So many reads in a row without an answer, and the EHR is not asked any more.
_AWAY_AFTER = 3
#: Operations of which no request ever left.
_PLANNED = "planned"
#: Elements that say nothing of what an entry means, or that each write of ours changes.
_FRAME = frozenset({"resourceType", "id", "meta", "text", "identifier"})


@dataclass(kw_only=True)
class ReadBudget:
    """How many more reads a report may make, and until when; ``clock`` as of the report."""

    reads: int
    ends_at: datetime
    clock: Callable[[], datetime]

    def take(self) -> bool:
        """Take one read; ``False``: there is none left."""
        self.reads -= 1
        return self.reads >= 0 and self.clock() < self.ends_at


@dataclass(kw_only=True)
class ChartReader:
    """Reads the entries of one connection's commands, each once; ``connection`` is (tenant, name)."""

    ehr: Ehr
    connection: tuple[str, str]
    budget: ReadBudget
    unread: list[Unread] = field(default_factory=list)
    _entries: dict[str, ChartEntry] = field(default_factory=dict)
    _asked: set[str] = field(default_factory=set)
    _of_command: dict[UUID, list[str]] = field(default_factory=dict)
    _unanswered: int = 0
    _away: str = "outage"

    def read(self, commands: Sequence[StoredCommand]) -> None:
        """Read what each command wrote, and every copy of what it created."""
        wrote: dict[str, list[_Written]] = {}
        found: list[tuple[StoredCommand, str]] = []
        for stored in commands:
            for reference, written in self._references(stored):
                wrote.setdefault(reference, []).append(written)
                found.append((stored, reference))
        for stored, reference in found:
            self._of_command.setdefault(stored.record.id, []).append(reference)
            if reference not in self._asked:
                self._asked.add(reference)
                self._read_entry(stored, reference, wrote[reference])

    def entries(self, command: UUID) -> tuple[ChartEntry, ...]:
        """Return the entries that concern a command, as far as they could be read."""
        names = dict.fromkeys(self._of_command.get(command, ()))
        return tuple(self._entries[name] for name in names if name in self._entries)

    @property
    def references(self) -> tuple[str, ...]:
        """The entries that were read."""
        return tuple(self._entries)

    @property
    def marked(self) -> tuple[UUID, ...]:
        """The commands whose marks the chart shows."""
        marks = (item.mark for entry in self._entries.values() for item in entry.versions if item.mark is not None)
        return tuple({found for found in map(_command_in, marks) if found is not None})

    def _references(self, stored: StoredCommand) -> Iterable[tuple[str, _Written]]:
        for recorded, operation in zip(stored.record.operations, stored.operations, strict=True):
            if recorded.state == _PLANNED:
                continue
            known = [operation.reference] if operation.reference is not None else []
            for reference in dict.fromkeys([*known, *self._copies(stored, operation)]):
                yield reference, _Written(operation=operation, version=recorded.version)

    def _copies(self, stored: StoredCommand, operation: Operation) -> tuple[str, ...]:
        if operation.interaction is not Interaction.CREATE:
            return ()
        asked = self._ask(stored, operation.resource_type, lambda trace: self.ehr.copies(operation, trace))
        return asked or ()

    def _read_entry(self, stored: StoredCommand, reference: str, wrote: list[_Written]) -> None:
        label = entry_label(self.connection, reference)
        history = self._ask(stored, label, lambda trace: self.ehr.history(reference, trace))
        if history is None:
            return
        self.unread += [Unread(why=why, command=stored.record.id, label=label) for why in history.troubles]
        compared = _Compared(ehr=self.ehr, history=history, wrote=wrote)
        try:
            versions = compared.versions()
        except Exception as error:
            # An entry that cannot be compared is no ground for anything; that it is there still is.
            log.error("an entry could not be compared", action="incident.not_comparable", exc_info=error)
            self.unread.append(Unread(why="not-comparable", command=stored.record.id, label=label))
            return
        self._entries[reference] = ChartEntry(
            reference=reference, label=label, is_whole=history.is_whole, versions=versions
        )

    def _ask(self, stored: StoredCommand, label: str, ask: Callable[[Trace], Answer]) -> Answer | None:
        """Return the EHR's answer; ``None`` where there is none, of which ``unread`` tells."""
        why = self._why_not()
        if why is None:
            try:
                answer = ask(_trace(stored))
            except EhrUnavailableError as error:
                self._unanswered += 1
                why = self._away = error.reason
            except NeedsPersonError as error:
                self._unanswered, why = 0, error.kind
            except Exception as error:
                log.error("a look failed", action="incident.look_failed", command=str(stored.record.id), exc_info=error)
                why = "failed"
            else:
                self._unanswered = 0
                return answer
        self.unread.append(Unread(why=why, command=stored.record.id, label=label))
        return None

    def _why_not(self) -> str | None:
        if self._unanswered >= _AWAY_AFTER:
            return self._away
        return None if self.budget.take() else "budget"


@dataclass(frozen=True, kw_only=True)
class _Written:
    """One operation of ours at an entry, with the version that the record says it made."""

    operation: Operation
    version: str | None


@dataclass(frozen=True, kw_only=True)
class _Compared:
    """The versions of one entry, compared with each other and with what was written."""

    ehr: Ehr
    history: EntryHistory
    wrote: list[_Written]

    def versions(self) -> tuple[ChartVersion, ...]:
        """Return them without what they say."""
        found = self.history.versions
        digests = [self._digest(item.resource) for item in found]
        return tuple(
            ChartVersion(
                reference=self.history.reference,
                version=item.version,
                at=item.at,
                is_removal=item.resource is None,
                mark=self._mark(item, at),
                is_ours=item.is_ours,
                author=item.author,
                is_named=item.is_named,
                changes=digests[at] != digests[at - 1] if at else None,
                reverts=at >= 2 and _reverts(found[at - 2].resource, found[at - 1].resource, item.resource),
                differs=self._differs(item),
                by_content=self._copied is not None and not self.ehr.capabilities.finds_by_mark,
            )
            for at, item in enumerate(found)
        )

    def _digest(self, resource: Resource | None) -> bytes | None:
        return sight_digest(self.ehr, self.wrote[-1].operation, resource) if resource is not None else None

    def _mark(self, item: EntryVersion, at: int) -> str | None:
        """Return the mark that a version brought; the first one of a copy brought that by which it was found."""
        copied = self._copied if at == 0 else None
        return copied.mark if item.mark is None and copied is not None else item.mark

    @property
    def _copied(self) -> Operation | None:
        """The create that this entry is a copy of: the record knows of another entry, or of none."""
        creates = (item.operation for item in self.wrote if item.operation.interaction is Interaction.CREATE)
        return next((item for item in creates if item.reference != self.history.reference), None)

    def _differs(self, item: EntryVersion) -> bool | None:
        own = (
            written.operation
            for written in self.wrote
            if written.operation.mark == item.mark
            or (
                written.operation.reference == self.history.reference
                and written.version is not None
                and written.version == item.version
            )
        )
        operation = next(own, None)
        if operation is None or item.resource is None:
            return None
        return bool(self.ehr.differences(operation, item.resource))


def entry_label(connection: tuple[str, str], reference: str) -> str:
    """Return by what an entry is known in a report: its type, and what tells it from others but not where it is."""
    said = exact_json.canonical_bytes([*connection, reference])
    return f"{reference.partition('/')[0]} {hashlib.sha256(said).hexdigest()[:8]}"


def _reverts(before: Resource | None, changed: Resource | None, now: Resource | None) -> bool:
    """Whether ``now`` has an element again as it was before ``changed`` changed it."""
    if before is None or changed is None or now is None:
        return False
    names = ({*before, *changed, *now}) - _FRAME
    return any(
        not exact_json.equal(before.get(name), changed.get(name)) and exact_json.equal(before.get(name), now.get(name))
        for name in names
    )


def _command_in(mark: str) -> UUID | None:
    """Return the command that a mark (``system|value``) names."""
    try:
        return UUID(mark.rpartition("|")[2].partition(".")[0])
    except ValueError:
        return None


def _trace(stored: StoredCommand) -> Trace:
    return Trace(correlation_id=stored.correlation_id, request_id=f"incident-{stored.record.id}")
