"""A review queue of any size, made by the database itself: open cases of many kinds, closed ones of a year, and what they need.

Commands that no case was ever opened for are left out: the queue does not read them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import Engine

from canonical import exact_json
from canonical.ports import ConnectionSettings
from store.connections import sync_connections
from store.database import rows, transaction

TENANT = "bench"
CONNECTIONS = 4
#: Of a hundred thousand; a lane a patient.
PATIENTS = 20_000
#: Rows made by one statement: a checkpoint between two of them is shorter.
CHUNK = 100_000
#: (kind, pool, severity, of a thousand open cases, action)
_KINDS: tuple[tuple[str, str, int, int, str], ...] = (
    ("conflict", "clinical", 2, 400, "MedicationChange"),
    ("awaiting_approval", "clinical", 3, 250, "AllergyUpdate"),
    ("implausible_value", "clinical", 4, 100, "VitalReading"),
    ("rejected_site_config", "operations", 3, 200, "VitalReading"),
    ("cannot_tell", "clinical", 1, 49, "VitalReading"),
    ("locked", "clinical", 3, 1, "ProblemUpdate"),
)
_ENVELOPE: dict[str, Any] = {
    "connection": "ehr-1",
    "action": {
        "type": "VitalReading",
        "operation": "record",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}], "text": "Heart rate"},
        "valueQuantity": {"value": 72, "unit": "beats/min", "system": "http://unitsofmeasure.org", "code": "/min"},
        "effectiveDateTime": "2026-03-08T09:30:00-05:00",
    },
    "patient": {"reference": "Patient/p@n", "birthDate": "1961-04-02", "family": "Bench@n"},
    "author": {"role": "nurse"},
    "consent": {"reference": "bench"},
}
_LANES = """
INSERT INTO lanes (tenant, connection_id, patient_key)
SELECT %(tenant)s, (%(connections)s::bigint[])[1 + n %% %(many)s], sha256(n::text::bytea) FROM generate_series(1, %(patients)s) n
"""
_CONSENT = """
INSERT INTO consents (tenant, reference, patient_key, version, active, purposes, actions, apps, valid_from)
VALUES (%(tenant)s, 'bench', '', 1, true, '{TREAT}', '{}', '{}', now()) RETURNING id
"""
#: What one chunk is made from: the order of ``n`` is no order of time, severity or kind.
_MADE = """
CREATE TEMP TABLE made ON COMMIT DROP AS
SELECT n, gen_random_uuid() AS id, l.id AS lane_id, l.connection_id, n / %(patients)s AS lane_seq, w.kind, w.pool, w.severity,
       w.action, %(is_open)s AS is_open, p.content, sha256(p.content) AS digest,
       now() - random() * CASE WHEN %(is_open)s THEN interval '6 days' ELSE interval '365 days' END AS opened_at
  FROM generate_series(%(first)s::bigint, %(last)s::bigint) n
  JOIN (SELECT id, connection_id, row_number() OVER (ORDER BY id) AS place FROM lanes) l ON l.place = 1 + n %% %(patients)s
  CROSS JOIN LATERAL (SELECT floor(random() * 1000 + 0 * n)::int AS drawn) r
  JOIN LATERAL (
    SELECT kind, pool, severity, action FROM unnest(
             %(kinds)s::text[], %(pools)s::text[], %(severities)s::smallint[], %(until)s::int[], %(actions)s::text[]
           ) AS w (kind, pool, severity, till, action)
     WHERE r.drawn < w.till ORDER BY w.till LIMIT 1) w ON true
  CROSS JOIN LATERAL (SELECT convert_to(replace(%(envelope)s, '@n', (CASE WHEN %(is_open)s THEN n ELSE n %% 1000 END)::text),
                                        'UTF8') AS content) p
