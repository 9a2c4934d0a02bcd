"""Sweep: commands of which parts were being taken back, and nothing does so any more. How they end is told in ``part_ends.py``.

A proof ends them in its own commit; this finds those of which the last compensation was refused, withdrawn or denied.
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
    """How many at once."""

    limit: int = 50


def run_once(services: Services, _hands: Hands, config: Config = Config()) -> Counts:
    """End each of them."""
    store = services.part_compensations
    return {"ended": sum(store.finish(command) for command in store.due(limit=config.limit))}


SWEEP = Sweep(name="taking_back", every=timedelta(seconds=5), run_once=run_once)
