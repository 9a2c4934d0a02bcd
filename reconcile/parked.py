"""Sweep: commands parked for an outage, a throttle or a switch, once that has ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from reconcile.sweep import Counts, Hands, Sweep

if TYPE_CHECKING:
    from config.wiring import Services


@dataclass(frozen=True, kw_only=True)
class Config:
    """How much at once: an EHR that has just come back must not be met by everything that waited."""

    limit: int = 50


def run_once(services: Services, hands: Hands, config: Config = Config()) -> Counts:
    """Make such commands ready, and have a turn taken of their lanes."""
    lanes = services.watch_list.resume_parked(limit=config.limit)
    for lane in lanes:
        hands.dispatch(lane)
    return {"lanes": len(lanes)}


SWEEP = Sweep(name="parked", every=timedelta(seconds=2), run_once=run_once)
