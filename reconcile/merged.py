"""Sweep: records of patients that were merged, and whether they still are. It finds those due; a turn of their lane reads them.

What was parted again unseen would leave every write since in a record that is perhaps another patient's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from reconcile.sweep import Counts, Hands, Sweep

if TYPE_CHECKING:
    from config.wiring import Services


@dataclass(frozen=True, kw_only=True)
class Config:
    """How many at once: each costs one read of the EHR, a day after the last."""

    limit: int = 50


def run_once(services: Services, hands: Hands, config: Config = Config()) -> Counts:
    """Have each that is due read again."""
    found = services.watch_list.merges_to_look_at(limit=config.limit)
    return {"records": sum(hands.dispatch(lane) for lane in found)}


SWEEP = Sweep(name="merged", every=timedelta(seconds=5), run_once=run_once)
