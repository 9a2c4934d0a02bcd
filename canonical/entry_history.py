"""What an EHR shows of the versions of one entry, in its own order. It judges nothing, and asks no EHR."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from canonical.ports import Resource


@dataclass(frozen=True, kw_only=True)
class EntryVersion:
    """One version: ``at`` when it was stored (UTC, the EHR's clock), ``resource`` what it said, ``None`` where it is a removal.

    ``mark`` is ours (``system|value``) where this version brought it; ``is_ours``: it, or the EHR's record of who acted, says
    that this service wrote it. ``author`` is who made it in words that never name a patient, ``is_named`` whether somebody
    stands for it at all.
    """

    version: str | None
    at: datetime | None = None
    resource: Resource | None = None
    mark: str | None = None
    is_ours: bool = False
    author: str | None = None
    is_named: bool = False


@dataclass(frozen=True, kw_only=True)
class EntryHistory:
    """The versions of ``reference``, the oldest first; ``is_whole``: all of them, else the current one alone, if it is there.

    ``troubles`` are stable codes of what the EHR would not show (``history-http-403``).
    """

    reference: str
    versions: tuple[EntryVersion, ...]
    is_whole: bool
    troubles: tuple[str, ...] = ()
