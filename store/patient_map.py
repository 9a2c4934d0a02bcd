"""The stored map of patients' identities: learning what an EHR says of merges, and marking the lanes that are one by it.

One commit under the locks of all lanes that it is about, so that two who learn at once leave no circle. It decides nothing
about any command.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from canonical import exact_json
from canonical.admission import patient_key
from canonical.case_kinds import CausePart
from canonical.patient_map import MapLine, lines_of, parts
from store.database import rows
from store.lane_joins import LanesChangedError, locked_together, mark
from store.parted import ask_about_parted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    import psycopg
    from psycopg.rows import DictRow

    from canonical.patient_trail import PatientTrail

_CONNECTION = "SELECT id FROM connections WHERE tenant = %(tenant)s AND name = %(connection)s"
#: A commit of its own, before any lane is locked; in the order of the keys, so that two who make the same ones do not cross.
_LANES = """
INSERT INTO lanes (tenant, connection_id, patient_key)
SELECT %(tenant)s, %(connection_id)s, k.key FROM unnest(%(keys)s::bytea[]) AS k (key)
 WHERE NOT EXISTS (SELECT 1 FROM lanes l WHERE l.connection_id = %(connection_id)s AND l.patient_key = k.key)
ON CONFLICT DO NOTHING
"""
_LANE_IDS = "SELECT id, patient_key FROM lanes WHERE connection_id = %(connection_id)s AND patient_key = ANY (%(keys)s)"
#: The last lines of these records, and of those that they lead to.
_KNOWN = """
WITH RECURSIVE led (key) AS (
  SELECT k.key FROM unnest(%(keys)s::bytea[]) AS k (key)
  UNION
  SELECT m.survivor_key FROM led CROSS JOIN LATERAL (
    SELECT survivor_key FROM patient_merges
     WHERE connection_id = %(connection_id)s AND patient_key = led.key ORDER BY id DESC LIMIT 1) m
   WHERE m.survivor_key IS NOT NULL)
SELECT DISTINCT ON (m.patient_key) m.id, m.patient_key, m.survivor_key
  FROM led JOIN patient_merges m ON m.connection_id = %(connection_id)s AND m.patient_key = led.key
 ORDER BY m.patient_key, m.id DESC
"""
#: A case of a merge stands with the others of that merge, also where it was opened before the merge was known.
_GATHER = """
UPDATE cases SET cause = %(cause)s, version = version + 1
 WHERE command_id = %(command)s AND kind = 'merged_patient' AND closed_at IS NULL AND cause IS NULL
"""
#: Merged records are read again from time to time: whether they still are.
_LOOK_AGAIN = """
UPDATE lanes SET merge_look_at = CASE WHEN id = ANY (%(merged)s) THEN clock_timestamp() + %(wait)s::interval END
 WHERE id = ANY (%(lanes)s)
"""
_TAKE = """
WITH taken AS (
  UPDATE lanes SET merge_look_at = clock_timestamp() + interval '1 hour'
   WHERE id = %(lane)s AND merge_look_at <= clock_timestamp() RETURNING tenant, connection_id, patient_key)
SELECT p.content FROM taken t
  JOIN LATERAL (SELECT names_digest FROM patient_merges m
                 WHERE m.connection_id = t.connection_id AND m.patient_key = t.patient_key
                 ORDER BY m.id DESC LIMIT 1) m ON true
  JOIN payloads p ON p.tenant = t.tenant AND p.digest = m.names_digest
