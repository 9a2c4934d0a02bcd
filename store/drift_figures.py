"""How much of what was proven drifts, by kind of EHR: looks of the last week and what they showed. No identifiers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from canonical.drift import ALARMS, Finding
from store.database import rows

if TYPE_CHECKING:
    import psycopg

#: One row for each connection, day and finding: it costs what a week has of those, whatever was looked at.
_LOOKS = """
SELECT k.adapter, t.finding, sum(t.looks)::bigint AS looks
  FROM drift_tallies t JOIN connections k ON k.id = t.connection_id
 WHERE t.day > (timezone('UTC', clock_timestamp()))::date - 7 GROUP BY k.adapter, t.finding ORDER BY k.adapter, t.finding
"""
#: Nothing can be said of a look that was refused.
_NO_LOOK = Finding.UNREADABLE
#: What counts as drift: what a person hears of, and what they would hear of if the EHR named anybody.
_DRIFT = frozenset({*ALARMS, Finding.NAMELESS})


@dataclass(frozen=True, kw_only=True)
class DriftFigure:
    """The looks of the last seven days at the EHRs of one ``adapter``, by what they showed."""

    adapter: str
    looks: dict[Finding, int]

    @property
    def per_1000(self) -> float:
        """How many of 1 000 looks showed drift; 0 where there was none to count."""
        looked = sum(count for finding, count in self.looks.items() if finding is not _NO_LOOK)
        return 1000 * sum(self.looks.get(finding, 0) for finding in _DRIFT) / looked if looked else 0.0


def drift_figures(connection: psycopg.Connection[Any]) -> tuple[DriftFigure, ...]:
    """Return a figure for each adapter at whose EHRs anything was looked at."""
    by_adapter: dict[str, dict[Finding, int]] = {}
    for row in rows(connection, _LOOKS):
        by_adapter.setdefault(row["adapter"], {})[Finding(row["finding"])] = row["looks"]
    return tuple(DriftFigure(adapter=adapter, looks=looks) for adapter, looks in by_adapter.items())
