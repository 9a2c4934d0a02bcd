"""Sweep: the days that are over are balanced, and balanced again until all of them has ended. It counts; it moves nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from reconcile.sweep import Counts, Hands, Sweep

if TYPE_CHECKING:
    from config.wiring import Services

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Config:
    """How many days of tenants at once."""

    limit: int = 50


def run_once(services: Services, _hands: Hands, config: Config = Config()) -> Counts:
    """Count each day that is due; what does not close is told by command, and asked of a person for each connection."""
    book, unfit = services.balance_days, 0
    due = book.due(limit=config.limit)
    for tenant, day in due:
        sheet = book.count(tenant, day)
        for one in sheet.unfit:
            log.error("does not balance", action="balance.unfit", command=str(one.id), why=one.why, day=day.isoformat())
        unfit += len(sheet.unfit)
    return {"days": len(due), "unfit": unfit, "closed_again": book.end_cases()}


SWEEP = Sweep(name="balance", every=timedelta(seconds=5), run_once=run_once)
