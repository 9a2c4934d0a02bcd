import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from canonical.admission import BusyError
from canonical.errors import RefusedError
from canonical.idempotency import key_hash
from config.wiring import Services
from processes.postgres import PostgresServer
from processes.valkey import ValkeyServer
from tasks.receive import ReceiptLostError
from tests.factories import (
    ABSENT,
    NOW,
    as_bytes,
    envelope_json,
    medication_change_json,
    patient_json,
    quantity,
    vital_reading_json,
)
from tests.faults.proxy import Cut, Mode, TcpProxy
from tests.reception import APP, PRINCIPAL, TENANT, Clock, give_consent, look, open_services, receive


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def services(database_url: str, redis_url: str, tmp_path: Path, clock: Clock) -> Iterator[Services]:
    with open_services(database_url, redis_url, tmp_path, clock=clock) as services:
        give_consent(services)
        yield services


def refused(services: Services, body: Any = None, *, key: str | None = None, **principal: Any) -> RefusedError:
    """Receive what must be refused, and check that the refusal is all that was stored."""
    before = look(services, "SELECT (SELECT count(*) FROM commands) AS c, (SELECT count(*) FROM payloads) AS p")
    with pytest.raises(RefusedError) as error:
        receive(services, body, key=key, **principal)
    after = look(services, "SELECT (SELECT count(*) FROM commands) AS c, (SELECT count(*) FROM payloads) AS p")
    kept = look(services, "SELECT code, errors, body_digest FROM refused_messages ORDER BY id DESC LIMIT 1")
    assert before == after
    assert kept == [
        {"code": error.value.code, "errors": [vars(item) for item in error.value.errors], "body_digest": None}
    ]
    return error.value


def pointers(error: RefusedError) -> list[str]:
    return [item.pointer for item in error.errors]


# --- repeats -------------------------------------------------------------------------------------------------------


def test_a_repeat_is_answered_with_the_state_now(services: Services) -> None:
    body = envelope_json()
    first = receive(services, body, key="repeated-1")
    services.doors.withdrawals.withdraw(TENANT, first.id, actor="test")
    again = receive(services, body, key="repeated-1")
    assert (again.id, again.replayed, again.state, again.ended) == (first.id, True, "withdrawn", True)


def test_member_order_white_space_and_correlation_do_not_make_another_command(services: Services) -> None:
    body = envelope_json(correlationId="one")
    shuffled = dict(reversed(body.items())) | {"correlationId": "two", "reason": "said again"}
    first = receive(services, body, key="repeated-1")
    assert receive(services, as_bytes(shuffled).replace(b",", b" ,\n"), key="repeated-1").id == first.id


@pytest.mark.parametrize(
    "change",
    [
        {"action": vital_reading_json(valueQuantity=quantity("72.5", "kg", "kg"))},
        {"encounter": {"reference": "Encounter/e9"}},
        {"author": {"role": "physician"}},
    ],
)
def test_the_same_key_with_other_content_is_refused(services: Services, change: dict[str, Any]) -> None:
    body = envelope_json()
    receive(services, body, key="repeated-1")
    assert refused(services, body | change, key="repeated-1").code == "idempotency-key-reused"


def test_a_key_is_known_for_as_long_as_its_command(services: Services, clock: Clock) -> None:
    body = envelope_json()
    first = receive(services, body, key="repeated-1")
    clock.now = NOW + timedelta(days=30)
    assert receive(services, body, key="repeated-1").id == first.id


def test_a_repeat_is_answered_though_its_consent_has_ended_and_its_deadline_passed(
    services: Services, clock: Clock
) -> None:
    body = envelope_json(notAfter=(NOW + timedelta(minutes=1)).isoformat())
    first = receive(services, body, key="repeated-1")
    services.doors.consents.revoke(TENANT, "consent-1", actor="test")
    clock.now = NOW + timedelta(hours=1)
    assert receive(services, body, key="repeated-1").id == first.id


def test_without_a_key_the_event_upstream_makes_one(services: Services) -> None:
    body = envelope_json()
    first = receive(services, body)
    assert receive(services, body).id == first.id
    assert receive(services, envelope_json()).id != first.id


