"""Sweep: cases that nobody decided in time go up a level, and whoever must hear of a case hears of it once. No e-mail."""

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
    """How much at once."""

    limit: int = 200


def run_once(services: Services, _hands: Hands, config: Config = Config()) -> Counts:
    """Take late cases up by one level at most, and tell of alerts that begin and end."""
    queue, late = services.policies.queue, services.late_cases
    raised = late.raise_levels(limit=config.limit, waits=queue.escalation)
    for case in raised:
        log.info(
            "a case went up",
            action="case.escalated",
            case=case.id,
            kind=case.kind,
            severity=case.severity,
            level=case.level + 1,
            connection=case.connection,
        )
    tell = services.alerts.tell
    return {
        "escalated": len(raised),
        "alerts": late.begin_alerts(limit=config.limit, paging=queue.paging, tell=tell),
        "alerts_over": late.end_alerts(limit=config.limit, tell=tell),
    }


SWEEP = Sweep(name="overdue_cases", every=timedelta(seconds=5), run_once=run_once)
