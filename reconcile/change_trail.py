"""Who changed an entry, change by change back to what is known: whether somebody stands for each. It reads, and never writes."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from canonical.ports import Ehr, Trace
from canonical.remote_change import ChangeSource, RemoteChange

#: Changes of one entry that are told apart; of more than these nobody is said to stand for all.
MOST_CHANGES = 20


@dataclass(frozen=True, kw_only=True)
class ChangeTrail:
    """The changes of ``reference`` since ``version``, by others than us.

    ``seen_at`` (UTC) is when the entry was last known; ``own_versions`` are those that we wrote or that were accepted.
    ``says`` gives the digest of what a version says, ``None`` where it cannot be read.
    """

    ehr: Ehr
    reference: str
    version: str | None
    seen_at: datetime
    own_versions: Collection[str]
    says: Callable[[str], bytes | None]
    trace: Trace

    def is_removal_answered_for(self) -> bool:
        """Return whether the last change, which took the entry away, has an author."""
        last = self._change(set(self.own_versions))
        return not last.same_app and has_author(last)

    def is_answered_for(self) -> bool:
        """Return whether every change that changed what the entry says has an author, and there was one."""
        found = self._changes()
        if len(found) == 1:
            return has_author(found[0])
        return bool(found) and all(
            has_author(change) or self._says_the_same(found, at) for at, change in enumerate(found)
        )

    def _changes(self) -> list[RemoteChange]:
        """Return the changes, the newest first; without any, what is there now is the version that we knew."""
        known, found = set(self.own_versions), list[RemoteChange]()
        while len(found) < MOST_CHANGES:
            change = self._change(known)
            if change.same_app or (change.version is not None and change.version in known):
                return found
            found.append(change)
            if change.version is None or not change.others:
                return found
            # Asked again with this one as known, the EHR tells of the one before.
            known.add(change.version)
        return [*found, RemoteChange(source=ChangeSource.BRACKET)]

    def _change(self, known: Collection[str]) -> RemoteChange:
        return self.ehr.changes(self.reference, self.version, self.seen_at, self.trace, own_versions=known)

    def _says_the_same(self, found: list[RemoteChange], at: int) -> bool:
        """Return whether a change that nobody stands for left what the entry means as it was, as a vendor's own job does."""
        before = found[at + 1].version if at + 1 < len(found) else self.version
        after = found[at].version
        if before is None or after is None:
            return False
        said = self.says(after)
        return said is not None and said == self.says(before)


def has_author(change: RemoteChange) -> bool:
    """Return whether somebody with a name, or a system, stands for a change."""
    return change.by is not None or change.system is not None
