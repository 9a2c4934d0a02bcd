"""Cases that are late or severe: going up a level, and the one alert at the start and the one at the end of each.

Fills ``canonical.case_watch.LateList``. While its author is asked, a case is not late.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import Engine

from canonical.case_kinds import MOST_SEVERE
from canonical.case_store import CaseAlert
from canonical.case_watch import LateCase
from canonical.reviewer import Pool
from store.causes import IS_WHOLLY_CLOSED, STANDS_FOR_ALL, WAS_TOLD
from store.database import rows, transaction

#: When case ``k`` is late.
IS_LATE = "(k.due_at <= clock_timestamp() AND (k.asked_until IS NULL OR k.asked_until <= clock_timestamp()))"
#: The two halves have an index each; a case that goes no further is in neither.
_LATE = f"""
SELECT k.id, k.severity, k.level, k.kind, n.name AS connection
  FROM cases k JOIN connections n ON n.id = k.connection_id
 WHERE k.closed_at IS NULL AND {IS_LATE} AND (k.up_at IS NULL OR k.up_at <= clock_timestamp())
 ORDER BY k.due_at, k.id LIMIT %(limit)s FOR UPDATE OF k SKIP LOCKED
"""
_UP = """
UPDATE cases SET level = level + %(steps)s, version = version + 1,
       up_at = coalesce(clock_timestamp() + %(wait)s::interval, 'infinity')
 WHERE id = %(case)s
"""
_ALERTED = "k.id, k.tenant, k.kind, k.pool, k.severity, k.level, n.name AS connection"
_BEGIN = f"""
SELECT {_ALERTED} FROM cases k JOIN connections n ON n.id = k.connection_id
 WHERE k.closed_at IS NULL AND k.alerted_at IS NULL AND (k.stands OR k.severity = {MOST_SEVERE})
   AND (k.severity = {MOST_SEVERE}
        OR (k.severity = ANY (%(paging)s::smallint[]) AND {IS_LATE} AND {STANDS_FOR_ALL} AND NOT {WAS_TOLD}))
 ORDER BY k.severity, k.due_at LIMIT %(limit)s FOR UPDATE OF k SKIP LOCKED
"""
_END = f"""
SELECT {_ALERTED} FROM cases k JOIN connections n ON n.id = k.connection_id
 WHERE k.alerted_at IS NOT NULL AND k.alert_over_at IS NULL AND k.closed_at IS NOT NULL AND {IS_WHOLLY_CLOSED}
 ORDER BY k.closed_at LIMIT %(limit)s FOR UPDATE OF k SKIP LOCKED
"""
_BEGUN = "UPDATE cases SET alerted_at = clock_timestamp() WHERE id = ANY (%(cases)s)"
_ENDED = "UPDATE cases SET alert_over_at = clock_timestamp() WHERE id = ANY (%(cases)s)"
#: As of now, for the figures: alerts that were told of and have not ended.
ALERTS = """
SELECT pool, severity, count(*) AS n FROM cases WHERE alerted_at IS NOT NULL AND alert_over_at IS NULL
 GROUP BY pool, severity ORDER BY pool, severity
"""


class LateCases:
    """Fills :class:`canonical.case_watch.LateList`. Thread-safe."""

    def __init__(self, engine: Engine) -> None:
        """Work on ``engine``."""
        self._engine = engine

    def raise_levels(self, *, limit: int, waits: Callable[[int, int], timedelta | None]) -> list[LateCase]:
        with transaction(self._engine) as connection:
            found = [LateCase(**row) for row in rows(connection, _LATE, {"limit": limit})]
            for case in found:
                goes_up = waits(case.severity, case.level) is not None
                wait = waits(case.severity, case.level + 1) if goes_up else None
                rows(connection, _UP, {"case": case.id, "steps": int(goes_up), "wait": wait})
        return [case for case in found if waits(case.severity, case.level) is not None]

    def begin_alerts(self, *, limit: int, paging: frozenset[int], tell: Callable[[CaseAlert], None]) -> int:
        return self._alerts(_BEGIN, _BEGUN, {"limit": limit, "paging": sorted(paging)}, tell, is_over=False)

    def end_alerts(self, *, limit: int, tell: Callable[[CaseAlert], None]) -> int:
        return self._alerts(_END, _ENDED, {"limit": limit}, tell, is_over=True)

    def _alerts(
        self, find: str, note: str, names: dict[str, object], tell: Callable[[CaseAlert], None], *, is_over: bool
    ) -> int:
        """Tell of each and note it in the same transaction: an alert that could not be told is told by the next run."""
        with transaction(self._engine) as connection:
            found = rows(connection, find, names)
            for row in found:
                told = {name: row[name] for name in ("tenant", "kind", "severity", "level", "connection")}
                tell(CaseAlert(case_id=row["id"], pool=Pool(row["pool"]), is_over=is_over, **told))
            rows(connection, note, {"cases": [row["id"] for row in found]})
        return len(found)
