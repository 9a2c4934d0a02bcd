"""Holding an app's writes while two systems undo each other: in the very commit of the claim, and nobody else's."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from canonical.drift_plan import drift_plan
from canonical.echo import LOOP
from canonical.echo_plan import echo_plan
from canonical.ports import Surrounding
from store.database import rows, transaction
from store.echo_book import DUE, StoredEchoes
from store.loop_holds import note_undone
from tests.tasks.ward import Ward


def open_loop(ward: Ward, command: UUID) -> None:
    ward.query(
        "WITH k AS (INSERT INTO cases (tenant, command_id, connection_id, action_type, kind, pool, severity, holds)"
        f" SELECT tenant, id, connection_id, action_type, '{LOOP}', 'operations', 1, false FROM commands WHERE id = %(id)s"
        " RETURNING id) INSERT INTO write_loops (case_id, tenant, lane_id, subject, app)"
        " SELECT k.id, tenant, lane_id, subject, app FROM k, commands c WHERE c.id = %(id)s",
        id=command,
    )


def test_a_loop_that_is_found_after_the_gate_is_held_by_the_claim(ward: Ward) -> None:
    accepted = ward.submit()
    assert accepted.lane_id is not None
    with ward.lanes().hold(accepted.lane_id) as lane:
        assert lane is not None
        command = lane.load(accepted.command_id)
        assert not command.governance.in_loop
        (operation,) = ward.chart.plan(command, Surrounding())
        open_loop(ward, accepted.command_id)
        assert lane.claim(command, operation) is None
        assert lane.load(accepted.command_id).governance.in_loop
    ward.run(accepted.lane_id)
    assert (ward.state(accepted.command_id), ward.chart.sent) == ("parked", [])
    ward.query("UPDATE cases SET closed_at = clock_timestamp()")
    ward.query("UPDATE commands SET state = 'ready' WHERE id = %(id)s", id=accepted.command_id)
    ward.run(accepted.lane_id)
    assert ward.state(accepted.command_id) == "verified"


def test_an_undoing_counts_once_for_each_write_and_not_after_its_time(ward: Ward) -> None:
    commands = [ward.submit().command_id for _ in range(echo_plan().loop_writes)]

    def undo(command: UUID) -> int | None:
        with transaction(ward.engine) as connection:
            return note_undone(connection, command, "Observation/o1", plan=echo_plan())

    first, *rest = commands
    assert [undo(first), undo(first)] == [None, None]
    for command in rest[:-1]:
        assert undo(command) is None
    ward.query(
        "UPDATE undone_writes SET at = at - %(within)s WHERE command_id = %(id)s",
        within=echo_plan().loop_within,
        id=first,
    )
    assert undo(rest[-1]) is None
    ward.query("UPDATE undone_writes SET at = clock_timestamp() WHERE command_id = %(id)s", id=first)
    ward.query("DELETE FROM undone_writes WHERE command_id = %(id)s", id=rest[-1])
    assert isinstance(undo(rest[-1]), int)


def test_what_is_due_is_found_by_its_index_whatever_else_there_is(ward: Ward) -> None:
    ward.query(
        "INSERT INTO touched_entries (connection_id, tenant, reference, named, due_at)"
        " SELECT id, tenant, 'Observation/e' || n, mod(n, 2) = 0, clock_timestamp() + CASE WHEN n < 5 THEN interval '-1 s' ELSE"
        " interval '1 day' END FROM connections, generate_series(1, 20000) n"
    )
    ward.query("ANALYZE touched_entries")
    with transaction(ward.engine) as connection:
        plan = rows(connection, "EXPLAIN (ANALYZE, FORMAT JSON) " + DUE.format(named="e.named", limit="20", of=""))
    assert "ix_touched_entries_named" in str(plan)
    assert "Seq Scan" not in str([node for node in _nodes(plan) if node.get("Relation Name") == "touched_entries"])
    book = StoredEchoes(ward.engine, plan=echo_plan(), drift=drift_plan())
    assert len(book.due(limit=20, missed=lambda _tenant, _name: 1)) == 3
    assert len(book.due(limit=20, missed=lambda _tenant, _name: 0)) == 2


def _nodes(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, list):
        return [node for item in value for node in _nodes(item)]
    if isinstance(value, dict):
        return [value, *(node for item in value.values() for node in _nodes(item))]
    return []
