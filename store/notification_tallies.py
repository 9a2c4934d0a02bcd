"""How often each thing happened to notifications, by connection and day. Counts alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from store.database import rows

if TYPE_CHECKING:
    import psycopg

#: In one order everywhere, so that two at once never wait for each other's row.
_COUNT = """
INSERT INTO notification_tallies (connection_id, day, result, tenant, many)
SELECT %(connection)s, (timezone('UTC', clock_timestamp()))::date, n.result, %(tenant)s, n.many
  FROM unnest(%(results)s::text[], %(counts)s::bigint[]) AS n (result, many) ORDER BY n.result
ON CONFLICT (connection_id, day, result) DO UPDATE SET many = notification_tallies.many + excluded.many
"""
_LAST_WEEK = """
SELECT k.name, t.result, sum(t.many)::bigint AS many
  FROM notification_tallies t JOIN connections k ON k.id = t.connection_id
 WHERE t.day > (timezone('UTC', clock_timestamp()))::date - 7 GROUP BY k.name, t.result ORDER BY k.name, t.result
"""


def count_results(
    connection: psycopg.Connection[Any], *, connection_id: int, tenant: str, counts: Mapping[Any, int]
) -> None:
    """Add ``counts`` by result to today's of the connection."""
    found = {result: many for result, many in counts.items() if many}
    names = {
        "connection": connection_id,
        "tenant": tenant,
        "results": [str(result) for result in found],
        "counts": list(found.values()),
    }
    rows(connection, _COUNT, names)


def notification_figures(connection: psycopg.Connection[Any]) -> dict[tuple[str, str], int]:
    """Return the counts of the last seven days by name of connection and result."""
    return {(row["name"], row["result"]): row["many"] for row in rows(connection, _LAST_WEEK)}
