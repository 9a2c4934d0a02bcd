"""Sweep: writes that the EHR says it took and that nobody has read back yet."""

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
    #: Whoever sent it looks for the proof right after its turn.
    grace: timedelta = timedelta(seconds=1)


def run_once(services: Services, hands: Hands, config: Config = Config()) -> Counts:
    """Have the proof of each such command looked for."""
    commands = services.watch_list.unproven(limit=config.limit, grace=config.grace)
    return {"commands": sum(hands.verify(command) for command in commands)}


SWEEP = Sweep(name="unproven", every=timedelta(seconds=2), run_once=run_once)