"""
_STEPS = (
    """
    INSERT INTO payloads (tenant, digest, content) SELECT DISTINCT ON (digest) %(tenant)s, digest, content FROM made
        ON CONFLICT DO NOTHING
    """,
    """
    INSERT INTO commands (id, tenant, app, connection_id, lane_id, lane_seq, subject, root, action_type, operation, state,
        state_reason, event_seq, attempts, received_at, consent_id, consent_version, switch_ids, envelope_digest, fingerprint,
        key_hash, correlation_id, author_digest, author_assurance)
    SELECT id, %(tenant)s, 'bench-app', connection_id, lane_id, lane_seq, 'command:' || id, id, action, 'record',
           CASE WHEN is_open THEN 'in_review' WHEN n %% 4 = 0 THEN 'rejected' ELSE 'verified' END, '', 2, 1, opened_at,
           %(consent)s, 1, '{}', digest, digest, uuid_send(id), 'bench-' || n, 'bench', 'asserted' FROM made
    """,
    """
    INSERT INTO cases (tenant, command_id, connection_id, action_type, kind, pool, severity, opened_at, due_at, rounds,
        first_look_at, closed_at, closed_reason, closed_by, cause)
    SELECT %(tenant)s, id, connection_id, action, kind, pool, severity, opened_at, opened_at + interval '1 hour' * 4 ^ severity,
           (n %% 20 = 0)::int, opened_at + random() * interval '2 hours',
           CASE WHEN NOT is_open THEN opened_at + interval '2 hours' + random() * interval '4 hours' END,
           CASE WHEN NOT is_open THEN CASE n %% 10 WHEN 0 THEN 'moot' WHEN 1 THEN 'reject' ELSE 'resolve' END END,
           CASE WHEN NOT is_open THEN 'person:' || n %% 50 END,
           CASE WHEN pool = 'operations' THEN 'action=' || action || ' code=SITE-' || n %% 3 END FROM made
    """,
    """
    INSERT INTO case_views (id, tenant, case_id, shown_to, at, chart_digest, content_digest)
    SELECT m.id, %(tenant)s, k.id, 'person:' || m.n %% 50, coalesce(k.closed_at, now()) - interval '1 minute', '', m.digest
      FROM made m JOIN cases k ON k.command_id = m.id WHERE m.n %% CASE WHEN m.is_open THEN 2 ELSE 4 END = 0
    """,
    """
    INSERT INTO decisions (tenant, case_id, command_id, view_id, verb, stage, person, person_name, licences, at, reason,
        policy_version, changed)
    SELECT %(tenant)s, k.id, m.id, CASE WHEN m.n %% 4 = 0 THEN m.id END, k.closed_reason, 'final',
           k.closed_by, 'Bench', '{}', k.closed_at, '', 'bench',
           m.n %% 5 = 0
      FROM made m JOIN cases k ON k.command_id = m.id WHERE NOT m.is_open
    """,
    """
    INSERT INTO events (tenant, command_id, seq, at, trigger, source, target, reason, actor)
    SELECT %(tenant)s, id, s, opened_at, 'accepted', '', 'in_review', '', 'bench' FROM made, generate_series(1, 2) s WHERE is_open
    """,
    #: Some wait behind: a correction of what a case holds up.
    """
    INSERT INTO commands (id, tenant, app, connection_id, lane_id, lane_seq, subject, root, action_type, operation, state,
        state_reason, event_seq, received_at, consent_id, consent_version, switch_ids, envelope_digest, fingerprint,
        key_hash, correlation_id, author_digest, author_assurance)
    SELECT gen_random_uuid(), %(tenant)s, 'bench-app', connection_id, lane_id, 1000000 + lane_seq, 'command:' || id, id, action,
           'correct', 'ready', '', 2, opened_at, %(consent)s, 1, '{}', digest, digest, sha256(uuid_send(id)), 'behind-' || n,
           'bench', 'asserted' FROM made WHERE is_open AND n %% 20 = 0
    """,
)


def fill(engine: Engine, *, open_cases: int, closed: int) -> None:
    """Make ``open_cases`` and ``closed`` cases with their commands, looks and decisions, and have the planner's figures taken."""
    settings = [
        ConnectionSettings(tenant=TENANT, name=f"ehr-{n}", adapter="fhir_r4", base_url="http://127.0.0.1:9/fhir")
        for n in range(1, CONNECTIONS + 1)
    ]
    names: dict[str, Any] = {
        "tenant": TENANT,
        "patients": PATIENTS,
        "connections": [row.id for row in sync_connections(engine, settings)],
        "many": CONNECTIONS,
        "envelope": exact_json.dumps(_ENVELOPE),
        **_drawing(),
    }
    with _loading(engine) as connection:
        rows(connection, _LANES, names)
        names["consent"] = rows(connection, _CONSENT, names)[0]["id"]
    for first in range(0, closed, CHUNK):
        _chunk(engine, names | {"is_open": False, "first": first, "last": min(first + CHUNK, closed) - 1})
    for first in range(0, open_cases, CHUNK):
        last = min(first + CHUNK, open_cases) - 1
        _chunk(engine, names | {"is_open": True, "first": closed + first, "last": closed + last})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as session:
        session.exec_driver_sql("SET statement_timeout = 0")
        session.exec_driver_sql("VACUUM ANALYZE")


@contextmanager
def _loading(engine: Engine) -> Iterator[psycopg.Connection[Any]]:
    """Yield a transaction that may take long, and whose commit need not wait for a disk: the data is made up."""
    with transaction(engine) as connection:
        connection.execute("SET LOCAL statement_timeout = 0")
        connection.execute("SET LOCAL synchronous_commit = off")
        yield connection


def _drawing() -> dict[str, Any]:
    """Return the kinds as columns, with the mark below which a number of a thousand draws each."""
    until, marks = 0, []
    for row in _KINDS:
        until += row[3]
        marks.append(until)
    kinds, pools, severities, _, actions = (list(column) for column in zip(*_KINDS, strict=True))
    return {"kinds": kinds, "pools": pools, "severities": severities, "until": marks, "actions": actions}


def _chunk(engine: Engine, names: dict[str, Any]) -> None:
    with _loading(engine) as connection:
        rows(connection, _MADE, names)
        rows(connection, "ANALYZE made")
        for step in _STEPS:
            rows(connection, step, names)
