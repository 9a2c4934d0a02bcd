"""Sweep: lanes with something to send that nobody seems to be at, since the hint was lost or its worker died."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from reconcile.sweep import Counts, Hands, Sweep

if TYPE_CHECKING:
    from config.wiring import Services


@dataclass(frozen=True, kw_only=True)
class Config:
    """How much at once, and when a lane is suspicious."""

    #: More than the workers can begin before the next run.
    limit: int = 200
    #: A lane that fell due just now was hinted at just now.
    grace: timedelta = timedelta(milliseconds=500)
    #: Due for so long without an attempt: its next command may be killing its workers; counted at every run.
    idle: timedelta = timedelta(seconds=30)
    suspects: int = 50


def run_once(services: Services, hands: Hands, config: Config = Config()) -> Counts:
    """Have a turn taken of every lane that is due; count a stumble for each that has been due for long."""
    watch = services.watch_list
    lanes = watch.due_lanes(limit=config.limit, idle=config.grace)
    suspects = watch.due_lanes(limit=config.suspects, idle=config.idle) if lanes else []
    if suspects:
        watch.count_stumbles(suspects)
    return {"lanes": sum(hands.dispatch(lane) for lane in lanes), "stumbles": len(suspects)}


SWEEP = Sweep(name="due", every=timedelta(seconds=1), run_once=run_once)
