"""What is read of a window of time: the commands that something happened to, each as it stands, and by the indexes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from store.database import rows, transaction
from store.incidents import CONNECTION_CASES, RELATED, TOUCHED, WRITES, StoredIncidents
from tests.tasks.ward import Ward, heart_rate

HOUR = timedelta(hours=1)


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def incidents(ward: Ward) -> StoredIncidents:
    return StoredIncidents(ward.engine)


def written(ward: Ward) -> UUID:
    accepted = ward.submit()
    ward.run(accepted.lane_id)
    return accepted.command_id


def found(incidents: StoredIncidents, since: datetime, until: datetime, *, name: str | None = None) -> list[UUID]:
    known = incidents.connections(None, name)
    return [item.record.id for item in incidents.commands(known, since, until, most=10)]


def test_a_command_is_found_in_the_window_in_which_something_happened_to_it(
    ward: Ward, incidents: StoredIncidents
) -> None:
    before = now()
    command = written(ward)
    after = now() + timedelta(seconds=1)
    assert found(incidents, before, after) == [command]
    assert found(incidents, before - HOUR, before) == []
    assert found(incidents, after, after + HOUR) == []
    assert incidents.count(incidents.connections("t1", "north"), before, after, most=5) == 1


def test_all_that_is_remembered_of_it_comes_with_it(ward: Ward, incidents: StoredIncidents) -> None:
    before = now()
    command = written(ward)
    ward.query(
        "INSERT INTO cases (tenant, command_id, connection_id, action_type, kind, pool, severity) "
        "SELECT tenant, id, connection_id, action_type, 'drift', 'clinical', 1 FROM commands WHERE id = %(id)s",
        id=command,
    )
    (stored,) = incidents.commands(incidents.connections("t1", None), before, now() + HOUR, most=5)
    record = stored.record
    assert (record.id, record.connection, record.action, record.state) == (command, "north", "VitalReading", "verified")
    assert [event.trigger for event in record.events] == ward.events(command)
    assert [(item.kind, item.outcome) for item in record.attempts] == ward.attempts(command)
    assert record.attempts[0].digest is not None
    assert len(record.attempts[0].digest) == 12
    assert [item.reference for item in record.operations] == [item.reference for item in stored.operations]
    assert [item.kind for item in record.cases] == ["drift"]
    assert record.unfit is None


def test_the_version_that_its_author_saw_is_known(ward: Ward, incidents: StoredIncidents) -> None:
    before = now()
    ward.submit(
        heart_rate(operation="correct", note=[{"text": "read again"}]),
        target={"reference": "Observation/o1", "versionId": "7", "seen": {"status": "final"}},
    )
    (stored,) = incidents.commands(incidents.connections("t1", None), before, now() + HOUR, most=5)
    assert stored.record.seen_version == "7"


def test_why_the_balance_cannot_account_for_it_is_told(ward: Ward, incidents: StoredIncidents) -> None:
    before = now()
    command = written(ward)
    ward.query("UPDATE operations SET state = 'applied' WHERE command_id = %(id)s", id=command)
    (stored,) = incidents.commands(incidents.connections("t1", None), before, now() + HOUR, most=5)
    assert stored.record.unfit == "in-chart-without-proof"


def test_a_command_to_which_only_a_case_happened_is_found_too(ward: Ward, incidents: StoredIncidents) -> None:
    command = written(ward)
    later = now() + HOUR
    ward.query(
        "INSERT INTO cases (tenant, command_id, connection_id, action_type, kind, pool, severity, opened_at) "
        "SELECT tenant, id, connection_id, action_type, 'drift', 'clinical', 1, %(at)s FROM commands WHERE id = %(id)s",
        id=command,
        at=later + timedelta(minutes=1),
    )
    assert found(incidents, later, later + HOUR) == [command]


def test_what_was_given_in_place_of_a_command_comes_with_it_and_the_other_way_round(
    ward: Ward, incidents: StoredIncidents
) -> None:
    first = written(ward)
    between = now()
    second = written(ward)
    ward.query("UPDATE commands SET replay_of = %(first)s WHERE id = %(second)s", first=first, second=second)
    assert found(incidents, between, now() + HOUR) == [first, second]
    assert found(incidents, between - HOUR, between) == [first, second]


def test_another_connections_commands_are_left_out(ward: Ward, incidents: StoredIncidents) -> None:
    before = now()
    command = written(ward)
    assert found(incidents, before, now() + HOUR, name="north") == [command]
    assert incidents.connections(None, "south") == ()
    assert incidents.connections("t2", None) == ()


def test_events_without_a_command_are_told_by_themselves(ward: Ward, incidents: StoredIncidents) -> None:
    before, lost = now(), uuid4()
    ward.query(
        "INSERT INTO events (tenant, command_id, seq, trigger, source, target, reason, actor) "
        "VALUES ('t1', %(id)s, 1, 'received', 'received', 'received', 'received', 'test')",
        id=lost,
    )
    (orphan,) = incidents.orphans(before, now() + HOUR, None, most=5)
    assert (orphan.id, orphan.unfit, [event.trigger for event in orphan.events]) == (lost, "no-command", ["received"])
    assert incidents.orphans(before, now() + HOUR, "t2", most=5) == ()


def test_our_writes_at_an_entry_are_those_of_its_patient_and_those_whose_mark_it_carries(
    ward: Ward, incidents: StoredIncidents
) -> None:
    command = written(ward)
    row = ward.query("SELECT lane_id FROM commands WHERE id = %(id)s", id=command)[0]
    reference = ward.query("SELECT reference FROM operations WHERE command_id = %(id)s", id=command)[0]["reference"]
    assert [item.command for item in incidents.writes([row["lane_id"]], [reference], [])] == [command]
    assert incidents.writes([row["lane_id"]], ["Observation/none"], []) == ()
    assert [item.command for item in incidents.writes([], [], [command])] == [command]


def test_switches_and_cases_of_a_whole_connection_are_what_was_about(ward: Ward, incidents: StoredIncidents) -> None:
    before = now()
    command = written(ward)
    ward.query(
        "UPDATE switches SET is_on = false, changed_by = 'operator:ann', changed_at = now() WHERE kind = 'connection'"
    )
    ward.query(
        "INSERT INTO cases (tenant, command_id, connection_id, action_type, kind, pool, severity) "
        "SELECT tenant, id, connection_id, action_type, 'balance_open', 'operations', 1 FROM commands WHERE id = %(id)s",
        id=command,
    )
    ward.query("INSERT INTO sweeps (name, finished_at) VALUES ('balance', now())")
    around = incidents.around(incidents.connections("t1", None), before, now() + HOUR)
    assert [(item.kind, item.key, item.is_on, item.by) for item in around.switches] == [
        ("connection", "north", False, "operator:ann")
    ]
    assert [item.kind for item in around.cases["t1", "north"]] == ["balance_open"]
    assert set(around.sweeps) == {"balance"}


@pytest.mark.parametrize(
    ("statement", "indexes"),
    [
        (TOUCHED, {"ix_events_at", "ix_cases_opened", "ix_decisions_at", "ix_drift_findings_recent"}),
        (RELATED, {"ix_commands_replays", "pk_commands"}),
        (WRITES, {"Index Cond: (lane_id = ANY", "pk_operations"}),
        (CONNECTION_CASES, {"ix_cases_opened"}),
    ],
    ids=["touched", "related", "writes", "cases"],
)
def test_each_read_is_bounded_by_an_index(ward: Ward, statement: str, indexes: set[str]) -> None:
    names = {
        "since": now() - HOUR,
        "until": now(),
        "tenants": ["t1"],
        "connections": [ward.connection_id],
        "commands": [uuid4()],
        "lanes": [1],
        "references": ["Observation/o1"],
        "marked": [uuid4()],
        "kinds": ["balance_open"],
    }
    with transaction(ward.engine) as connection:
        # Where there are few rows reading all of them is cheaper; asked is whether the indexes can do it.
        connection.execute("SET LOCAL enable_seqscan = off")
        plan = "\n".join(next(iter(row.values())) for row in rows(connection, f"EXPLAIN {statement}", names))
    assert "Seq Scan" not in plan, plan
    assert {name for name in indexes if name not in plan} == set(), plan
