import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from canonical.errors import RefusedError, StoreUnavailableError
from config.wiring import Services
from store.intake import Accepted, NewCommand, accept
from tests.reception import give_consent, look, receive


@pytest.fixture
def new(services: Services) -> NewCommand:
    """A command that passed the door's checks, with a lane of its own."""
    consent = give_consent(services)
    (connection,) = look(services, "SELECT id FROM connections WHERE tenant = 'north' AND name = 'north-r4'")
    return NewCommand(
        id=uuid4(),
        tenant="north",
        app="visits",
        connection_id=connection["id"],
        patient_key=b"p" * 32,
        action_type="VitalReading",
        operation="record",
        creates=True,
        takes_back=False,
        envelope=b'{"value": 72.50}',
        fingerprint=b"f" * 32,
        key_hash=b"k" * 32,
        correlation_id="correlation-1",
        consent_id=consent.id,
        consent_version=1,
        switch_ids=(),
        author_digest=b"a" * 32,
        author_assurance="asserted",
        actor="app:visits",
    )


def another(new: NewCommand, **over: Any) -> NewCommand:
    """Return the same command with its own id and key."""
    fresh = uuid4()
    members: dict[str, Any] = {"id": fresh, "key_hash": fresh.bytes * 2}
    return replace(new, **(members | over))


def subjects(services: Services) -> list[tuple[str, UUID, int]]:
    found = look(services, "SELECT subject, root, lane_seq FROM commands ORDER BY lane_seq")
    return [(row["subject"], row["root"], row["lane_seq"]) for row in found]


def test_command_content_events_and_place_come_in_one_commit(services: Services, new: NewCommand) -> None:
    accepted = accept(services.engine, new)
    assert accepted == Accepted(command_id=new.id, replayed=False, lane_id=accepted.lane_id)
    assert subjects(services) == [(f"command:{new.id}", new.id, 1)]
    events = look(services, "SELECT seq, trigger, source, target, actor FROM events ORDER BY seq")
    assert events == [
        {"seq": 1, "trigger": "received", "source": "", "target": "received", "actor": "app:visits"},
        {"seq": 2, "trigger": "accepted", "source": "received", "target": "ready", "actor": "app:visits"},
    ]
    (payload,) = look(services, "SELECT content FROM payloads")
    assert bytes(payload["content"]) == new.envelope


def test_fifty_at_once_with_one_key_make_one_command(services: Services, new: NewCommand) -> None:
    start = threading.Barrier(50)

    def run(_number: int) -> UUID:
        start.wait()
        # The pool is smaller than the crowd: who cannot get in asks again, as an app would.
        for _ in range(20):
            try:
                return accept(services.engine, replace(new, id=uuid4())).command_id
            except StoreUnavailableError:
                continue
        raise AssertionError("never got in")

    with ThreadPoolExecutor(50) as pool:
        ids = set(pool.map(run, range(50)))
    assert len(ids) == 1
    assert [row["id"] for row in look(services, "SELECT id FROM commands")] == list(ids)
    assert len(look(services, "SELECT id FROM events")) == 2
    assert look(services, "SELECT last_seq FROM lanes") == [{"last_seq": 1}]


def test_the_same_key_with_other_content_is_refused_and_changes_nothing(services: Services, new: NewCommand) -> None:
    accept(services.engine, new)
    with pytest.raises(RefusedError) as refused:
        accept(services.engine, replace(new, id=uuid4(), fingerprint=b"g" * 32))
    assert refused.value.code == "idempotency-key-reused"
    assert len(look(services, "SELECT id FROM commands")) == 1


def test_one_key_of_two_apps_or_tenants_is_two_keys(services: Services, new: NewCommand) -> None:
    accept(services.engine, new)
    assert not accept(services.engine, another(new, key_hash=new.key_hash, app="other")).replayed
    assert not accept(services.engine, another(new, key_hash=new.key_hash, tenant="south")).replayed


