"""Sweep: entries that a notification named, or that are read because notifications were missed. The look is ``echo_look.py``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from canonical.drift_plan import LOOKS_PER_MINUTE, drift_plan
from reconcile.sweep import Counts, Hands, Sweep

if TYPE_CHECKING:
    from config.wiring import Services

EVERY = timedelta(seconds=2)


@dataclass(frozen=True, kw_only=True)
class Config:
    """How much at once: looks of each connection, entries put down where events were missed, notifications forgotten."""

    limit: int = 20
    spread: int = 500
    forget: int = 1_000


def run_once(services: Services, hands: Hands, config: Config = Config()) -> Counts:
    """Have each entry looked at; what no hand is free for stays due."""

    def missed(tenant: str, name: str) -> int:
        """As many as the EHR bears in a minute, spread over its runs: what a notification named is read at once."""
        settings = services.connections.get((tenant, name))
        per_minute = (
            settings.options.get(LOOKS_PER_MINUTE, drift_plan().looks_per_minute) if settings is not None else 0
        )
        return math.ceil(int(per_minute) * EVERY / timedelta(minutes=1))

    book = services.echo_look.book
    spread, forgotten = book.spread_gaps(limit=config.spread), book.forget(limit=config.forget)
    found = book.due(limit=config.limit, missed=missed)
    return {"entries": sum(hands.reread(entry) for entry in found), "spread": spread, "forgotten": forgotten}


SWEEP = Sweep(name="echoes", every=EVERY, run_once=run_once)
