"""The holding tank: what a client wrote and no clinician took yet, unseen by reads and searches; not the chart."""

import sqlite3
import uuid
from typing import Any

from sandbox import written_json
from sandbox.answers import Refusal
from sandbox.chart import Chart, StoredVersion
from sandbox.personality import Resource, Situation


def hold(at: Situation, resource: Resource, id: str | None) -> StoredVersion:
    """Keep a new resource for a clinician; the answer names it as if it were in the chart."""
    resource_id = id or str(uuid.uuid4())
    at.chart.connection.execute(
        "INSERT INTO held (type, resource_id, body, at) VALUES (?, ?, ?, ?)",
        (at.call.type, resource_id, written_json.dumps(resource), at.call.now),
    )
    return StoredVersion(
        type=at.call.type,
        id=resource_id,
        ordinal=0,
        version="0",
        deleted=False,
        body=written_json.dumps({**resource, "id": resource_id}),
        source=None,
        stored_at=at.call.now,
    )


def held(connection: sqlite3.Connection) -> list[str]:
    """What waits, oldest first, each as JSON: number, reference, at, resource."""
    rows = connection.execute("SELECT * FROM held ORDER BY id")
    return [written_json.dumps(_shown(row)) for row in rows]


def _shown(row: sqlite3.Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "reference": f"{row['type']}/{row['resource_id']}",
        "at": row["at"],
        "resource": written_json.loads(row["body"]),
    }


def decide(chart: Chart, number: int, *, accept: bool, at: float) -> str:
    """A clinician takes what waits into the chart, or turns it down; the reference it has or had.

    Raises:
        Refusal: 404, nothing waits under this number.
    """
    row = chart.connection.execute("DELETE FROM held WHERE id = ? RETURNING *", (number,)).fetchone()
    if row is None:
        raise Refusal(404, "not-found", "Nothing waits under this number.")
    if accept:
        chart.store(written_json.loads(row["body"]), id=row["resource_id"], at=at, source="clinician")
    return f"{row['type']}/{row['resource_id']}"
