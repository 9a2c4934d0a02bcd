"""One look at one entry that somebody says was changed: was it us? If not, whatever of ours it concerns is looked at now.

It never writes to the EHR, and takes nothing from the notification but the name of the entry: what counts is what is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID, uuid4

import structlog

from canonical.drift_digest import sight_digest
from canonical.echo import Consequences, EchoBook, Found, Glimpse, TouchedEntry
from canonical.errors import EhrUnavailableError, NeedsPersonError
from canonical.ports import Ehr, Fetched, Resource, Trace

log = structlog.get_logger()


class Follow(Protocol):
    """What is done at once where an entry changed: each takes what it works on itself, and may find that somebody did."""

    def case(self, tenant: str, case_id: int) -> None:
        """Look at the chart for an open case."""
        ...

    def settled(self, command: UUID) -> None:
        """Look again at a write that was proven."""
        ...

    def waiting(self, command: UUID) -> None:
        """Ask whether the EHR's staff accepted a write."""
        ...

    def unanswered(self, lane_id: int) -> None:
        """Have a turn of a lane taken in which a write has no answer: it is asked for once its quarantine is over."""
        ...


@dataclass(frozen=True, kw_only=True)
class EchoLook:
    """Looks at touched entries; ``ehrs`` gives the EHR of (tenant, connection). Thread-safe."""

    book: EchoBook
    ehrs: Callable[[str, str], Ehr]
    follow: Follow

    def run(self, entry_id: int) -> Found | None:
        """Look once; ``None``: it is not due, or not now. Raises ``StoreUnavailableError``."""
        entry = self.book.take(entry_id)
        if entry is None:
            return None
        for lane in entry.unanswered:
            self.follow.unanswered(lane)
        if entry.sending or entry.unanswered:
            # As long as a write of ours may land, nobody can say whose a change is.
            self.book.postpone(entry, away=bool(entry.unanswered))
            return None
        try:
            glimpse = self._glimpse(self.ehrs(entry.tenant, entry.connection), entry)
        except EhrUnavailableError:
            self.book.postpone(entry, away=True)
            return None
        self._go_on(entry, self.book.settle(entry, glimpse))
        return glimpse.found

    def _glimpse(self, ehr: Ehr, entry: TouchedEntry) -> Glimpse:
        """Return what the entry shows; raises :class:`EhrUnavailableError`: later."""
        trace = Trace(correlation_id=f"entry-{entry.id}", request_id=str(uuid4()))
        try:
            return _judged(ehr, entry, ehr.fetch(entry.reference, trace))
        except EhrUnavailableError:
            raise
        except NeedsPersonError:
            return Glimpse(found=Found.UNREADABLE)
        except Exception as error:
            # Whatever is wrong with it, it tells nothing of whose change it was.
            log.error("a look failed", action="echo.unreadable", entry=entry.id, exc_info=error)
            return Glimpse(found=Found.UNREADABLE)

    def _go_on(self, entry: TouchedEntry, after: Consequences) -> None:
        if after.loop is not None:
            log.warning(
                "two systems keep undoing each other's changes",
                action="loop.found",
                case=after.loop,
                connection=entry.connection,
            )
        for case in after.cases:
            self.follow.case(entry.tenant, case)
        for command in after.settled:
            self.follow.settled(command)
        for command in after.waiting:
            self.follow.waiting(command)


def _judged(ehr: Ehr, entry: TouchedEntry, read: Fetched) -> Glimpse:
    if read.resource is None:
        concerned = entry.last is not None or entry.is_queued
        return Glimpse(found=Found.CHANGED if concerned else Found.UNCONCERNED, undone=entry.last is not None)
    if read.version is not None and read.version in entry.versions:
        return Glimpse(found=Found.ECHO)
    ours = next((entry.awaited[mark] for mark in _marks(read.resource) if mark in entry.awaited), None)
    if ours is not None:
        return Glimpse(found=Found.ECHO, awaited=ours)
    if entry.last is None:
        return Glimpse(found=Found.CHANGED if entry.is_queued else Found.UNCONCERNED)
    stands = not ehr.differences(entry.last, read.resource)
    if stands and (not entry.is_queued or read.version is None):
        # Stored anew, and it means what we wrote: an EHR that files it once more, or a version that it does not show.
        return Glimpse(found=Found.ECHO)
    if not entry.is_queued and sight_digest(ehr, entry.last, read.resource) in entry.accepted:
        return Glimpse(found=Found.KNOWN, undone=True)
    return Glimpse(found=Found.CHANGED, undone=not stands)


def _marks(resource: Resource) -> Iterator[str]:
    """Return its identifiers as marks are written (``system|value``)."""
    identifiers = resource.get("identifier")
    for item in identifiers if isinstance(identifiers, list) else [identifiers]:
        if isinstance(item, dict):
            yield f"{item.get('system')}|{item.get('value')}"
