"""One write costs one write, however many others are open: also right after an outage, when the planner knows of none."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from processes.condition import wait_until
from store.watch_list import WatchList
from tests.tasks.ward import Ward, heart_rate

SETTLED, OTHERS = 2_000, 400
#: Rows of indexes of the commands that one write reads from its claim to its proof, with room to spare.
MOST = 120
_READ = """
SELECT (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes i WHERE i.relid = t.relid)::int + seq_tup_read AS n,
       (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()) AS others
  FROM pg_stat_user_tables t WHERE relname = 'commands'
"""
#: Copies of one command, each of a lane of its own; the planner is left with what it knew before there were any.
_COPIES = """
WITH l AS (
  INSERT INTO lanes (tenant, connection_id, patient_key)
  SELECT tenant, connection_id, uuid_send(gen_random_uuid()) FROM lanes, generate_series(1, %(many)s) n WHERE lanes.id = %(lane)s
  RETURNING id),
m AS (SELECT l.id AS lane_id, gen_random_uuid() AS id FROM l)
INSERT INTO commands
SELECT r.* FROM m, commands c, jsonb_populate_record(c, jsonb_build_object('id', m.id, 'lane_id', m.lane_id, 'root', m.id,
       'subject', 'command:' || m.id, 'key_hash', uuid_send(m.id), 'due_at', clock_timestamp() + interval '1 day')) r
 WHERE c.id = %(command)s
"""


def read_by(ward: Ward, work: Callable[[], object]) -> int:
    """Return how many rows of the indexes of commands are read while ``work`` is done."""
    before = _read(ward)
    work()
    return _read(ward) - before


def _read(ward: Ward) -> int:
    """Return what was read so far by sessions that have ended: only then have they told all of it."""
    ward.engine.dispose()
    ward.close()
    assert wait_until(lambda: ward.query(_READ)[0]["others"] == 0, within=timedelta(seconds=30))
    return int(ward.query(_READ)[0]["n"])


@pytest.fixture
def crowded(ward: Ward) -> Ward:
    """A ward in which many commands have just been opened."""
    ward.query("ALTER TABLE commands SET (autovacuum_enabled = false)")
    settled = ward.submit()
    ward.run(settled.lane_id)
    ward.query(_COPIES, many=SETTLED, lane=settled.lane_id, command=settled.command_id)
    with ward.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as session:
        session.exec_driver_sql("VACUUM ANALYZE commands, lanes")
    accepted = ward.submit()
    ward.query(_COPIES, many=OTHERS, lane=accepted.lane_id, command=accepted.command_id)
    return ward


def test_a_write_from_its_claim_to_its_proof_reads_its_own_rows_alone(crowded: Ward) -> None:
    accepted = crowded.submit(heart_rate())
    read = read_by(crowded, lambda: crowded.run(accepted.lane_id))
    assert crowded.state(accepted.command_id) == "verified"
    assert read < MOST


def test_what_is_past_its_deadline_is_ended_one_by_one_at_the_cost_of_each(crowded: Ward) -> None:
    crowded.query("UPDATE commands SET not_after = clock_timestamp() - interval '1 minute' WHERE due_at > now()")
    watch_list = WatchList(crowded.engine, actor="test")
    # What is due is found by looking at all that may be, once; ending each adds a few rows.
    read = read_by(crowded, lambda: watch_list.expire_overdue(limit=OTHERS))
    assert crowded.query("SELECT count(*) AS n FROM commands WHERE state = 'expired'") == [{"n": OTHERS}]
    assert read < 12 * OTHERS
