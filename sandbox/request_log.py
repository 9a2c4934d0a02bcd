"""Every request the EHR saw and what became of it; not an access log of the admin endpoint."""

import json
import sqlite3
from dataclasses import asdict, dataclass
from typing import Any

#: Headers worth keeping: what a write was guarded by, and what ties it to its sender's records.
KEPT_HEADERS = (
    "if-match",
    "if-none-exist",
    "if-none-match",
    "prefer",
    "idempotency-key",
    "x-correlation-id",
    "x-request-id",
    "traceparent",
)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One processed request.

    Args:
        at: arrival, seconds since 1970.
        status: what the client was sent, a status as text, or "dropped" or "hung" when it was sent nothing.
        answer: status the processing came to, even if it was not sent; None when nothing was processed.
        fault: name of the fault that was played on it.
    """

    at: float
    method: str
    path: str
    query: str
    interaction: str
    status: str
    answer: int | None
    client: str | None
    headers: dict[str, str]
    body_sha256: str
    reference: str | None
    version: str | None
    fault: str | None


def add(connection: sqlite3.Connection, entry: Entry) -> int:
    row = {**asdict(entry), "headers": json.dumps(entry.headers)}
    cursor = connection.execute(
        "INSERT INTO requests (at, method, path, query, interaction, status, answer, client, headers,"
        " body_sha256, reference, version, fault) VALUES (:at, :method, :path, :query, :interaction, :status,"
        " :answer, :client, :headers, :body_sha256, :reference, :version, :fault)",
        row,
    )
    assert cursor.lastrowid is not None  # noqa: S101 - an INSERT has one
    return cursor.lastrowid


def complete(
    connection: sqlite3.Connection, id: int, *, answer: int, reference: str | None, version: str | None
) -> None:
    """Add what the processing came to, where it ended after the request was logged."""
    connection.execute(
        "UPDATE requests SET answer = ?, reference = ?, version = ? WHERE id = ?",
        (answer, reference, version, id),
    )


def since(connection: sqlite3.Connection, id: int) -> list[dict[str, Any]]:
    """Entries after the one with this id, oldest first; `status` is a number where one was sent."""
    rows = connection.execute("SELECT * FROM requests WHERE id > ? ORDER BY id", (id,))
    return [
        {
            **dict(row),
            "headers": json.loads(row["headers"]),
            "status": int(row["status"]) if row["status"].isdigit() else row["status"],
        }
        for row in rows
    ]