"""
_NAMES = (
    "INSERT INTO payloads (tenant, digest, content) VALUES (%(tenant)s, %(digest)s, %(content)s) ON CONFLICT DO NOTHING"
)
_LINE = """
INSERT INTO patient_merges (tenant, connection_id, patient_key, survivor_key, told_by, names_digest)
VALUES (%(tenant)s, %(connection_id)s, %(patient_key)s, %(survivor_key)s, %(told_by)s, %(digest)s) RETURNING id
"""
#: How long a merge is believed before its record is read again.
LOOK_AGAIN_AFTER = timedelta(days=1)
#: Those who learn about the same lanes wait for each other; a lane that joins them meanwhile makes us begin again.
_TRIES = 3


def learn(session: psycopg.Connection[Any], trail: PatientTrail, *, tenant: str, connection: str) -> int | None:
    """Add to the map what ``trail`` says, and mark the lanes of those who were merged as one.

    Returns the line by which the trail's first record is known to be merged, ``None`` where it is not. A trail that leads to no
    record in use adds nothing.
    """
    connection_id = rows(session, _CONNECTION, {"tenant": tenant, "connection": connection})[0]["id"]
    names = {"tenant": tenant, "connection_id": connection_id}
    keys = {record: patient_key(tenant, connection, record) for record in _records(trail)}
    for _ in range(_TRIES):
        if trail.survivor is not None:
            rows(session, _LANES, names | {"keys": sorted(keys.values())})
        try:
            with session.transaction():
                return _learn(session, trail, keys, names)
        except LanesChangedError:
            continue
    return None


def _records(trail: PatientTrail) -> list[str]:
    return list(dict.fromkeys([trail.start, *(step.into for step in trail.steps)]))


def _learn(
    session: psycopg.Connection[Any], trail: PatientTrail, keys: Mapping[str, bytes], names: dict[str, Any]
) -> int | None:
    wanted = names | {"keys": sorted(keys.values())}
    lanes = {bytes(row["patient_key"]): row["id"] for row in rows(session, _LANE_IDS, wanted)}
    locked = locked_together(session, lanes.values())
    standing = {bytes(row["patient_key"]): row for row in rows(session, _KNOWN, wanted)}
    known = _known(standing, keys)
    lines = lines_of(trail, known)
    for line in lines:
        standing[keys[line.patient]] = added = _add(session, line, keys, names)
        if parts(line, known, lines):
            ask_about_parted(session, names["connection_id"], keys[line.patient], line=added["id"])
    if trail.survivor is not None:
        for step in trail.steps:
            mark(session, locked, lanes[keys[step.patient]], lanes[keys[step.into]])
    if trail.survivor is not None or trail.is_apart:
        _look_again(session, trail, keys, lanes)
    told = standing.get(keys[trail.start])
    return told["id"] if told is not None and told["survivor_key"] is not None else None


def _look_again(
    session: psycopg.Connection[Any], trail: PatientTrail, keys: Mapping[str, bytes], lanes: Mapping[bytes, int]
) -> None:
    merged = [lanes[keys[step.patient]] for step in trail.steps]
    rows(session, _LOOK_AGAIN, {"merged": merged, "lanes": list(lanes.values()), "wait": LOOK_AGAIN_AFTER})


def gather(session: psycopg.Connection[Any], command: UUID, line: int) -> None:
    """Let the open case of ``command`` about its patient's merge stand with the others of the merge that ``line`` tells of."""
    rows(session, _GATHER, {"command": command, "cause": f"{CausePart.MERGE.value}={line}"})


def take_merged(session: psycopg.Connection[Any], lane: int) -> str | None:
    """Return the merged record (``Patient/id``) of a lane's patient if it is to be read again, for whoever comes first."""
    found = rows(session, _TAKE, {"lane": lane})
    return str(exact_json.parse(bytes(found[0]["content"]))["patient"]) if found else None


def _known(standing: Mapping[bytes, DictRow], keys: Mapping[str, bytes]) -> dict[str, str | None]:
    """Return what is known of the trail's records by their names; of one that is not on the trail by its key."""
    called = {key: record for record, key in keys.items()}

    def name(key: bytes) -> str:
        return called.get(bytes(key), bytes(key).hex())

    led = ((key, row["survivor_key"]) for key, row in standing.items())
    return {name(key): None if into is None else name(into) for key, into in led}


def _add(session: psycopg.Connection[Any], line: MapLine, keys: Mapping[str, bytes], names: dict[str, Any]) -> DictRow:
    content = exact_json.canonical_bytes({"patient": line.patient, "into": line.into})
    stored = names | {
        "digest": hashlib.sha256(content).digest(),
        "content": content,
        "patient_key": keys[line.patient],
        "survivor_key": keys[line.into] if line.into is not None else None,
        "told_by": line.told_by,
    }
    rows(session, _NAMES, stored)
    return rows(session, _LINE, stored)[0] | {"survivor_key": stored["survivor_key"]}
