"""What the record keeps of a write: what was meant, what left under which precondition, and what came of it."""

import hashlib
from typing import Any
from uuid import UUID

import pytest

from tests.tasks.ward import Ward, heart_rate


@pytest.fixture
def written(ward: Ward) -> tuple[UUID, UUID]:
    """A reading and its correction, both in the chart."""
    first = ward.submit()
    ward.run(first.lane_id)
    correction = heart_rate(operation="correct")
    second = ward.submit(correction, target={"command": str(first.command_id)})
    ward.run(second.lane_id)
    assert ward.state(second.command_id) == "verified"
    return first.command_id, second.command_id


def one(ward: Ward, sql: str, command: UUID) -> dict[str, Any]:
    (row,) = ward.query(sql, id=command)
    return row


def test_an_attempt_names_the_bytes_that_left_and_where_they_went(ward: Ward, written: tuple[UUID, UUID]) -> None:
    for command, operation in zip(written, ward.chart.sent, strict=True):
        attempt = one(ward, "SELECT * FROM attempts WHERE command_id = %(id)s", command)
        content = one(
            ward,
            "SELECT p.content FROM payloads p JOIN attempts a ON a.body_digest = p.digest WHERE a.command_id = %(id)s",
            command,
        )["content"]
        assert bytes(content) == operation.body
        assert bytes(attempt["body_digest"]) == hashlib.sha256(operation.body).digest()
        assert (attempt["outcome"], attempt["mapping_version"]) == ("applied", "chart-1")
        assert attempt["reference"] == ward.chart.marked(str(written[1]))[0]
        assert attempt["claimed_at"] <= attempt["settled_at"]


def test_the_version_that_was_seen_and_the_version_that_was_written_are_kept(
    ward: Ward, written: tuple[UUID, UUID]
) -> None:
    kept = [
        one(ward, "SELECT if_match, version_written FROM operations WHERE command_id = %(id)s", it) for it in written
    ]
    assert kept == [{"if_match": None, "version_written": "1"}, {"if_match": "1", "version_written": "2"}]
    guards = [one(ward, "SELECT precondition, version FROM attempts WHERE command_id = %(id)s", it) for it in written]
    assert guards == [{"precondition": "If-None-Exist", "version": "1"}, {"precondition": "If-Match 1", "version": "2"}]


def test_the_intent_is_kept_as_it_came_with_its_app_and_its_authority(ward: Ward, written: tuple[UUID, UUID]) -> None:
    command = one(
        ward,
        "SELECT c.*, p.content FROM commands c JOIN payloads p ON p.digest = c.envelope_digest WHERE c.id = %(id)s",
        written[0],
    )
    assert bytes(command["envelope_digest"]) == hashlib.sha256(bytes(command["content"])).digest()
    assert b"72.50" in bytes(command["content"])
    assert (command["app"], command["author_assurance"], command["correlation_id"]) == ("app", "asserted", "corr")
    assert (command["consent_id"], command["consent_version"]) == (ward.consent_id, 1)


def test_a_consent_that_changes_later_does_not_change_what_a_write_relied_on(
    ward: Ward, written: tuple[UUID, UUID]
) -> None:
    ward.query("UPDATE consents SET version = version + 1")
    assert one(ward, "SELECT consent_version FROM commands WHERE id = %(id)s", written[0]) == {"consent_version": 1}


def test_events_tell_every_move_with_who_made_it_and_under_which_attempt(
    ward: Ward, written: tuple[UUID, UUID]
) -> None:
    sql = "SELECT seq, source, target, actor, attempt, fence FROM events WHERE command_id = %(id)s ORDER BY seq"
    moves = ward.query(sql, id=written[0])
    assert [(move["source"], move["target"]) for move in moves] == [
        ("", "received"),
        ("received", "ready"),
        ("ready", "sending"),
        ("sending", "verified"),
    ]
    assert [move["seq"] for move in moves] == [1, 2, 3, 4]
    assert {move["actor"] for move in moves} == {"test"}
    assert [(move["attempt"], move["fence"]) for move in moves[2:]] == [(1, 1), (1, 1)]


def test_an_id_of_the_ehr_leads_to_the_command_that_made_it(ward: Ward, written: tuple[UUID, UUID]) -> None:
    (link,) = ward.query("SELECT reference, root, version FROM links")
    assert link == {"reference": ward.chart.marked(str(written[1]))[0], "root": written[0], "version": "2"}
