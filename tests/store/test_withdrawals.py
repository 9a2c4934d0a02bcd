import threading
from uuid import uuid4

import pytest

from canonical.lifecycle import State
from config.wiring import Services
from tests.reception import give_consent, look, put_state, receive


@pytest.fixture(autouse=True)
def _consent(services: Services) -> None:
    give_consent(services)


@pytest.mark.parametrize("state", ["ready", "awaiting_approval", "parked", "conflicted"])
def test_what_was_not_sent_is_withdrawn_with_an_event(services: Services, state: str) -> None:
    command = receive(services).id
    if state != "ready":
        put_state(services, command, state)
    found = services.doors.withdrawals.withdraw("north", command, actor="app:visits")
    assert found is not None
    assert (found.withdrawn, found.state) == (True, State.WITHDRAWN)
    (last,) = look(services, "SELECT trigger, source, target, actor FROM events ORDER BY seq DESC LIMIT 1")
    assert last == {"trigger": "cancelled", "source": state, "target": "withdrawn", "actor": "app:visits"}


@pytest.mark.parametrize("state", ["sending", "unknown", "applied", "verified", "in_review", "rejected"])
def test_what_may_have_been_sent_stays_as_it_is(services: Services, state: str) -> None:
    command = receive(services).id
    put_state(services, command, state)
    found = services.doors.withdrawals.withdraw("north", command, actor="app:visits")
    assert found is not None
    assert (found.withdrawn, found.state) == (False, State(state))
    assert look(services, "SELECT state FROM commands") == [{"state": state}]


def test_withdrawing_twice_is_withdrawing_once(services: Services) -> None:
    command = receive(services).id
    results = []
    barrier = threading.Barrier(8)

    def withdraw() -> None:
        barrier.wait()
        results.append(services.doors.withdrawals.withdraw("north", command, actor="app:visits"))

    threads = [threading.Thread(target=withdraw) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(result is not None and result.withdrawn for result in results)
    assert len(look(services, "SELECT id FROM events WHERE trigger = 'cancelled'")) == 1


def test_anothers_command_is_not_there(services: Services) -> None:
    command = receive(services).id
    assert services.doors.withdrawals.withdraw("south", command, actor="x") is None
    assert services.doors.withdrawals.withdraw("north", uuid4(), actor="x") is None
