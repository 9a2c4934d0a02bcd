"""Who changed an entry of the chart since its author looked, and the sentence that says so. Pure; it asks no EHR.

What an EHR says of an edit is trusted in this order: Provenance, history, ``meta.source``, and last the span between two reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, tzinfo
from enum import StrEnum

from canonical.case_views import ChartChange
from canonical.plain_times import between_in_words, length_in_words, moment_in_words


class ChangeSource(StrEnum):
    """From where it is known, the most trusted first."""

    PROVENANCE = "provenance"
    HISTORY = "history"
    META = "meta"
    #: Nothing tells; it was between two reads.
    BRACKET = "bracket"


@dataclass(frozen=True, kw_only=True)
class RemoteChange:
    """One change of an entry.

    ``by`` is a person's name, ``role`` what they are, ``system`` through which system it came; ``None``: not known. ``at`` is
    when (UTC); where that is not known, ``between`` are the reads around it. ``same_app``: a command of this service made it,
    ``command`` (a UUID) where its mark names it. ``version`` is the one it led to, ``others`` how many more changes there were.
    """

    source: ChangeSource
    by: str | None = None
    role: str | None = None
    system: str | None = None
    at: datetime | None = None
    between: tuple[datetime, datetime] | None = None
    same_app: bool = False
    command: str | None = None
    version: str | None = None
    others: int = 0


def distance(at: datetime, seen_at: datetime) -> str:
    """Return how far ``at`` is from when the author looked: ``14 minutes after the author looked``."""
    side = "after" if at >= seen_at else "before"
    return f"{length_in_words(at - seen_at)} {side} the author looked"


def sentence(change: RemoteChange, *, seen_at: datetime | None, zone: tzinfo) -> str:
    """Return one sentence on who changed it, in which system and when; what is not known is said to be so."""
    who = _who(change)
    unknown = [] if who else ["by whom"]
    when = _when(change, seen_at, zone)
    if not when:
        unknown.insert(0, "when")
    said = " ".join(part for part in ("Changed", who, f"in {change.system}" if change.system else "", when) if part)
    untold = f"; it is not known {', nor '.join(unknown)}" if unknown else ""
    return f"{said}{untold}.{_more(change.others)}"


def chart_change(change: RemoteChange, *, seen_at: datetime | None, zone: tzinfo) -> ChartChange:
    """Return ``change`` as a page shows it: the sentence and its parts."""
    return ChartChange(
        sentence=sentence(change, seen_at=seen_at, zone=zone),
        who=change.by,
        role=change.role,
        system=change.system,
        at=moment_in_words(change.at, zone) if change.at else None,
        distance=distance(change.at, seen_at) if change.at and seen_at else None,
    )


def _who(change: RemoteChange) -> str:
    named = change.by or ""
    if change.same_app:
        named = f"an earlier command of this service{f' ({named})' if named else ''}"
    elif named and change.role:
        named = f"{named} ({change.role})"
    return f"by {named}" if named else ""


def _when(change: RemoteChange, seen_at: datetime | None, zone: tzinfo) -> str:
    if change.at is not None:
        after = f", {distance(change.at, seen_at)}" if seen_at else ""
        return f"at {moment_in_words(change.at, zone)}{after}"
    return between_in_words(*change.between, zone) if change.between else ""


def _more(others: int) -> str:
    if not others:
        return ""
    return " There was one more change." if others == 1 else f" There were {others} more changes."