def test_without_key_and_event_it_is_refused(services: Services) -> None:
    error = refused(services, envelope_json(source=ABSENT))
    assert (error.code, pointers(error)) == ("idempotency-key-required", ["/source/eventId"])


def test_fifty_at_once_with_one_key_get_fifty_equal_answers(services: Services) -> None:
    body, start = as_bytes(envelope_json()), threading.Barrier(50)

    def send(_number: int) -> object:
        start.wait()
        while True:
            try:
                return receive(services, body, key="crowd-key-1").id
            except BusyError as busy:
                threading.Event().wait(busy.retry_after.total_seconds() / 10)

    with ThreadPoolExecutor(50) as pool:
        ids = set(pool.map(send, range(50)))
    assert len(ids) == 1
    assert [row["id"] for row in look(services, "SELECT id FROM commands")] == list(ids)
    assert len(look(services, "SELECT seq FROM events")) == 2


def test_while_the_first_request_is_being_stored_a_repeat_is_told_to_come_again(services: Services) -> None:
    body = envelope_json()
    with services.locks.door(key_hash(TENANT, APP, "busy-key-1")), pytest.raises(BusyError) as busy:
        receive(services, body, key="busy-key-1")
    assert (busy.value.code, busy.value.retry_after) == ("in-progress", timedelta(seconds=1))
    assert look(services, "SELECT * FROM refused_messages") == []
    assert not receive(services, body, key="busy-key-1").replayed


def test_a_refusal_uses_up_no_key(services: Services) -> None:
    too_heavy = vital_reading_json(valueQuantity=quantity("7250", "kg", "kg"))
    assert refused(services, envelope_json(too_heavy), key="mended-key-1").code == "invalid-field"
    assert not receive(services, envelope_json(), key="mended-key-1").replayed


# --- judging -------------------------------------------------------------------------------------------------------


def test_an_unknown_connection_is_not_there(services: Services) -> None:
    error = refused(services, envelope_json(connection="elsewhere"))
    assert (error.code, pointers(error)) == ("connection-unknown", ["/connection"])
    assert refused(services, envelope_json(connection="labels-r4"), tenant="south").code == "connection-unknown"
    assert refused(services, tenant="nobody").code == "connection-unknown"


def test_an_app_without_the_scope_is_refused(services: Services) -> None:
    scopes = frozenset({"writeback/MedicationChange.*"})
    assert refused(services, scopes=scopes).code == "not-permitted"


def test_the_receipt_says_whether_the_author_was_logged_in(services: Services) -> None:
    assert receive(services).author_assurance == "asserted"
    author = {"reference": "Practitioner/n17", "role": "nurse"}
    receipt = receive(services, envelope_json(author=author), user="https://ehr.example/fhir/Practitioner/n17")
    assert receipt.author_assurance == "authenticated"


def test_consent_is_asked_for_and_once_given_the_same_command_passes(services: Services) -> None:
    body = envelope_json(consent={"reference": "consent-2"})
    error = refused(services, body, key="consent-key")
    assert (error.code, error.retry) == ("consent-absent", "afterConsent")
    give_consent(services, reference="consent-2")
    assert not receive(services, body, key="consent-key").replayed


def test_a_consent_that_ended_is_told_from_one_that_never_was(services: Services) -> None:
    services.doors.consents.revoke(TENANT, "consent-1", actor="test")
    error = refused(services)
    assert (error.code, error.retry) == ("consent-revoked", "afterConsent")


def test_another_patients_consent_does_not_count(services: Services) -> None:
    assert refused(services, envelope_json(patient=patient_json(reference="Patient/p2"))).code == "consent-absent"


def test_an_implausible_value_passes_once_its_author_confirms_it(services: Services) -> None:
    heavy = quantity("340", "kg", "kg")
    error = refused(services, envelope_json(vital_reading_json(valueQuantity=heavy)), key="heavy-key-1")
    assert (error.code, error.retry) == ("confirmation-required", "afterConfirmation")
    confirmed = {"by": {"value": "n-17"}, "when": "2026-03-10T14:59:00Z"}
    action = vital_reading_json(valueQuantity=heavy, confirmed=confirmed)
    assert not receive(services, envelope_json(action), key="heavy-key-1").replayed


