"""What happened in a window of time, for the report after an incident: which commands, and what was about. Reads only.

Each read is bounded by the window and by an index: the log by the order of its facts, cases, decisions and findings by theirs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import Engine

from canonical.drift import INCIDENT
from canonical.incident.records import KnownConnection, StoredCommand, Surroundings
from canonical.incident.report import CommandRecord, OwnWrite, RecordedCase, RecordedEvent, SwitchTurn
from store.database import rows, transaction
from store.incident_rows import CASE_COLUMNS, EVENTS, stored_commands

#: Cases that are asked once for a whole connection.
_OF_CONNECTION = (INCIDENT, "balance_open")
_CONNECTIONS = """
SELECT id, tenant, name, adapter FROM connections
 WHERE (%(tenant)s::text IS NULL OR tenant = %(tenant)s) AND (%(name)s::text IS NULL OR name = %(name)s) ORDER BY tenant, name
"""
_WINDOW = "{at} >= %(since)s AND {at} < %(until)s"
#: What something happened to: a fact, a question to a person, a decision, or a look that a person had to hear of.
TOUCHED = f"""
SELECT e.command_id AS id FROM events e WHERE {_WINDOW.format(at="e.at")}
UNION SELECT k.command_id FROM cases k WHERE {_WINDOW.format(at="k.opened_at")}
UNION SELECT d.command_id FROM decisions d WHERE d.tenant = ANY (%(tenants)s) AND {_WINDOW.format(at="d.at")}
UNION SELECT f.command_id FROM drift_findings f
       WHERE f.connection_id = ANY (%(connections)s) AND {_WINDOW.format(at="f.at")}
"""
_FIND = f"""
SELECT c.id FROM ({TOUCHED}) t JOIN commands c ON c.id = t.id
 WHERE c.connection_id = ANY (%(connections)s) ORDER BY c.received_at, c.id LIMIT %(most)s
"""
RELATED = """
SELECT r.id FROM commands r WHERE r.replay_of = ANY (%(commands)s)
UNION SELECT c.replay_of FROM commands c WHERE c.id = ANY (%(commands)s) AND c.replay_of IS NOT NULL
"""
_ORPHANS = f"""
SELECT DISTINCT e.command_id AS id, e.tenant FROM events e LEFT JOIN commands c ON c.id = e.command_id
 WHERE c.id IS NULL AND {_WINDOW.format(at="e.at")} AND (%(tenant)s::text IS NULL OR e.tenant = %(tenant)s) LIMIT %(most)s
"""
WRITES = """
SELECT o.command_id AS command, o.mark, o.reference, o.version_written AS version
  FROM commands c JOIN operations o ON o.command_id = c.id
 WHERE c.lane_id = ANY (%(lanes)s) AND (o.reference = ANY (%(references)s) OR o.reference IS NULL)
UNION
SELECT o.command_id, o.mark, o.reference, o.version_written FROM operations o WHERE o.command_id = ANY (%(marked)s)
"""
CONNECTION_CASES = f"""
SELECT n.tenant, n.name, {CASE_COLUMNS} FROM cases k JOIN connections n ON n.id = k.connection_id
 WHERE k.opened_at >= %(since)s AND k.connection_id = ANY (%(connections)s) AND k.kind = ANY (%(kinds)s) ORDER BY k.id
"""
_SWITCHES = f"""
SELECT tenant, kind, key, is_on, changed_by AS by, changed_at AS at FROM switches
 WHERE {_WINDOW.format(at="changed_at")} AND (tenant = '*' OR tenant = ANY (%(tenants)s)) AND changed_by IS NOT NULL
 ORDER BY changed_at
"""
_SWEEPS = "SELECT name, finished_at FROM sweeps"


class StoredIncidents:
    """Fills :class:`canonical.incident.records.IncidentRecords`. Thread-safe."""

    def __init__(self, engine: Engine) -> None:
        """Work on ``engine``."""
        self._engine = engine

    def connections(self, tenant: str | None, name: str | None) -> tuple[KnownConnection, ...]:
        with self._moment() as session:
            found = rows(session, _CONNECTIONS, {"tenant": tenant, "name": name})
        return tuple(KnownConnection(**row) for row in found)

    def count(self, connections: Sequence[KnownConnection], since: datetime, until: datetime, *, most: int) -> int:
        with self._moment() as session:
            return len(rows(session, _FIND, _window(connections, since, until) | {"most": most}))

    def commands(
        self, connections: Sequence[KnownConnection], since: datetime, until: datetime, *, most: int
    ) -> tuple[StoredCommand, ...]:
        with self._moment() as session:
            found = [row["id"] for row in rows(session, _FIND, _window(connections, since, until) | {"most": most})]
            related = [row["id"] for row in rows(session, RELATED, {"commands": found})]
            return stored_commands(session, list(dict.fromkeys([*found, *related])))

    def orphans(self, since: datetime, until: datetime, tenant: str | None, *, most: int) -> tuple[CommandRecord, ...]:
        names = {"since": since, "until": until, "tenant": tenant, "most": most}
        with self._moment() as session:
            found = {row["id"]: row["tenant"] for row in rows(session, _ORPHANS, names)}
            told: defaultdict[UUID, list[RecordedEvent]] = defaultdict(list)
            for row in rows(session, EVENTS, {"commands": list(found)}):
                told[row.pop("command_id")].append(RecordedEvent(**row))
        return tuple(
            CommandRecord(id=id_, tenant=owner, connection="", state="", unfit="no-command", events=tuple(told[id_]))
            for id_, owner in found.items()
        )

    def writes(self, lanes: Sequence[int], references: Sequence[str], marked: Sequence[UUID]) -> tuple[OwnWrite, ...]:
        names = {"lanes": list(lanes), "references": list(references), "marked": list(marked)}
        with self._moment() as session:
            found = rows(session, WRITES, names)
        return tuple(OwnWrite(**row) for row in found)

    def around(self, connections: Sequence[KnownConnection], since: datetime, until: datetime) -> Surroundings:
        names = _window(connections, since, until)
        cases: defaultdict[tuple[str, str], list[RecordedCase]] = defaultdict(list)
        with self._moment() as session:
            for row in rows(session, CONNECTION_CASES, names | {"kinds": list(_OF_CONNECTION)}):
                cases[row.pop("tenant"), row.pop("name")].append(RecordedCase(**row))
            switches = tuple(SwitchTurn(**row) for row in rows(session, _SWITCHES, names))
            sweeps = {row["name"]: row["finished_at"] for row in rows(session, _SWEEPS)}
        return Surroundings(cases={key: tuple(found) for key, found in cases.items()}, switches=switches, sweeps=sweeps)

    @contextmanager
    def _moment(self) -> Iterator[psycopg.Connection[Any]]:
        """Yield a session that sees one moment of the database and writes nothing."""
        with transaction(self._engine) as session:
            session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield session


def _window(connections: Sequence[KnownConnection], since: datetime, until: datetime) -> dict[str, Any]:
    return {
        "connections": [item.id for item in connections],
        "tenants": sorted({item.tenant for item in connections}),
        "since": since,
        "until": until,
    }