def test_a_target_by_our_id_or_by_the_ehrs_is_one_subject(services: Services, new: NewCommand) -> None:
    accept(services.engine, new)
    look(
        services,
        "INSERT INTO links (connection_id, reference, tenant, root) VALUES (%(c)s, 'Observation/o1', 'north', %(r)s)",
        c=new.connection_id,
        r=new.id,
    )
    accept(services.engine, another(new, creates=False, target_command=new.id))
    accept(services.engine, another(new, creates=False, target_reference="Observation/o1"))
    subject = f"command:{new.id}"
    assert subjects(services) == [(subject, new.id, 1), (subject, new.id, 2), (subject, new.id, 3)]


def test_a_target_that_is_none_of_ours_is_a_subject_of_its_own(services: Services, new: NewCommand) -> None:
    first = another(new, creates=False, target_reference="Observation/o9")
    accept(services.engine, first)
    assert subjects(services) == [("ref:Observation/o9", first.id, 1)]


@pytest.mark.parametrize("over", [{"patient_key": b"q" * 32}, {"tenant": "south"}])
def test_another_patients_or_tenants_command_is_no_target(
    services: Services, new: NewCommand, over: dict[str, Any]
) -> None:
    accept(services.engine, new)
    with pytest.raises(RefusedError) as refused:
        accept(services.engine, another(new, creates=False, target_command=new.id, **over))
    assert refused.value.code == "target-unknown"
    assert len(look(services, "SELECT id FROM commands")) == 1
    assert len(look(services, "SELECT id FROM lanes")) == 1


def test_an_unknown_predecessor_is_refused_and_uses_no_key(services: Services, new: NewCommand) -> None:
    with pytest.raises(RefusedError) as refused:
        accept(services.engine, replace(new, after=(uuid4(),)))
    assert refused.value.code == "predecessor-unknown"
    assert not accept(services.engine, new).replayed


def test_the_same_measurement_under_two_keys_names_the_first(services: Services, new: NewCommand) -> None:
    first = accept(services.engine, replace(new, duplicate_key=b"d" * 32))
    second = accept(services.engine, another(new, duplicate_key=b"d" * 32))
    assert second.possible_duplicate_of == first.command_id
    assert len(look(services, "SELECT id FROM commands")) == 2


def test_a_measurement_that_was_withdrawn_is_no_duplicate(services: Services, new: NewCommand) -> None:
    first = accept(services.engine, replace(new, duplicate_key=b"d" * 32))
    services.doors.withdrawals.withdraw("north", first.command_id, actor="test")
    assert accept(services.engine, another(new, duplicate_key=b"d" * 32)).possible_duplicate_of is None


def test_what_needs_a_person_waits_with_its_cases(services: Services, new: NewCommand) -> None:
    accept(
        services.engine,
        replace(new, approval_required=True, approval_reason="ai-authored", extra_cases=("implausible_value",)),
    )
    assert look(services, "SELECT state, state_reason FROM commands") == [
        {"state": "awaiting_approval", "state_reason": "ai-authored"}
    ]
    assert [row["kind"] for row in look(services, "SELECT kind FROM cases ORDER BY kind")] == [
        "awaiting_approval",
        "implausible_value",
    ]


def test_an_app_is_told_of_what_waits_for_a_person_and_not_of_what_is_pending(
    services: Services, new: NewCommand
) -> None:
    services.doors.endpoints.register("north", "visits", url="https://app.example/", secret="whsec_a")
    accept(services.engine, new)
    assert look(services, "SELECT status FROM callbacks") == []
    accept(services.engine, another(new, approval_required=True))
    assert look(services, "SELECT status FROM callbacks") == [{"status": "needsAttention"}]


def test_the_door_and_intake_agree_on_what_a_command_is(services: Services, new: NewCommand) -> None:
    receipt = receive(services)
    (row,) = look(services, "SELECT tenant, app, action_type, operation, author_assurance FROM commands")
    assert row == {
        "tenant": "north",
        "app": "visits",
        "action_type": "VitalReading",
        "operation": "record",
        "author_assurance": receipt.author_assurance,
    }
