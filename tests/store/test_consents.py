import threading
from datetime import timedelta

import pytest

from canonical.errors import RefusedError
from canonical.lifecycle import State
from config.wiring import Services
from store.database import rows, transaction
from tests.factories import NOW, envelope_json
from tests.reception import TENANT, give_consent, look, put_state, receive


def test_a_consent_starts_at_version_one_and_each_change_is_remembered(services: Services) -> None:
    consents = services.doors.consents
    first = give_consent(services)
    second = give_consent(services, actions=("VitalReading",))
    assert (first.version, second.version, second.id) == (1, 2, first.id)
    assert consents.find(TENANT, "consent-1") == second
    history = consents.history(first.id)
    assert [(version.version, version.active, version.actor) for version in history] == [
        (1, True, "test"),
        (2, True, "test"),
    ]
    kept = look(services, "SELECT actions FROM consent_versions ORDER BY version")
    assert [row["actions"] for row in kept] == [["*"], ["VitalReading"]]


def test_the_same_terms_again_change_nothing(services: Services) -> None:
    assert give_consent(services) == give_consent(services)
    assert len(look(services, "SELECT * FROM consent_versions")) == 1


def test_a_consent_cannot_become_another_patients(services: Services) -> None:
    standing = give_consent(services)
    with pytest.raises(RefusedError) as refused:
        give_consent(services, patient_key=b"q" * 32)
    assert refused.value.code == "consent-patient-fixed"
    assert services.doors.consents.find(TENANT, "consent-1") == standing


def test_a_consent_is_its_tenants_only(services: Services) -> None:
    give_consent(services)
    assert services.doors.consents.find("south", "consent-1") is None
    assert services.doors.consents.revoke("south", "consent-1", actor="test") is None


def test_a_revocation_names_what_is_in_flight_and_counts_what_waits(services: Services) -> None:
    give_consent(services)
    states = ["sending", "unknown", "applied", "pending_remote", "ready", "parked", "verified", "rejected", "in_review"]
    ids = {state: receive(services, key=f"revoked-{state}").id for state in states}
    for state in states:
        if state != "ready":
            put_state(services, ids[state], state)
    revocation = services.doors.consents.revoke(TENANT, "consent-1", actor="app:desk")
    assert revocation is not None
    assert dict(revocation.in_flight) == {
        ids[state]: State(state) for state in ("sending", "unknown", "applied", "pending_remote")
    }
    # "in_review" was never sent: it waits for a person, and the gate stops it after them.
    assert (revocation.queued, revocation.terms.active, revocation.terms.version) == (3, False, 2)
    assert [row["state"] for row in look(services, "SELECT state FROM commands ORDER BY received_at")] == [
        *("sending", "unknown", "applied", "pending_remote", "ready", "parked", "verified", "rejected", "in_review")
    ]


@pytest.mark.parametrize("state", ["in_review", "conflicted"])
def test_what_a_person_has_is_in_flight_only_if_it_was_ever_sent(services: Services, state: str) -> None:
    """A write with a lost answer may end with a person: it may be in the chart, and must not be left out."""
    give_consent(services)
    sent, unsent = receive(services, key="person-sent-01").id, receive(services, key="person-unsent").id
    for command, kind in ((sent, "send"), (unsent, "probe")):
        put_state(services, command, state)
        journal(services, command, kind)
    revocation = services.doors.consents.revoke(TENANT, "consent-1", actor="app:desk")
    assert revocation is not None
    assert (revocation.in_flight, revocation.queued) == (((sent, State(state)),), 1)


def test_what_is_in_the_chart_in_part_is_in_flight(services: Services) -> None:
    give_consent(services)
    command = receive(services).id
    put_state(services, command, "incomplete")
    revocation = services.doors.consents.revoke(TENANT, "consent-1", actor="app:desk")
    assert revocation is not None
    assert (revocation.in_flight, revocation.queued) == (((command, State.INCOMPLETE),), 0)


def journal(services: Services, command: object, kind: str) -> None:
    """Give a command an attempt."""
    with transaction(services.engine) as connection:
        rows(
            connection,
            """
            INSERT INTO attempts (tenant, command_id, operation_seq, lane_id, kind, n, fence, request_id)
            SELECT tenant, id, 1, lane_id, %(kind)s, 1, 1, gen_random_uuid() FROM commands WHERE id = %(id)s
            """,
            {"id": command, "kind": kind},
        )


def test_revoking_twice_is_revoking_once(services: Services) -> None:
    give_consent(services)
    first = services.doors.consents.revoke(TENANT, "consent-1", actor="a")
    second = services.doors.consents.revoke(TENANT, "consent-1", actor="b")
    assert first == second
    assert len(look(services, "SELECT * FROM consent_versions")) == 2


def test_a_revocation_waits_for_a_claim_that_holds_the_consent(services: Services) -> None:
    consent = give_consent(services)
    revoked = threading.Event()

    def revoke() -> None:
        services.doors.consents.revoke(TENANT, "consent-1", actor="test")
        revoked.set()

    with transaction(services.engine) as claim:
        rows(claim, "SELECT version FROM consents WHERE id = %(id)s FOR SHARE", {"id": consent.id})
        thread = threading.Thread(target=revoke)
        thread.start()
        assert not revoked.wait(0.3)
        (row,) = rows(claim, "SELECT version, active FROM consents WHERE id = %(id)s", {"id": consent.id})
        assert row == {"version": 1, "active": True}
    assert revoked.wait(5)
    thread.join()


def test_a_change_leaves_queued_commands_to_the_gate(services: Services) -> None:
    give_consent(services)
    command = receive(services, envelope_json())
    changed = give_consent(services, valid_until=NOW + timedelta(hours=1))
    (row,) = look(services, "SELECT state, consent_version FROM commands WHERE id = %(id)s", id=command.id)
    assert (row, changed.version) == ({"state": "ready", "consent_version": 1}, 2)
