"""Sweep: authors who were asked and did not answer in time; their cases are back with the reviewers, who see that nobody did."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from reconcile.sweep import Counts, Hands, Sweep

if TYPE_CHECKING:
    from config.wiring import Services

#: Who notes that nobody answered.
ACTOR = "machine:unanswered"


@dataclass(frozen=True, kw_only=True)
class Config:
    """How much at once."""

    limit: int = 200


def run_once(services: Services, _hands: Hands, config: Config = Config()) -> Counts:
    """Give their cases back."""
    return {"unanswered": len(services.doors.questions.give_up(limit=config.limit, actor=ACTOR))}


SWEEP = Sweep(name="unanswered", every=timedelta(seconds=5), run_once=run_once)
