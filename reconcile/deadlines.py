"""Sweep: commands whose deadline passed before they were sent. What may have left already is never expired."""

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

    limit: int = 200


def run_once(services: Services, _hands: Hands, config: Config = Config()) -> Counts:
    """End them; what waits behind one of them goes to a person at its lane's next turn, which the due sweep asks for."""
    return {"expired": len(services.watch_list.expire_overdue(limit=config.limit))}


SWEEP = Sweep(name="deadlines", every=timedelta(seconds=5), run_once=run_once)