def test_a_devices_implausible_values_are_taken_with_one_case_for_the_series(services: Services) -> None:
    heavy = vital_reading_json(
        valueQuantity=quantity("340", "kg", "kg"),
        origin="deviceTransmitted",
        performerRole="device",
        device={"serialNumber": "scale-1"},
    )
    for _ in range(3):
        assert receive(services, envelope_json(heavy, author={"role": "device"})).state == "ready"
    assert [row["kind"] for row in look(services, "SELECT kind FROM cases")] == ["implausible_value"]


def test_what_a_model_wrote_waits_for_a_person(services: Services) -> None:
    receipt = receive(services, envelope_json(ai={"model": "scribe-2"}))
    assert (receipt.status, receipt.state, receipt.reason) == ("needsAttention", "awaiting_approval", "ai-authored")
    assert look(services, "SELECT approval_required, approval_digest FROM commands") == [
        {"approval_required": True, "approval_digest": None}
    ]


def test_labelled_content_goes_only_where_labels_are_kept(services: Services) -> None:
    label = [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "ETH"}]
    error = refused(services, envelope_json(securityLabel=label))
    assert (error.code, pointers(error)) == ("label-unsupported", ["/securityLabel"])
    give_consent(services, reference="consent-3", connection="labels-r4")
    body = envelope_json(securityLabel=label, connection="labels-r4", consent={"reference": "consent-3"})
    assert receive(services, body).state == "ready"


def test_the_medication_list_is_told_apart_from_the_prescription(services: Services) -> None:
    receipt = receive(services, envelope_json(medication_change_json()))
    told = "Recorded on the medication list; the prescription and the pharmacy were not changed."
    assert receipt.note.startswith(
        f"{told} Before it is sent, the medication list is looked through for the same medicine"
    )
    assert receive(services, envelope_json(medication_change_json("stop")), key="another-key-1").note == told


def test_where_the_medication_list_cannot_be_read_receipt_and_record_say_what_is_not_checked(
    services: Services,
) -> None:
    give_consent(services, reference="consent-3", connection="labels-r4")
    body = envelope_json(medication_change_json(), connection="labels-r4", consent={"reference": "consent-3"})
    first = receive(services, body, key="started-unchecked-1")
    assert first.note.endswith(
        "Duplicates and interactions are not checked: the medication list of this EHR cannot be read."
    )
    assert "looked through" not in first.note
    again = receive(services, body, key="started-unchecked-1")
    assert (again.replayed, again.note) == (True, first.note)
    (event,) = look(services, "SELECT detail FROM events WHERE detail ? 'marks'")
    assert event["detail"]["marks"] == ["duplicates-not-checked"]


def test_the_same_measurement_under_another_key_names_the_first(services: Services) -> None:
    first = receive(services)
    second = receive(services, app="device-hub")
    assert (second.possible_duplicate_of, second.replayed) == (first.id, False)


@pytest.mark.parametrize("number", ["72.50", "0.10", "1e-3", "72.5000"])
def test_numbers_are_kept_as_they_were_written(services: Services, number: str) -> None:
    usual = [{"low": quantity(number, "kg", "kg")}]
    raw = as_bytes(envelope_json(vital_reading_json(referenceRange=usual)))
    confirmed = receive(services, raw)
    (row,) = look(services, "SELECT content FROM payloads")
    assert bytes(row["content"]) == raw
    assert f'"value":{number}'.encode() in raw
    assert confirmed.state == "ready"


def test_nothing_clinical_is_outside_payloads(services: Services) -> None:
    services.doors.endpoints.register(TENANT, APP, url="https://app.example/", secret="whsec_a")
    receive(services, envelope_json(ai={"model": "scribe-2"}))
    refused(services, envelope_json(vital_reading_json(valueQuantity=quantity("7250", "kg", "kg"))))
    for table in ("commands", "events", "cases", "callbacks", "lanes", "refused_messages", "consents", "switches"):
        text = repr(look(services, f"SELECT t::text FROM {table} t"))
        for secret in ("Lopez", "1961-04-02", "Patient/p1", "72.50", "7250", "n-17"):
            assert secret not in text, (table, secret)


