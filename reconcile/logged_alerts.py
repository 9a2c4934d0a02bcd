"""Alerts of the review queue as lines of the log: what whoever runs the service routes to a pager. No mail, no patient."""

from __future__ import annotations

import structlog

from canonical.case_store import CaseAlert

log = structlog.get_logger()


class LoggedAlerts:
    """Fills :class:`canonical.case_watch.Alerts`: ``case.alert`` when one begins, ``case.alert_over`` when it ends."""

    def tell(self, alert: CaseAlert) -> None:
        said = {
            "case": alert.case_id,
            "kind": alert.kind,
            "severity": alert.severity,
            "level": alert.level,
            "pool": alert.pool.value,
            "connection": alert.connection,
        }
        if alert.is_over:
            log.info("an alert is over", action="case.alert_over", **said)
        else:
            log.warning("a case needs somebody now", action="case.alert", **said)
