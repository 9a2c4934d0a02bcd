"""Sweep: writes with an unknown outcome whose quarantine is over. The lane's next holder probes; only that may resend."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from reconcile.sweep import Counts, Hands, Sweep

if TYPE_CHECKING:
    from config.wiring import Services


@dataclass(frozen=True, kw_only=True)
class Config:
    """How much at once: a probe is a search at the EHR, and after an outage there are many."""

    limit: int = 50


def run_once(services: Services, hands: Hands, config: Config = Config()) -> Counts:
    """Have a turn taken of each lane whose unknown write may be probed now."""
    lanes = services.watch_list.probes_due(limit=config.limit)
    return {"lanes": sum(hands.dispatch(lane) for lane in lanes)}


SWEEP = Sweep(name="unknown", every=timedelta(seconds=2), run_once=run_once)