# --- quota ---------------------------------------------------------------------------------------------------------


def test_beyond_the_quota_an_app_is_told_when_to_go_on(database_url: str, redis_url: str, tmp_path: Path) -> None:
    with open_services(database_url, redis_url, tmp_path, quota_per_hour=3) as services:
        give_consent(services)
        body = envelope_json()
        first = receive(services, body)
        receive(services)
        receive(services)
        with pytest.raises(BusyError) as busy:
            receive(services)
        assert busy.value.code == "quota-exceeded"
        assert timedelta(minutes=59) < busy.value.retry_after <= timedelta(hours=1)
        assert receive(services, body).id == first.id, "a repeat is no new command"
        assert not receive(services, app="other").replayed, "another app has its own quota"


# --- what fails around it ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [Cut.BEFORE, Cut.AT_REPLY])
def test_a_commit_of_unknown_fate_and_its_repeat_make_one_command(
    database_url: str, postgres_server: PostgresServer, redis_url: str, tmp_path: Path, cut: Cut
) -> None:
    direct = make_url(postgres_server.tcp_url).set(database=make_url(database_url).database)
    assert direct.port is not None
    body = envelope_json(correlationId="of-unknown-fate")
    with TcpProxy(direct.port) as proxy:
        url = proxy.url(direct.render_as_string(hide_password=False))
        with open_services(url, redis_url, tmp_path) as services:
            give_consent(services)
            # The statement that stores the command names its correlation id, and is the last before its COMMIT.
            committing = threading.Event()

            def is_commit(seen: bytes) -> bool:
                if b"of-unknown-fate" in seen:
                    committing.set()
                return committing.is_set() and seen.rstrip(b"\0").endswith(b"COMMIT")

            proxy.cut("commit", is_commit, cut=cut)
            if cut is Cut.AT_REPLY:
                # The row tells that it was stored, so the answer is the receipt after all.
                first = receive(services, body, key="commit-key")
                assert not first.replayed
            else:
                with pytest.raises(ReceiptLostError):
                    receive(services, body, key="commit-key")
            assert proxy.fired["commit"] == 1
            again = receive(services, body, key="commit-key")
            assert again.replayed is (cut is Cut.AT_REPLY)
            key = key_hash(TENANT, APP, "commit-key")
            assert look(services, "SELECT id FROM commands WHERE key_hash = %(key)s", key=key) == [{"id": again.id}]
            events = look(services, "SELECT trigger FROM events WHERE command_id = %(id)s ORDER BY seq", id=again.id)
            assert [row["trigger"] for row in events] == ["received", "accepted"]


def test_with_redis_black_holed_a_command_is_accepted_within_two_seconds(
    database_url: str, valkey_server: ValkeyServer, redis_url: str, tmp_path: Path
) -> None:
    port = make_url(redis_url).port
    assert port is not None
    with TcpProxy(port) as proxy, open_services(database_url, proxy.url(redis_url), tmp_path) as services:
        give_consent(services)
        receive(services)
        proxy.mode = Mode.BLACK_HOLE
        begun = time.monotonic()
        receipt = receive(services)
        assert time.monotonic() - begun < 2
        assert proxy.fired["swallowed"] >= 1
        assert receipt.state == "ready"
        before = proxy.fired.copy()
        receive(services)
        assert proxy.fired == before, "an outage costs one request, not every one"


def test_with_redis_gone_the_unique_key_decides(
    database_url: str, valkey_server: ValkeyServer, redis_url: str, tmp_path: Path
) -> None:
    with open_services(database_url, redis_url, tmp_path) as services:
        give_consent(services)
        valkey_server.kill()
        body, start = as_bytes(envelope_json()), threading.Barrier(8)

        def send(_number: int) -> object:
            start.wait()
            return services.receiver.receive(body, principal=PRINCIPAL, key="no-redis-1", door="http").id

        with ThreadPoolExecutor(8) as pool:
            assert len(set(pool.map(send, range(8)))) == 1
        assert len(look(services, "SELECT id FROM commands")) == 1
