"""Settled writes by the million and some that are due, made by the database itself, for the bench of the drift sweep."""

from __future__ import annotations

from sqlalchemy import Engine

from canonical.ports import ConnectionSettings
from store.connections import sync_connections
from store.database import rows, transaction

TENANT, CONNECTION, PATIENTS, CHUNK = "bench", "ehr-1", 20_000, 200_000
_LANES = """
INSERT INTO lanes (tenant, connection_id, patient_key)
SELECT %(tenant)s, %(connection)s, sha256(n::text::bytea) FROM generate_series(1, %(patients)s) n
"""
_CONSENT = """
INSERT INTO consents (tenant, reference, patient_key, version, active, purposes, actions, apps, valid_from)
VALUES (%(tenant)s, gen_random_uuid()::text, '', 1, true, '{TREAT}', '{}', '{}', now()) RETURNING id
"""
#: Half of the settled are looked at some day, half never more; those that are due have been for up to a minute.
_WRITES = """
WITH made AS (
  INSERT INTO commands (id, tenant, app, connection_id, lane_id, lane_seq, subject, root, action_type, operation, state,
      state_reason, event_seq, attempts, received_at, consent_id, consent_version, switch_ids, envelope_digest, fingerprint,
      key_hash, correlation_id, author_digest, author_assurance)
  SELECT i, %(tenant)s, 'bench-app', %(connection)s, l.id, n, 'command:' || i, i,
         CASE WHEN n %% 2 = 0 THEN 'MedicationChange' ELSE 'VitalReading' END, 'record', 'verified', 'proven', 4, 1,
         now() - random() * interval '365 days', %(consent)s, 1, '{}', '', '', uuid_send(i), 'bench', 'bench', 'asserted'
    FROM (SELECT n, gen_random_uuid() AS i FROM generate_series(%(first)s::bigint, %(last)s::bigint) n) s
    JOIN (SELECT id, row_number() OVER (ORDER BY id) AS place FROM lanes) l ON l.place = 1 + n %% %(patients)s
  RETURNING id, action_type, received_at)
INSERT INTO watched_writes (command_id, tenant, connection_id, high_risk, proven_at, next_look_at)
SELECT id, %(tenant)s, %(connection)s, action_type = 'MedicationChange', received_at,
       CASE WHEN %(is_due)s THEN clock_timestamp() - random() * interval '1 minute'
            WHEN random() < 0.5 THEN clock_timestamp() + interval '1 hour' + random() * interval '90 days' END
  FROM made
"""


def fill(engine: Engine, *, settled: int, due: int, before: int = 0) -> int:
    """Make ``settled`` writes and ``due`` ones after ``before`` others were made; return the connection's id."""
    settings = ConnectionSettings(tenant=TENANT, name=CONNECTION, adapter="fhir_r4", base_url="http://127.0.0.1:9/fhir")
    connection_id = sync_connections(engine, [settings])[0].id
    names: dict[str, object] = {"tenant": TENANT, "connection": connection_id, "patients": PATIENTS}
    with transaction(engine) as connection:
        if not rows(connection, "SELECT 1 FROM lanes LIMIT 1"):
            rows(connection, _LANES, names)
        names["consent"] = rows(connection, _CONSENT, names)[0]["id"]
    for first in range(before, before + settled, CHUNK):
        _chunk(engine, names | {"is_due": False, "first": first, "last": min(first + CHUNK, before + settled) - 1})
    _chunk(engine, names | {"is_due": True, "first": before + settled, "last": before + settled + due - 1})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as session:
        session.exec_driver_sql("SET statement_timeout = 0")
        session.exec_driver_sql("VACUUM ANALYZE commands, watched_writes")
    return connection_id


def _chunk(engine: Engine, names: dict[str, object]) -> None:
    with transaction(engine) as connection:
        connection.execute("SET LOCAL statement_timeout = 0")
        connection.execute("SET LOCAL synchronous_commit = off")
        rows(connection, _WRITES, names)
