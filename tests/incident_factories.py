"""What record and chart say of one command, made in a line: events by trigger, versions by who made them. Times are minutes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from canonical.incident.report import (
    ChartEntry,
    ChartSide,
    ChartVersion,
    CommandRecord,
    OwnWrite,
    RecordedAttempt,
    RecordedEvent,
    RecordedOperation,
)

COMMAND = UUID("6f1c0a52-3c3b-4d40-9f0e-0a4cf7e1f9a1")
OTHER = UUID("7a2d1b63-4d4c-4e51-8a1f-1b5da8f20ab2")
START = datetime(2026, 11, 26, 9, tzinfo=UTC)
UNTIL = START + timedelta(hours=3)
MARK, OTHER_MARK = f"urn:test|{COMMAND}", f"urn:test|{OTHER}"
HOME, AWAY = "Observation/1", "Observation/2"
#: Trigger → where a command is after it, as the usual life goes.
LEADS_TO = {
    "received": "received",
    "accepted": "ready",
    "claimed": "sending",
    "answer_lost": "unknown",
    "answered_applied": "applied",
    "answered_proven": "verified",
    "probe_found": "applied",
    "probe_not_applied": "ready",
    "probe_cannot_tell": "in_review",
    "resend_decided": "ready",
    "rebased": "ready",
    "proven": "verified",
    "drift_found": "in_review",
    "refused_by_person": "rejected",
    "target_moved": "conflicted",
    "removed_in_ehr": "compensated",
}


def at(minutes: float) -> datetime:
    """Return a moment of the database's clock."""
    return START + timedelta(minutes=minutes)


def events(*triggers: str, first_id: int = 1, replay_at: int | None = None) -> tuple[RecordedEvent, ...]:
    """Return the events of a command, one a minute; each claim is the next attempt. Event ``replay_at`` came from a replay."""
    told, source, attempt = list[RecordedEvent](), "received", 0
    for n, trigger in enumerate(triggers, 1):
        attempt += trigger == "claimed"
        target = LEADS_TO[trigger]
        told.append(
            RecordedEvent(
                id=first_id + n,
                seq=n,
                at=at(n),
                trigger=trigger,
                source=source,
                target=target,
                reason=trigger.replace("_", "-"),
                actor="worker-1",
                attempt=attempt or None,
                replay="r1" if n == replay_at else None,
            )
        )
        source = target
    return tuple(told)


def sent(n: int, outcome: str | None, reference: str | None = None, version: str | None = None) -> RecordedAttempt:
    """Return the request number ``n`` with what came of it."""
    return RecordedAttempt(
        n=n, kind="send", operation=1, claimed_at=at(n), outcome=outcome, reference=reference, version=version
    )


def asked(n: int, outcome: str, reference: str | None = None, version: str | None = None) -> RecordedAttempt:
    """Return the look after request ``n``."""
    return RecordedAttempt(
        n=n, kind="probe", operation=1, claimed_at=at(n), outcome=outcome, reference=reference, version=version
    )


def operation(
    state: str = "verified", reference: str | None = HOME, version: str | None = "1", **more: Any
) -> RecordedOperation:
    """Return the one operation of a command, a create."""
    usual: dict[str, Any] = {"seq": 1, "interaction": "create", "resource_type": "Observation", "mark": MARK}
    return RecordedOperation(**(usual | {"state": state, "reference": reference, "version": version} | more))


def record(
    told: tuple[RecordedEvent, ...],
    *attempts: RecordedAttempt,
    wrote: RecordedOperation | None = None,
    **more: Any,
) -> CommandRecord:
    """Return all that our record says of a command; it is where its last event left it."""
    usual: dict[str, Any] = {"id": COMMAND, "tenant": "t1", "connection": "north", "state": told[-1].target}
    found = (wrote if wrote is not None else operation(),)
    return CommandRecord(**(usual | {"events": told, "attempts": attempts, "operations": found} | more))


def ours(
    version: str = "1", *, minutes: float = 4, reference: str = HOME, mark: str | None = MARK, **more: Any
) -> ChartVersion:
    """Return a version that carries a mark of ours for the first time."""
    usual: dict[str, Any] = {"is_ours": mark is not None, "mark": mark, "changes": True}
    return ChartVersion(reference=reference, version=version, at=at(minutes), **(usual | more))


def theirs(version: str, *, minutes: float, reference: str = HOME, **more: Any) -> ChartVersion:
    """Return a version that means something else, on nobody's word unless it is said."""
    return ChartVersion(reference=reference, version=version, at=at(minutes), **({"changes": True} | more))


def entry(*versions: ChartVersion, reference: str = HOME, is_whole: bool = True) -> ChartEntry:
    """Return an entry with its versions."""
    return ChartEntry(reference=reference, label=f"{reference} label", is_whole=is_whole, versions=tuple(versions))


def chart(*entries: ChartEntry, writes: tuple[OwnWrite, ...] | None = None, names_authors: bool = True) -> ChartSide:
    """Return the chart; our record knows of the one write at home, unless it is said otherwise."""
    known = (OwnWrite(command=COMMAND, mark=MARK, reference=HOME, version="1"),)
    return ChartSide(entries=entries, writes=known if writes is None else writes, names_authors=names_authors)
