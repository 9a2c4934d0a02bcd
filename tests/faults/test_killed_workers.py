"""Traps 4, 6 and 23, and traces T2, T4 and T7 on real processes: workers killed at each step, and paused past their lease."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest

from canonical.lifecycle import State
from processes.postgres import PostgresServer
from store.consents import Consents
from tests.faults.harness import SOON, TENANT, TIMINGS, Product

#: Longer than lease and quarantine together.
PAUSE = timedelta(seconds=2 * sum(TIMINGS.values()))
WORKER_DIES_AT = ("after_lock", "after_claim", "after_answer")
POLLER_DIES_AT = (
    "after_plan",
    "before_send",
    "after_settle",
    "after_probe_claim",
    "after_probe_answer",
)


@pytest.fixture
def product(installation: Product) -> Iterator[Product]:
    """No process yet; those that a test starts end with it."""
    yield installation
    installation.stop()
    installation.sandbox.faults()


def _kills(steps: tuple[str, ...]) -> dict[str, str]:
    return dict.fromkeys(steps, "kill")


def test_a_worker_killed_at_any_step_loses_and_doubles_nothing(product: Product) -> None:
    """Trap 4: above all between the EHR's answer and our commit, which must lead to a search and not to a POST."""
    product.start("worker-1", plan=_kills(WORKER_DIES_AT))
    product.start("poller", plan=_kills(POLLER_DIES_AT))
    commands: list[UUID] = []

    def all_killed() -> bool:
        # However long the dead take to come back, the living do not run out of work.
        if product.open_commands() < 10:
            commands.append(product.submit())
        return all(product.fired("worker-1", step) for step in WORKER_DIES_AT) and all(
            product.fired("poller", step) for step in POLLER_DIES_AT
        )

    product.wait(all_killed, within=3 * SOON, what="a kill at each step")
    product.assert_good()

    for name, steps in (("worker-1", WORKER_DIES_AT), ("poller", POLLER_DIES_AT)):
        assert product.status(name).restarts >= len(steps)
    histories = [product.attempts(command) for command in commands]
    found = [("send", "unknown"), ("probe", "probe_applied")]
    assert any(history == found or history[-1] == found[-1] for history in histories), "killed after the answer"
    assert any(("probe", "probe_not_applied") in history for history in histories), "killed before the request"


def test_a_worker_paused_just_before_it_sends_is_waited_for(product: Product) -> None:
    """Trap 6 and trace T2: SIGSTOP for longer than lease and quarantine, and then the request leaves."""
    product.start("worker-1", plan={"before_send": "stop"})
    command = product.submit()
    product.wait(lambda: product.is_paused("worker-1"), what="the pause")
    product.start("poller")

    seen = "SELECT 1 FROM lanes WHERE lease_until + %(pause)s < clock_timestamp() AND lease_until > '-infinity'"
    product.wait(lambda: bool(product.query(seen, pause=PAUSE)), what="the end of lease and quarantine")
    product.wait(lambda: "lease.held" in product.log("poller"), what="a report of the paused holder")
    assert product.state(command) == "sending"
    assert product.times_written(command) == 0
    product.go_on("worker-1")

    product.assert_good()
    assert product.fired("worker-1", "before_send")
    assert product.attempts(command) == [("send", "applied")]
    assert product.status("worker-1").restarts == 0


def test_a_worker_paused_after_its_claim_does_not_send_on_an_old_verdict(product: Product) -> None:
    """Trace T7: the consent is revoked during the pause."""
    product.start("worker-1", plan={"after_claim": "stop"})
    patient = product.new_patient()
    command = product.submit(patient)
    product.wait(lambda: product.is_paused("worker-1"), what="the pause")
    revocation = Consents(product.door.engine).revoke(TENANT, f"consent-{patient}", actor="test")
    assert revocation is not None
    assert revocation.in_flight == ((command, State.SENDING),)

    old = "SELECT 1 FROM attempts WHERE command_id = %(id)s AND claimed_at + interval '1 s' < clock_timestamp()"
    product.wait(lambda: bool(product.query(old, id=command)), what="an old verdict")
    product.go_on("worker-1")

    product.ended[command] = State.REJECTED
    product.wait_for(command, "rejected")
    product.assert_good()
    assert product.fired("worker-1", "after_claim")
    assert product.attempts(command) == [("send", "not_sent")]


def test_a_paused_worker_whose_session_was_lost_too_is_brought_before_a_person(
    product: Product, postgres_server: PostgresServer
) -> None:
    """Trap 6 and trace T4: PostgreSQL crashes during the pause, so that the lock no longer keeps others out."""
    product.start("worker-1", plan={"before_send": "stop"})
    command = product.submit()
    product.wait(lambda: product.is_paused("worker-1"), what="the pause")
    postgres_server.kill()
    postgres_server.start()
    product.start("poller")
    product.wait_for(command, "verified")
    assert product.attempts(command)[-2:] == [("probe", "probe_not_applied"), ("send", "applied")]
    product.go_on("worker-1")

    late = "SELECT late_outcome FROM attempts WHERE command_id = %(id)s AND late_at IS NOT NULL"
    product.wait(lambda: bool(product.query(late, id=command)), what="the late answer")
    product.assert_good()
    assert product.fired("worker-1", "before_send")
    assert product.query(late, id=command) == [{"late_outcome": "already_at_target"}], "the EHR made no second one"
    assert product.cases(command) == ["late_answer"]


def test_a_command_that_kills_every_worker_ends_with_a_person(product: Product) -> None:
    """Trap 23 and finding 9: before the claim no attempt counts it; it must neither loop nor be dropped."""
    product.start("poller", plan={"after_plan": "kill"}, every_time=True)
    poison = product.submit()
    # As if it had been due for as long as makes a lane suspicious.
    product.query("UPDATE commands SET due_at = due_at - interval '1 minute' WHERE id = %(id)s", id=poison)

    product.wait_for(poison, "in_review")

    assert product.status("poller").restarts >= 3
    assert product.cases(poison) == ["poison"]
    assert product.attempts(poison) == []
    product.ended[poison] = State.IN_REVIEW
    product.stop("poller")
    product.start("poller")
    after = product.submit()
    product.wait_for(after, "verified")
    product.assert_good()
