"""Which conflicts the sweep has looked at; what a look comes to is in ``review/test_engine.py``."""

import pytest

from config.wiring import Services
from reconcile import conflicted
from reconcile.conflicted import Config
from reconcile.schedule import SWEEPS
from tests.reconcile.conftest import Noted
from tests.tasks.ward import Ward


def conflict(ward: Ward, kind: str = "conflict", state: str = "conflicted") -> int:
    """Open a case of a command that is where no turn of this chart would bring it."""
    accepted = ward.submit()
    ward.query("UPDATE commands SET state = %(state)s WHERE id = %(id)s", id=accepted.command_id, state=state)
    (row,) = ward.query(
        "INSERT INTO cases (tenant, command_id, connection_id, action_type, kind, pool, severity, due_at)"
        " SELECT tenant, id, connection_id, action_type, %(kind)s, 'clinical', 2, clock_timestamp() + interval '1 hour'"
        " FROM commands WHERE id = %(id)s RETURNING id",
        id=accepted.command_id,
        kind=kind,
    )
    return int(row["id"])


def test_a_conflict_nobody_looked_at_is_looked_at_within_seconds(ward: Ward, services: Services, hands: Noted) -> None:
    case = conflict(ward)
    assert conflicted.run_once(services, hands) == {"cases": 1}
    assert hands.cases == [case]
    assert SWEEPS["conflicted"].every.total_seconds() <= 2


def test_what_was_looked_at_just_now_waits_for_some_minutes(ward: Ward, services: Services, hands: Noted) -> None:
    case = conflict(ward)
    engine = services.conflict_engine
    assert engine.looks.take(case, lease=engine.pace.again) is not None
    assert conflicted.run_once(services, hands) == {"cases": 0}
    ward.query("UPDATE cases SET next_look_at = next_look_at - interval '6 minutes'")
    assert conflicted.run_once(services, hands) == {"cases": 1}


def test_of_two_that_take_a_case_one_has_it(ward: Ward, services: Services) -> None:
    case = conflict(ward)
    engine = services.conflict_engine
    taken = [engine.looks.take(case, lease=engine.pace.again) for _ in range(2)]
    assert [one is not None for one in taken] == [True, False]


@pytest.mark.parametrize(
    "change",
    [
        "claimed_by = 'person:a', claimed_until = clock_timestamp() + interval '5 minutes'",
        "asked_until = clock_timestamp() + interval '5 minutes'",
        "closed_at = clock_timestamp()",
    ],
    ids=["claimed", "asked", "closed"],
)
def test_what_is_in_somebodys_hands_is_left_to_them(ward: Ward, services: Services, hands: Noted, change: str) -> None:
    case = conflict(ward)
    ward.query(f"UPDATE cases SET {change} WHERE id = %(id)s", id=case)
    assert conflicted.run_once(services, hands) == {"cases": 0}
    assert services.conflict_engine.looks.take(case, lease=services.conflict_engine.pace.again) is None


def test_only_conflicts_are_looked_at(ward: Ward, services: Services, hands: Noted) -> None:
    conflict(ward, kind="identity_mismatch", state="in_review")
    conflict(ward, state="in_review")
    assert conflicted.run_once(services, hands) == {"cases": 0}


def test_an_ehr_that_is_known_to_be_away_is_not_asked(ward: Ward, services: Services, hands: Noted) -> None:
    conflict(ward)
    ward.query("UPDATE connections SET not_before = clock_timestamp() + interval '1 minute'")
    assert conflicted.run_once(services, hands) == {"cases": 0}
    ward.query("UPDATE connections SET not_before = '-infinity'")
    assert conflicted.run_once(services, hands) == {"cases": 1}


def test_many_conflicts_are_worked_in_pieces_those_never_looked_at_first(
    ward: Ward, services: Services, hands: Noted
) -> None:
    cases = [conflict(ward) for _ in range(3)]
    ward.query("UPDATE cases SET next_look_at = clock_timestamp() - interval '1 minute' WHERE id = %(id)s", id=cases[0])
    assert conflicted.run_once(services, hands, Config(limit=2)) == {"cases": 2}
    assert hands.cases == cases[1:]


def test_hands_that_are_full_leave_it_for_the_next_run(ward: Ward, services: Services) -> None:
    conflict(ward)
    assert conflicted.run_once(services, Noted(busy=True)) == {"cases": 0}
    free = Noted()
    assert conflicted.run_once(services, free) == {"cases": 1}
