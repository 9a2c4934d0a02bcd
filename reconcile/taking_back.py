"""Sweep: commands of which parts were being taken back, and nothing takes them back any more. What that ends as is ``part_ends.py``.

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


def run_once(services: Services, hands: Hands, config: Config = Config()) -> Counts:  # noqa: ARG001 - nothing is handed on
    """End each of them."""
    store = services.part_compensations
    return {"ended": sum(store.finish(command) for command in store.due(limit=config.limit))}


SWEEP = Sweep(name="taking_back", every=timedelta(seconds=5), run_once=run_once)
