"""Sweep: callbacks that are due, the first attempt included: their rows are made with the move they tell of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from reconcile.sweep import Counts, Hands, Sweep

if TYPE_CHECKING:
    from config.wiring import Services


@dataclass(frozen=True, kw_only=True)
class Config:
    """How much at once."""

    limit: int = 100


def run_once(services: Services, hands: Hands, config: Config = Config()) -> Counts:
    """Have each due callback sent."""
    callbacks = services.callbacks.due(limit=config.limit)
    return {"callbacks": sum(hands.notify(callback) for callback in callbacks)}


SWEEP = Sweep(name="callbacks", every=timedelta(seconds=1), run_once=run_once)
