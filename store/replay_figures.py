"""What became of what was replayed in the last week, by kind of EHR: is it in the chart now? No identifiers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from canonical.lifecycle import ENDED, NEEDS_PERSON, State
from canonical.replay import ON_ITS_WAY
from store.columns import listed
from store.database import rows

if TYPE_CHECKING:
    import psycopg

#: Of the item's command, or of the one given in its place; ranges of the index of what ended within the week.
_OUTCOMES = f"""
SELECT k.adapter, CASE WHEN NOT i.result IN ({", ".join(f"'{result}'" for result in sorted(ON_ITS_WAY))}) THEN i.result
                       WHEN c.state = '{State.VERIFIED}' THEN 'proven'
                       WHEN c.state IN ({listed(ENDED | NEEDS_PERSON)}) THEN 'not_proven'
                       ELSE 'under_way' END AS outcome, count(*) AS n
  FROM replay_items i JOIN replays r ON r.id = i.replay_id AND NOT r.dry_run
  JOIN connections k ON k.id = i.connection_id
  JOIN commands c ON c.id = coalesce(i.new_command, i.command_id)
 WHERE i.over_at > statement_timestamp() - interval '7 days' GROUP BY 1, 2 ORDER BY 1, 2
"""
PROVEN, NOT_PROVEN = "proven", "not_proven"


@dataclass(frozen=True, kw_only=True)
class ReplayFigure:
    """The items of the last seven days' replays at the EHRs of one ``adapter``, by what became of them."""

    adapter: str
    outcomes: dict[str, int]

    @property
    def success(self) -> float:
        """Return the part (0 to 1) that is proven to be in the chart, of what was sent again and is over; 0 where nothing is."""
        proven = self.outcomes.get(PROVEN, 0)
        over = proven + self.outcomes.get(NOT_PROVEN, 0)
        return proven / over if over else 0.0


def replay_figures(connection: psycopg.Connection[Any]) -> tuple[ReplayFigure, ...]:
    """Return a figure for each adapter at whose EHRs anything was replayed."""
    by_adapter: dict[str, dict[str, int]] = {}
    for row in rows(connection, _OUTCOMES):
        by_adapter.setdefault(row["adapter"], {})[row["outcome"]] = row["n"]
    return tuple(ReplayFigure(adapter=adapter, outcomes=outcomes) for adapter, outcomes in by_adapter.items())
