"""The board from rows that somebody wrote into the database by hand: each figure counts what its name says, of one tenant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from canonical.case_views import BoardView
from canonical.review_desk import ReviewError
from canonical.reviewer import Pool
from config.policy_files import read_policies
from reconcile.review.board import LIFE, Board
from store.review_figures import StoredReviewFigures
from tests.reconcile.review.bench import ENGINEER, NURSE, ReviewBench, person
from tests.tasks.ward import Ward

OVERSEER = ENGINEER


@dataclass
class Office:
    """A ward whose past is written straight into the tables; ``board`` counts it."""

    ward: Ward
    board: Board

    def command(self, age: str = "1 hour", state: str = "verified") -> UUID:
        command = self.ward.submit().command_id
        self.ward.query(
            "UPDATE commands SET received_at = now() - %(age)s::interval, state = %(state)s WHERE id = %(id)s RETURNING id",
            age=age,
            state=state,
            id=command,
        )
        return command

    def case(self, command: UUID | None = None, **row: Any) -> int:
        """Write a case; ages are intervals before now."""
        usual: dict[str, Any] = {
            "kind": "conflict",
            "pool": "clinical",
            "severity": 2,
            "opened": "1 hour",
            "due": "-1 hour",
            "looked": None,
            "closed": None,
            "reason": None,
            "rounds": 0,
            "command": command or self.command(),
        }
        (made,) = self.ward.query(
            "INSERT INTO cases (tenant, command_id, connection_id, action_type, kind, pool, severity, opened_at, due_at, "
            "first_look_at, closed_at, closed_reason, rounds) SELECT tenant, id, connection_id, action_type, %(kind)s, %(pool)s, "
            "%(severity)s, now() - %(opened)s::interval, now() - %(due)s::interval, now() - %(looked)s::interval, "
            "now() - %(closed)s::interval, %(reason)s, %(rounds)s FROM commands WHERE id = %(command)s RETURNING id",
            **(usual | row),
        )
        return int(made["id"])

    def decided(self, case: int, verb: str, **row: Any) -> None:
        usual: dict[str, Any] = {
            "case": case,
            "verb": verb,
            "stage": "final",
            "person": "person:ada",
            "reason": "",
            "changed": False,
            "seconds": 60,
            "looked": True,
        }
        self.ward.query(
            "WITH v AS (INSERT INTO case_views (id, tenant, case_id, shown_to, at, chart_digest, content_digest) "
            "SELECT gen_random_uuid(), tenant, id, %(person)s, now() - make_interval(secs => %(seconds)s), '', '' FROM cases "
            "WHERE id = %(case)s RETURNING id) "
            "INSERT INTO decisions (tenant, case_id, command_id, view_id, verb, stage, person, person_name, licences, at, "
            "reason, policy_version, changed) SELECT tenant, k.id, command_id, v.id, %(verb)s, %(stage)s, %(person)s, '', '{}', "
            "now(), %(reason)s, 'p', %(changed)s FROM cases k, v WHERE k.id = %(case)s RETURNING id",
            **(usual | row),
        )

    def seen(self) -> BoardView:
        return self.board.counted("t1")


@pytest.fixture
def office(bench: ReviewBench) -> Office:
    ward = bench.station.ward
    return Office(ward=ward, board=Board(figures=StoredReviewFigures(ward.engine), policies=read_policies()))


def test_an_empty_queue_is_a_board_of_zeros(office: Office) -> None:
    seen = office.seen()
    assert (seen.open, seen.overdue, seen.oldest, seen.by_kind, seen.effort, seen.notices) == (0, 0, None, (), (), ())
    assert [counts for _, counts in seen.ages] == [(0, 0, 0, 0)] * 5


def test_open_cases_are_told_by_kind_and_by_age_and_severity(office: Office) -> None:
    office.case(severity=1, opened="10 minutes")
    office.case(severity=2, opened="61 minutes", due="1 minute")
    office.case(severity=2, opened="5 hours", kind="locked")
    office.case(severity=3, opened="2 days")
    office.case(severity=4, opened="4 days", due="1 day")
    office.case(severity=1, opened="9 days", closed="1 day", reason="resolve")
    seen = office.seen()
    assert (seen.open, seen.overdue) == (5, 2)
    assert seen.oldest is not None
    assert timedelta(days=4) <= seen.oldest < timedelta(days=4, minutes=5)
    assert dict(seen.by_kind)["the chart moved"] == 4
    assert seen.ages == (
        ("under 1 hour", (1, 0, 0, 0)),
        ("1 to 4 hours", (0, 1, 0, 0)),
        ("4 to 24 hours", (0, 1, 0, 0)),
        ("1 to 3 days", (0, 0, 1, 0)),
        ("over 3 days", (0, 0, 0, 1)),
    )


def test_conflicts_are_counted_against_the_commands_of_their_day(office: Office) -> None:
    twice = office.command("2 days")
    office.case(twice, opened="2 days", closed="1 day", reason="resolve")
    office.case(twice, opened="1 day", kind="gone")
    office.command("2 days")
    office.case(office.command("20 days"), opened="20 days")
    office.case(office.command("3 days"), opened="3 days", kind="implausible_value")
    seen = office.seen()
    by_age = {
        days: (conflicts, commands) for days, (_, _, conflicts, commands) in enumerate(reversed(seen.conflict_rates))
    }
    assert by_age == {0: (1, 2), 1: (0, 1)}
    assert {name for name, *_ in seen.conflict_rates} == {"north"}


def test_outcomes_are_the_public_statuses_of_the_last_thirty_days(office: Office) -> None:
    for state in ("verified", "verified", "rejected", "expired", "compensated", "ready", "conflicted"):
        office.command(state=state)
    office.command("31 days")
    assert office.seen().outcomes == (
        ("north", "pending", 1),
        ("north", "needsAttention", 1),
        ("north", "inChart", 2),
        ("north", "notWritten", 2),
        ("north", "takenBack", 1),
    )


def test_effort_tells_how_long_people_took_and_what_became_of_it(office: Office) -> None:
    plain = office.case(opened="60 minutes", looked="50 minutes", closed="46 minutes", reason="resolve")
    office.decided(plain, "resolve")
    changed = office.case(opened="60 minutes", looked="40 minutes", closed="34 minutes", reason="resolve", rounds=2)
    office.decided(changed, "resolve", changed=True)
    office.case(opened="60 minutes", looked="30 minutes", closed="1 minute", reason="moot")
    back = office.command()
    again = office.case(back, opened="60 minutes", closed="30 minutes", reason="approve")
    office.decided(again, "approve")
    office.case(back, opened="5 minutes")
    (row,) = office.seen().effort
    assert (row.connection, row.action_type, row.closed) == ("north", "VitalReading", 4)
    assert row.minutes_to_first_look == pytest.approx(20, abs=0.01)
    assert row.minutes_to_decision == pytest.approx(5, abs=0.01)
    assert (row.changed, row.reopened, row.moot, row.overturned) == (1, 2, 1, 0)
    assert row.per_1000_commands is None, "of a handful of commands no rate is told"
    assert row.budget == read_policies().action("VitalReading").budget


def test_a_second_signer_who_decides_otherwise_overturns(office: Office) -> None:
    closed: dict[str, Any] = {"opened": "2 hours", "closed": "1 hour"}
    signed = office.case(reason="sign", **closed)
    office.decided(signed, "approve", stage="first")
    office.decided(signed, "sign", person="person:bo")
    overturned = office.case(reason="reject", **closed)
    office.decided(overturned, "approve", stage="first")
    office.decided(overturned, "reject", person="person:bo")
    thought_again = office.case(reason="reject", **closed)
    office.decided(thought_again, "approve", stage="first")
    office.decided(thought_again, "reject")
    asked = office.case(reason="approve", **closed)
    office.decided(asked, "ask_author", person="person:bo")
    office.decided(asked, "approve", stage="first")
    (row,) = office.seen().effort
    assert row.overturned == 1


def test_more_cases_than_the_policy_means_are_a_notice_to_its_owner(office: Office) -> None:
    commands = [office.command() for _ in range(100)]
    for command in commands[:3]:
        office.case(command)
    seen = office.seen()
    (row,) = seen.effort
    assert row.per_1000_commands == pytest.approx(30.0)
    (notice,) = seen.notices
    policy = read_policies().action("VitalReading")
    assert f"30.0 cases in 1000 commands, and {policy.budget:.1f} are meant" in notice
    assert policy.owner in notice


def test_decisions_that_are_all_alike_or_made_in_a_moment_are_notices(office: Office) -> None:
    command = office.command()
    for n in range(100):
        case = office.case(command, opened="20 days", closed="19 days", reason="approve", kind="awaiting_approval")
        office.decided(case, "approve", changed=n < 5, seconds=2)
        office.decided(case, "escalate", seconds=1)
    quick, alike = sorted(office.seen().notices, key=lambda line: "alike" in line)
    assert "95 of the last 100 were decided alike and unchanged (approve)" in alike
    assert "half of the last 100 decisions took less than 2.0 seconds" in quick


def test_one_hand_in_twenty_that_decides_otherwise_more_says_that_people_are_needed(office: Office) -> None:
    command = office.command()
    for n in range(100):
        case = office.case(command, opened="20 days", closed="19 days", reason="approve")
        office.decided(case, "approve", changed=n < 6)
    assert office.seen().notices == ()


def test_operations_who_act_on_many_at_once_are_no_rubber_stamp(office: Office) -> None:
    command = office.command()
    for n in range(40):
        case = office.case(command, pool=Pool.OPERATIONS.value, closed="1 minute", kind=f"outage_{n}")
        office.decided(case, "resend", seconds=0)
    assert office.seen().notices == ()


def test_only_who_oversees_the_queue_sees_its_figures_and_only_of_their_tenant(office: Office) -> None:
    office.case()
    with pytest.raises(ReviewError, match="no right"):
        office.board.board(NURSE)
    assert office.board.board(OVERSEER).open == 1
    stranger = person("ivy", tenant="t2", rights=OVERSEER.rights)
    assert office.board.board(stranger).open == 0


def test_a_board_is_counted_once_in_a_few_seconds_however_many_look(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    assert office.board.board(OVERSEER).open == 0
    office.case()
    assert office.board.board(OVERSEER).open == 0
    now[0] += LIFE.total_seconds() + 1
    assert office.board.board(OVERSEER).open == 1
