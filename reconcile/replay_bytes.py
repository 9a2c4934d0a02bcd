"""Which bytes a replay would send, and how they differ from those that were journaled: digests and names, never content."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from canonical.compound import digest_of
from canonical.ports import Ehr, Operation
from canonical.replay import Mode
from canonical.replay_store import Original
from tasks.preview import Preview


@dataclass(frozen=True, kw_only=True)
class Bytes:
    """``which``: ``stored``, ``regenerated``, or ``first`` where none was ever journaled; ``differ``: a person must see them.

    Digests are SHA-256 in hex; ``changed`` are canonical field names.
    """

    which: str
    differ: bool
    mapping_pinned: str | None
    mapping_now: str
    stored_digest: str | None
    planned_digest: str | None
    changed: tuple[str, ...]


def bytes_for(ehr: Ehr, original: Original, preview: Preview, mode: Mode) -> Bytes:
    """Return what would be sent for ``original`` by ``mode``; ``preview`` is what would be planned for it now."""
    # What was decided since its last request is made anew by that decision: nothing that was journaled is sent.
    stored = () if original.command.is_replanned else original.operations
    planned = [request.operation for request in preview.requests]
    pinned = stored[0].mapping_version if stored else None
    moved = pinned is not None and pinned != ehr.mapping_version
    regenerates = bool(stored) and (mode is Mode.REGENERATED or (mode is Mode.STORED and moved))
    return Bytes(
        which="first" if not stored else "regenerated" if regenerates else "stored",
        differ=regenerates,
        mapping_pinned=pinned,
        mapping_now=ehr.mapping_version,
        stored_digest=digest_of(stored).hex() if stored else None,
        planned_digest=digest_of(planned).hex() if planned else None,
        changed=_changed(ehr, stored, planned) if planned else (),
    )


def _changed(ehr: Ehr, stored: Sequence[Operation], planned: Sequence[Operation]) -> tuple[str, ...]:
    """Return the canonical fields in which two plans differ, operation by operation."""
    names: set[str] = set()
    for before, after in zip(stored, planned, strict=False):
        old, new = ehr.project(ehr.said(before)), ehr.project(ehr.said(after))
        names |= {name for name in {*old, *new} if old.get(name) != new.get(name)}
    return tuple(sorted(names))
