"""Connections and switches as the claim sees them: rows made from settings before a command may rely on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from store.database import rows, transaction

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Engine

    from canonical.ports import ConnectionSettings

_UPSERT = """
INSERT INTO connections (tenant, name, adapter, max_in_flight, lease, quarantine)
VALUES (%(tenant)s, %(name)s, %(adapter)s, %(max_in_flight)s, %(lease)s, %(quarantine)s)
ON CONFLICT (tenant, name) DO UPDATE SET adapter = excluded.adapter, max_in_flight = excluded.max_in_flight,
       lease = excluded.lease, quarantine = excluded.quarantine
RETURNING id
"""
_SLOTS = """
INSERT INTO slots (connection_id, no) SELECT %(id)s, generate_series(1, %(max_in_flight)s) ON CONFLICT DO NOTHING
"""
_SURPLUS = "DELETE FROM slots WHERE connection_id = %(id)s AND no > %(max_in_flight)s AND until < clock_timestamp()"
_SWITCH = """
INSERT INTO switches (tenant, kind, key) VALUES (%(tenant)s, %(kind)s, %(key)s) ON CONFLICT DO NOTHING
"""
_SWITCH_IDS = """
SELECT id FROM switches
 WHERE (tenant, kind, key) IN (SELECT * FROM unnest(%(t)s::text[], %(k)s::text[], %(y)s::text[]))
"""
_FLIP = """
INSERT INTO switches (tenant, kind, key, is_on, reason, changed_by, changed_at)
VALUES (%(tenant)s, %(kind)s, %(key)s, %(on)s, %(reason)s, %(by)s, clock_timestamp())
ON CONFLICT (tenant, kind, key) DO UPDATE SET is_on = excluded.is_on, reason = excluded.reason,
       changed_by = excluded.changed_by, changed_at = excluded.changed_at
RETURNING xmax = 0 AS is_new
"""


@dataclass(frozen=True, kw_only=True)
class ConnectionRow:
    """A connection's place in the database."""

    id: int
    tenant: str
    name: str


def sync_connections(engine: Engine, settings: Iterable[ConnectionSettings]) -> list[ConnectionRow]:
    """Make the connections table say what the settings say; called when a process starts."""
    found = []
    with transaction(engine) as connection:
        for item in settings:
            parameters: dict[str, Any] = {
                "tenant": item.tenant,
                "name": item.name,
                "adapter": item.adapter,
                "max_in_flight": item.max_in_flight,
                "lease": item.timings.lease,
                "quarantine": item.timings.quarantine,
            }
            parameters["id"] = rows(connection, _UPSERT, parameters)[0]["id"]
            rows(connection, _SLOTS, parameters)
            rows(connection, _SURPLUS, parameters)
            found.append(ConnectionRow(id=parameters["id"], tenant=item.tenant, name=item.name))
    return found


def find_connection(engine: Engine, *, tenant: str, name: str) -> ConnectionRow | None:
    """Return the tenant's connection ``name``, if there is one."""
    with transaction(engine) as connection:
        found = rows(
            connection,
            "SELECT id FROM connections WHERE tenant = %(t)s AND name = %(n)s",
            {"t": tenant, "n": name},
        )
    return ConnectionRow(id=found[0]["id"], tenant=tenant, name=name) if found else None


def ensure_switches(engine: Engine, *, tenant: str, connection: str, app: str, action: str) -> tuple[int, ...]:
    """Return the ids of the switches that govern such a command, making those that do not exist yet (on).

    All of them must be on, and all must exist, when the command is claimed.
    """
    wanted = [
        ("*", "service", "*"),
        (tenant, "tenant", tenant),
        (tenant, "connection", connection),
        (tenant, "app", app),
        (tenant, "action", action),
    ]
    columns = [list(column) for column in zip(*wanted, strict=True)]
    named = dict(zip("tky", columns, strict=True))
    with transaction(engine) as session:
        found = rows(session, _SWITCH_IDS, named)
        if len(found) < len(wanted):
            for row in wanted:
                rows(session, _SWITCH, dict(zip(("tenant", "kind", "key"), row, strict=True)))
            found = rows(session, _SWITCH_IDS, named)
    return tuple(sorted(row["id"] for row in found))


def flip_switch(engine: Engine, *, tenant: str, kind: str, key: str, on: bool, reason: str, by: str) -> bool:
    """Turn one switch on or off; effective with the next claim. ``kind``: service, tenant, connection, app or action.

    Returns whether it is new: neither turned before nor needed by any command.
    """
    with transaction(engine) as connection:
        turned = rows(
            connection,
            _FLIP,
            {"tenant": tenant, "kind": kind, "key": key, "on": on, "reason": reason, "by": by},
        )
    return bool(turned[0]["is_new"])


def connection_names(engine: Engine, *, tenant: str) -> list[str]:
    """Return the names of the tenant's connections, also of those that commands remember and no file names any more."""
    with transaction(engine) as connection:
        found = rows(connection, "SELECT name FROM connections WHERE tenant = %(t)s ORDER BY name", {"t": tenant})
    return [row["name"] for row in found]
