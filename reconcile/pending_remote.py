"""Sweep: writes that the EHR keeps for its own staff, for longer than anybody should wait. A person looks; nothing is resent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from reconcile.sweep import Counts, Hands, Sweep

if TYPE_CHECKING:
    from config.wiring import Services


@dataclass(frozen=True, kw_only=True)
class Config:
    """How much at once, and how long the EHR's staff may take."""

    limit: int = 100
    time_box: timedelta = timedelta(days=7)


def run_once(services: Services, _hands: Hands, config: Config = Config()) -> Counts:
    """Hand them to a person: the request was taken, so sending it again could write it twice."""
    return {"to_review": len(services.watch_list.end_time_boxes(limit=config.limit, time_box=config.time_box))}


SWEEP = Sweep(name="pending_remote", every=timedelta(seconds=5), run_once=run_once)
