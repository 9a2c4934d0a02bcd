"""Sweep: conflicts whose chart nobody has looked at yet, or not for some minutes. The look itself is ``review/engine.py``."""

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

    #: A look reads the EHR several times: no more of them than it bears beside the writes.
    limit: int = 20


def run_once(services: Services, hands: Hands, config: Config = Config()) -> Counts:
    """Have the chart of each looked at; a look takes its case first, so that two hands do not both look."""
    found = services.conflict_engine.looks.due(limit=config.limit)
    return {"cases": sum(hands.look(case) for case in found)}


SWEEP = Sweep(name="conflicted", every=timedelta(seconds=2), run_once=run_once)
