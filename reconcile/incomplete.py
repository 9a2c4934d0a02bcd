"""Sweep: commands of which a part is in the chart. It finds those due and hands them on; the look is ``incomplete_look.py``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from reconcile.sweep import Counts, Hands, Sweep

if TYPE_CHECKING:
    from config.wiring import Services


@dataclass(frozen=True, kw_only=True)
class Config:
    """How many at once; how often one is tried is in ``canonical/data/incomplete.toml``."""

    limit: int = 50


def run_once(services: Services, hands: Hands, config: Config = Config()) -> Counts:
    """Have each that is due looked at."""
    found = services.incomplete_look.writes.due(limit=config.limit)
    return {"looked_at": sum(hands.complete(command) for command in found)}


SWEEP = Sweep(name="incomplete", every=timedelta(seconds=5), run_once=run_once)
