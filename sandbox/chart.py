"""The chart: every version of every resource, current now or a while ago; not the rules of writing it."""

import re
import sqlite3
import uuid
from dataclasses import dataclass
from typing import Any, Self

from sandbox import written_json
from sandbox.answers import instant
from sandbox.search_index import index_dates, index_values
from sandbox.settings import Behaviour, VersionForm

#: What the EHR's own numbers start after.
_FIRST_NUMBER = 12_793_860


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredVersion:
    """One version of one resource. `body` is the JSON as it is served; it is empty for a deletion."""

    type: str
    id: str
    ordinal: int
    version: str
    deleted: bool
    body: str
    source: str | None
    stored_at: float

    @classmethod
    def from_row(cls, row: sqlite3.Row) -> Self:
        return cls(
            type=row["type"],
            id=row["id"],
            ordinal=row["ordinal"],
            version=row["version"],
            deleted=bool(row["deleted"]),
            body=row["body"],
            source=row["source"],
            stored_at=row["stored_at"],
        )

    @property
    def reference(self) -> str:
        return f"{self.type}/{self.id}"


@dataclass(frozen=True, kw_only=True)
class Chart:
    """The chart seen through one connection; `base` is the FHIR base URL its references are relative to."""

    connection: sqlite3.Connection
    base: str
    behaviour: Behaviour

    def current(self, type: str, id: str, *, as_of: float | None = None) -> StoredVersion | None:
        """The current version, a deletion included; with `as_of` (seconds since 1970) that of then."""
        if as_of is None:
            row = self.connection.execute(
                "SELECT * FROM versions WHERE type = ? AND id = ? AND superseded_at IS NULL", (type, id)
            ).fetchone()
        else:
            row = self.connection.execute(
                "SELECT * FROM versions WHERE type = ? AND id = ? AND stored_at <= ?"
                " AND (superseded_at IS NULL OR superseded_at > ?) ORDER BY seq DESC",
                (type, id, as_of, as_of),
            ).fetchone()
        return StoredVersion.from_row(row) if row else None

    def version(self, type: str, id: str, version: str) -> StoredVersion | None:
        row = self.connection.execute(
            "SELECT * FROM versions WHERE type = ? AND id = ? AND version = ?", (type, id, version)
        ).fetchone()
        return StoredVersion.from_row(row) if row else None

    def history(self, type: str, id: str) -> list[StoredVersion]:
        """All versions, oldest first."""
        rows = self.connection.execute("SELECT * FROM versions WHERE type = ? AND id = ? ORDER BY seq", (type, id))
        return [StoredVersion.from_row(row) for row in rows]

    def resources(self, type: str | None) -> list[StoredVersion]:
        """Everything that is current and not deleted, in the order it was stored."""
        rows = self.connection.execute(
            "SELECT * FROM versions WHERE superseded_at IS NULL AND NOT deleted AND (? IS NULL OR type = ?)"
            " ORDER BY seq",
            (type, type),
        )
        return [StoredVersion.from_row(row) for row in rows]

    def store(
        self,
        resource: dict[str, Any],
        *,
        id: str | None = None,
        at: float,
        source: str | None = None,
    ) -> StoredVersion:
        """Store the next version of a resource; without an id it is a new one.

        Args:
            resource: a checked FHIR resource; its id, meta.versionId and meta.lastUpdated are replaced.
            id: logical id.
            at: seconds since 1970.
            source: who wrote it, where that is not a client of the FHIR interface.
        """
        resource_type = resource["resourceType"]
        resource_id = id or self.new_id(resource_type)
        ordinal, version = self._next_version(resource_type, resource_id)
        meta = {**(resource.get("meta") or {}), "versionId": version, "lastUpdated": instant(at)}
        if self.hides_versions(resource_type):
            del meta["versionId"]
        rest = {name: value for name, value in resource.items() if name not in {"resourceType", "id", "meta"}}
        body = written_json.dumps({"resourceType": resource_type, "id": resource_id, "meta": meta, **rest})
        stored = StoredVersion(
            type=resource_type,
            id=resource_id,
            ordinal=ordinal,
            version=version,
            deleted=False,
            body=body,
            source=source,
            stored_at=at,
        )
        self._index(self._insert(stored), resource)
        return stored

    def delete(self, current: StoredVersion, *, at: float, source: str | None = None) -> StoredVersion:
        ordinal, version = self._next_version(current.type, current.id)
        stored = StoredVersion(
            type=current.type,
            id=current.id,
            ordinal=ordinal,
            version=version,
            deleted=True,
            body="",
            source=source,
            stored_at=at,
        )
        self._insert(stored)
        return stored

    def new_id(self, type: str) -> str:
        """A logical id nothing has yet."""
        form = self.behaviour.id_forms.get(type)
        return form.format(number=self._number()) if form else str(uuid.uuid4())

    def _number(self) -> int:
        number = self.connection.execute("INSERT INTO numbers DEFAULT VALUES").lastrowid
        assert number is not None  # noqa: S101 - an INSERT has one
        return _FIRST_NUMBER + number

    def hides_versions(self, type: str) -> bool:
        """Whether the EHR keeps the version ids of a type to itself."""
        return self._form(type) == "none"

    def _form(self, type: str) -> VersionForm:
        return self.behaviour.version_ids_of.get(type, self.behaviour.version_ids)

    def _next_version(self, type: str, id: str) -> tuple[int, str]:
        (last,) = self.connection.execute(
            "SELECT coalesce(max(ordinal), 0) FROM versions WHERE type = ? AND id = ?", (type, id)
        ).fetchone()
        return last + 1, self._version_id(self._form(type), id, last + 1)

    def _version_id(self, form: VersionForm, id: str, ordinal: int) -> str:
        if form == "uuid":
            return str(uuid.uuid4())
        if form == "zero":
            return str(ordinal - 1)
        if form == "dashed":
            return f"{9 + ordinal}-1"
        if form == "number":
            # The first version bears the id's own number, the later ones any number.
            of_id = re.fullmatch(r"[A-Za-z\-]*(\d+)", id)
            return of_id[1] if ordinal == 1 and of_id else str(self._number())
        return str(ordinal)

    def _insert(self, stored: StoredVersion) -> int:
        self.connection.execute(
            "UPDATE versions SET superseded_at = ? WHERE type = ? AND id = ? AND superseded_at IS NULL",
            (stored.stored_at, stored.type, stored.id),
        )
        cursor = self.connection.execute(
            "INSERT INTO versions (type, id, ordinal, version, deleted, body, source, stored_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                stored.type,
                stored.id,
                stored.ordinal,
                stored.version,
                stored.deleted,
                stored.body,
                stored.source,
                stored.stored_at,
            ),
        )
        assert cursor.lastrowid is not None  # noqa: S101 - an INSERT has one
        return cursor.lastrowid

    def _index(self, seq: int, resource: dict[str, Any]) -> None:
        name = resource["resourceType"]
        self.connection.executemany(
            "INSERT INTO search_values (seq, type, param, system, value) VALUES (?, ?, ?, ?, ?)",
            [(seq, name, *value) for value in index_values(name, resource, base=self.base)],
        )
        self.connection.executemany(
            "INSERT INTO search_dates (seq, type, param, low, high) VALUES (?, ?, ?, ?, ?)",
            [(seq, name, *date) for date in index_dates(name, resource)],
        )
