"""Sweep: claims that outlived their lease. The lane's next holder moves them to ``unknown``; nothing is sent again here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from reconcile.sweep import Counts, Hands, Sweep

if TYPE_CHECKING:
    from config.wiring import Services

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Config:
    """How much at once."""

    limit: int = 200


def run_once(services: Services, hands: Hands, config: Config = Config()) -> Counts:
    """Have a turn taken of each such lane, unless its holder is still there: that one is reported, never driven out.

    A holder that keeps its lock past its lease is paused, not dead. Ending its database session would let a second
    sender in while the first can still wake up and send.
    """
    found = services.watch_list.expired_leases(limit=config.limit)
    held = [lane for lane, is_held in found if is_held]
    if held:
        log.warning("holders outlived their lease; is a worker paused?", action="lease.held", lanes=held)
    free = [lane for lane, is_held in found if not is_held]
    return {"lanes": sum(hands.dispatch(lane) for lane in free), "held": len(held)}


SWEEP = Sweep(name="expired_leases", every=timedelta(seconds=5), run_once=run_once)
