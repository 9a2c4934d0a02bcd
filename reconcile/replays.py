"""Sweep: replays that are running. It begins items one by one, within batch and rate; what is done with one: ``replaying.py``.

A pause or a cancel takes effect before the next item; what was begun ends.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from canonical.replay import Replay
from reconcile.replaying import Replaying
from reconcile.sweep import Counts, Hands, Sweep

if TYPE_CHECKING:
    from collections.abc import Mapping

    from config.wiring import Services


@dataclass(frozen=True, kw_only=True)
class Config:
    """How long one run may go on: items ask EHRs, and what is left is begun by the next run."""

    longest: timedelta = timedelta(seconds=20)


def run_once(services: Services, hands: Hands, config: Config = Config()) -> Counts:
    """Begin what is due of every running replay, and end those that have nothing left."""
    del hands  # what a replay hands on is due in the database already
    until = time.monotonic() + config.longest.total_seconds()
    begun = closed = 0
    for replay in services.replays.book.running():
        waits = _waits(services, replay)
        services.replays.book.park(replay, waits)
        begun += _advance(services.replays.work, replay, waits, until=until)
        closed += services.replays.book.close(replay)
    return {"items": begun, "closed": closed}


def _waits(services: Services, replay: Replay) -> Mapping[str, str]:
    """Return connection → why the replay's items there wait. A dry run sends nothing, and waits for no incident."""
    closed = dict(services.replays.book.closed_connections(replay.tenant))
    if replay.dry_run:
        return {name: why for name, why in closed.items() if why == "connection-closed"}
    incidents = services.drift_incidents.parked(replay.tenant)
    return closed | dict.fromkeys(incidents, "drift-incident")


def _advance(replaying: Replaying, replay: Replay, waits: Mapping[str, str], *, until: float) -> int:
    for begun in range(replay.batch):
        item = replaying.book.take(replay, tuple(waits)) if time.monotonic() < until else None
        if item is None:
            return begun
        replaying.run(item)
    return replay.batch


SWEEP = Sweep(name="replays", every=timedelta(seconds=2), run_once=run_once)
