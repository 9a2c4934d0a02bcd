"""Sweep: writes that the EHR keeps for its own staff. Looked for until they show; past their time a person asks. Never resent.

It finds what is due and hands it on; the look itself is ``acceptance_look.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from canonical.acceptance import TIME_BOX_DEFAULT, Allowance, asked_at_once, time_box
from reconcile.sweep import Counts, Hands, Sweep

if TYPE_CHECKING:
    from config.wiring import Services


@dataclass(frozen=True, kw_only=True)
class Config:
    """How much at once; how long the staff may take and how often an EHR is asked are options of its connection."""

    limit: int = 100


def run_once(services: Services, hands: Hands, config: Config = Config()) -> Counts:
    """Have each that is due asked for, and hand those past their time to a person: sending again could write it twice."""
    allowances = _allowances(services)
    writes = services.acceptance_look.writes
    ended = writes.end_time_boxes(allowances, limit=config.limit, otherwise=TIME_BOX_DEFAULT)
    asked = sum(hands.inquire(command) for command in writes.due(allowances))
    return {"to_review": len(ended), "asked": asked}


def _allowances(services: Services) -> Sequence[Allowance]:
    return [
        Allowance(
            tenant=settings.tenant,
            name=settings.name,
            most=asked_at_once(settings.options),
            time_box=time_box(settings.options),
        )
        for settings in services.connections.values()
    ]


SWEEP = Sweep(name="pending_remote", every=timedelta(seconds=5), run_once=run_once)
