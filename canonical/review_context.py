"""What a decision needs to see beside it: which entries an action asks for, and how they become lines. It reads nothing.

Each action declares its own (``ActionSpec.context``); whoever shows a case reads the entries live.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING

from canonical.case_views import UNREAD, ContextEntry

if TYPE_CHECKING:
    from canonical.entry_words import Entry
    from canonical.envelope import Envelope

#: Said where the entries were read and none is of interest.
NOTHING = "nothing in the chart"


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is decided about: the command's ``envelope``, and its target's ``reference`` (``Type/id``) if it has one.

    ``now`` (UTC) and ``zone`` are the reader's time and the zone whose clock they read.
    """

    envelope: Envelope
    reference: str | None
    now: datetime
    zone: tzinfo = UTC


@dataclass(frozen=True, kw_only=True)
class ContextWanted:
    """One group of entries to read beside a case.

    ``resource_type`` is a FHIR type: all entries of that type that the chart has of the patient are read. ``select`` gets them in
    canonical fields as written (:meth:`canonical.ports.Ehr.fields`), each with its ``reference``, and returns lines in words.
    """

    resource_type: str
    title: str
    select: Callable[[Subject, Sequence[Entry]], tuple[str, ...]]


def context_entry(
    wanted: ContextWanted, subject: Subject, entries: Sequence[Entry] | None, *, read_at: str
) -> ContextEntry:
    """Return what ``entries`` say to the case, read at ``read_at`` (words with the zone); ``None``: they could not be read."""
    if entries is None:
        return ContextEntry(title=wanted.title, lines=(UNREAD,), read_at=read_at)
    return ContextEntry(title=wanted.title, lines=wanted.select(subject, entries) or (NOTHING,), read_at=read_at)
