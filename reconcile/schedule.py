"""All sweeps by name, and running one of them: once at a time, recorded, and logged when it found something."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from reconcile import (
    balance,
    callbacks,
    conflicted,
    deadlines,
    drifted,
    due,
    echoes,
    expired_leases,
    incomplete,
    merged,
    overdue_cases,
    parked,
    pending_remote,
    replays,
    taking_back,
    unacknowledged,
    unanswered,
    unknown,
    unproven,
)
from reconcile.sweep import Counts, Hands, Sweep

if TYPE_CHECKING:
    from config.wiring import Services

log = structlog.get_logger()

#: Adding a sweep is a file and its name here.
SWEEPS: dict[str, Sweep] = {
    module.SWEEP.name: module.SWEEP
    for module in (
        *(due, expired_leases, unknown, unproven, parked, pending_remote, incomplete, deadlines, callbacks),
        *(conflicted, overdue_cases, unanswered, unacknowledged, drifted, balance, echoes, replays),
        *(merged, taking_back),
    )
}


def sweep(name: str, services: Services, hands: Hands) -> Counts | None:
    """Run the sweep ``name``; ``None``: somebody else is running it, or there is none of that name (any more).

    Raises as :func:`run`.
    """
    known = SWEEPS.get(name)
    if known is None:
        log.warning("no such sweep", action="sweep.unknown", sweep=name)
        return None
    return run(known, services, hands)


def run(known: Sweep, services: Services, hands: Hands) -> Counts | None:
    """Run one sweep; ``None``: somebody else is running it.

    Raises ``StoreUnavailableError`` when PostgreSQL is gone; the next run finds everything again.
    """
    with services.sweep_runs.alone(known.name) as first:
        if not first:
            return None
        counts = known.run_once(services, hands)
    services.sweep_runs.record(known.name, counts)
    found = {what: count for what, count in counts.items() if count}
    if found:
        log.info("swept", action="sweep.done", sweep=known.name, **found)
    return counts
