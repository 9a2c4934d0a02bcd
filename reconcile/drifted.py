"""Sweep: settled writes whose look is due. It draws and hands on; the look itself is ``drift_look.py``, and never writes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from canonical.drift_plan import LOOKS_PER_MINUTE, drift_plan
from reconcile.sweep import Counts, Hands, Sweep

if TYPE_CHECKING:
    from config.wiring import Services


@dataclass(frozen=True, kw_only=True)
class Config:
    """How much at once, of each connection."""

    limit: int = 500


def run_once(services: Services, hands: Hands, config: Config = Config()) -> Counts:
    """Have each looked at; what no hand is free for is handed out again by the next run."""

    def per_minute(tenant: str, name: str) -> int:
        settings = services.connections.get((tenant, name))
        # A connection that no file names any more cannot be asked.
        return int(settings.options.get(LOOKS_PER_MINUTE, drift_plan().looks_per_minute)) if settings is not None else 0

    found = services.drift_look.book.offer(limit=config.limit, per_minute=per_minute)
    left = [command for command in found if not hands.recheck(command)]
    if left:
        services.drift_look.book.give_back(left)
    return {"writes": len(found) - len(left)}


SWEEP = Sweep(name="drifted", every=timedelta(seconds=5), run_once=run_once)
