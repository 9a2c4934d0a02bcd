import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest

from api import commands
from processes.postgres import PostgresServer
from tests.factories import ABSENT, as_bytes, envelope_json, quantity, vital_reading_json
from tests.reception import Reception, put_state


def test_a_command_gets_a_receipt_that_says_where_it_is_and_what_comes_next(reception: Reception) -> None:
    answer = reception.post(key="first-key-1")
    receipt = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/commands/{receipt['id']}"
    assert (receipt["status"], receipt["state"], receipt["replayed"]) == ("pending", "ready", False)
    assert receipt["sentence"] == "It is waiting to be sent. It is not in the chart yet."
    assert receipt["authorAssurance"] == "asserted"
    (command,) = reception.rows("SELECT id, state, event_seq FROM commands")
    assert command == {"id": UUID(receipt["id"]), "state": "ready", "event_seq": 2}
    triggers = [row["trigger"] for row in reception.rows("SELECT trigger FROM events ORDER BY seq")]
    assert triggers == ["received", "accepted"]
    assert reception.refusals() == []


def test_a_repeat_is_answered_with_the_same_command(reception: Reception) -> None:
    body = envelope_json()
    first, again = reception.post(body, key="same-key-1"), reception.post(body, key="same-key-1")
    assert again.status_code == 202
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert again.json() | {"replayed": False} == first.json()
    assert len(reception.rows("SELECT id FROM commands")) == 1


def test_a_repeat_of_what_has_ended_is_answered_with_200(reception: Reception) -> None:
    body = envelope_json()
    first = reception.post(body, key="same-key-1").json()
    put_state(reception.services, first["id"], "verified")
    again = reception.post(body, key="same-key-1")
    assert (again.status_code, again.json()["status"], again.json()["id"]) == (200, "inChart", first["id"])
    assert "retry-after" not in again.headers


def test_the_same_key_with_other_content_is_refused(reception: Reception) -> None:
    reception.post(envelope_json(), key="same-key-1")
    changed = envelope_json(vital_reading_json(valueQuantity=quantity("72.5", "kg", "kg")))
    answer = reception.post(changed, key="same-key-1")
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-key-reused")
    assert [refusal["code"] for refusal in reception.refusals()] == ["idempotency-key-reused"]
    assert len(reception.rows("SELECT id FROM commands")) == 1


@pytest.mark.parametrize("form", ['"same-key-1"', '"same-key-1";a=1'])
def test_a_key_may_be_a_structured_field_or_bare(reception: Reception, form: str) -> None:
    body = envelope_json()
    first = reception.post(body, key="same-key-1").json()
    assert reception.post(body, key=form).json()["id"] == first["id"]


def test_one_key_of_two_apps_and_of_two_tenants_is_four_keys(reception: Reception) -> None:
    body = envelope_json()
    ids = {
        reception.post(body, key="same-key-1", **reception.as_(tenant=tenant, client_id=app)).json()["id"]
        for tenant in ("north", "south")
        for app in ("visits", "other")
    }
    assert len(ids) == 4


def test_fifty_at_once_get_fifty_equal_answers(reception: Reception) -> None:
    raw, start = as_bytes(envelope_json()), threading.Barrier(50)

    def send(_number: int) -> tuple[int, str]:
        start.wait()
        while True:
            answer = reception.post(raw, key="crowd-key-1")
            if answer.status_code != 409:
                return answer.status_code, answer.json()["id"]
            assert answer.json()["code"] == "in-progress"
            threading.Event().wait(int(answer.headers["retry-after"]) / 10)

    with ThreadPoolExecutor(50) as pool:
        assert len(set(pool.map(send, range(50)))) == 1
    assert len(reception.rows("SELECT id FROM commands")) == 1


@pytest.mark.parametrize("number", ["72.50", "0.10", "1e-3"])
def test_decimals_are_kept_byte_for_byte(reception: Reception, number: str) -> None:
    raw = as_bytes(envelope_json(vital_reading_json(referenceRange=[{"low": quantity(number, "kg", "kg")}])))
    assert f'"value":{number}'.encode() in raw
    assert reception.post(raw).status_code == 202
    (kept,) = reception.rows("SELECT content FROM payloads")
    assert bytes(kept["content"]) == raw


def test_a_refusal_over_quota_says_when_to_come_again(reception: Reception) -> None:
    quota: Any = reception.services.receiver._quota
    quota.limit = 1
    reception.post()
    answer = reception.post()
    assert (answer.status_code, answer.json()["code"], answer.json()["retry"]) == (429, "quota-exceeded", "later")
    assert 3500 < int(answer.headers["retry-after"]) <= 3600
    (item,) = batch(reception, {"command": envelope_json()})
    assert item["status"] == 429
    assert 3500 < item["retryAfter"] <= 3600


def test_with_the_database_away_nothing_is_accepted_and_the_answer_says_so(
    reception: Reception, postgres_server: PostgresServer
) -> None:
    reception.post(key="before-it-1")
    postgres_server.kill()
    begun = time.monotonic()
    answer = reception.post(key="during-it-1")
    assert time.monotonic() - begun < 10
    assert (answer.status_code, answer.json()["code"], answer.json()["retry"]) == (503, "store-unavailable", "later")
    assert "nothing was accepted" in answer.json()["detail"]
    assert int(answer.headers["retry-after"]) >= 1
    postgres_server.start()
    assert reception.post(key="during-it-1").json()["replayed"] is False
    assert len(reception.rows("SELECT id FROM commands")) == 2


# --- waiting -------------------------------------------------------------------------------------------------------


def test_a_sender_may_wait_until_it_is_in_the_chart(reception: Reception) -> None:
    def move() -> None:
        while not (found := reception.rows("SELECT id FROM commands")):
            threading.Event().wait(0.02)
        put_state(reception.services, found[0]["id"], "verified")

    thread = threading.Thread(target=move)
    thread.start()
    answer = reception.post(Prefer="wait=10")
    thread.join()
    assert (answer.status_code, answer.json()["status"], answer.json()["state"]) == (200, "inChart", "verified")


def test_when_time_is_up_the_receipt_is_what_it_was(reception: Reception) -> None:
    begun = time.monotonic()
    answer = reception.post(Prefer="wait=1")
    assert 1 <= time.monotonic() - begun < 5
    assert (answer.status_code, answer.json()["status"]) == (202, "pending")
    assert answer.headers["preference-applied"] == "wait=1"


def _tells_when_one_waits(reception: Reception, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Return what is set when the door first looks at how a command that it has accepted stands."""
    reads, waits = reception.services.doors.commands, threading.Event()
    summary = reads.summary

    def look(tenant: str, command: UUID) -> Any:
        waits.set()
        return summary(tenant, command)

    monkeypatch.setattr(reads, "summary", look)
    return waits


def test_a_database_that_goes_away_while_one_waits_does_not_take_the_receipt_back(
    reception: Reception, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = _tells_when_one_waits(reception, monkeypatch)

    def kill() -> None:
        assert waits.wait(20)
        postgres_server.kill()

    with ThreadPoolExecutor(1) as threads:
        killed = threads.submit(kill)
        answer = reception.post(Prefer="wait=20")
        killed.result()
    assert (answer.status_code, answer.json()["status"]) == (202, "pending")
    postgres_server.start()
    assert [str(row["id"]) for row in reception.rows("SELECT id FROM commands")] == [answer.json()["id"]]


def test_nobody_waits_for_what_needs_a_person(reception: Reception) -> None:
    begun = time.monotonic()
    answer = reception.post(envelope_json(ai={"model": "scribe-2"}), Prefer="wait=20")
    assert time.monotonic() - begun < 5
    assert (answer.status_code, answer.json()["status"]) == (202, "needsAttention")


def test_beyond_so_many_that_wait_the_next_is_answered_at_once(
    reception: Reception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "WAITING_LIMIT", 1)
    waits = _tells_when_one_waits(reception, monkeypatch)
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(reception.post, key="waiting-key-1", Prefer="wait=20")
        assert waits.wait(10)
        answer = reception.post(key="waiting-key-2", Prefer="wait=20")
        (oldest, _) = reception.rows("SELECT id FROM commands ORDER BY received_at")
        put_state(reception.services, oldest["id"], "verified")
        assert first.result(20).json()["status"] == "inChart"
    assert (answer.status_code, answer.json()["status"]) == (202, "pending")
    assert "preference-applied" not in answer.headers
    after = reception.post(key="waiting-key-9", Prefer="wait=1")
    assert after.headers["preference-applied"] == "wait=1", "the places are given back"


# --- batches -------------------------------------------------------------------------------------------------------


def batch(reception: Reception, *items: Any) -> list[dict[str, Any]]:
    answer = reception.post({"commands": list(items)}, path="/v1/commands:batch")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def test_every_item_of_a_batch_stands_alone(reception: Reception) -> None:
    body = envelope_json()
    items = batch(
        reception,
        {"key": "batch-key-1", "command": body},
        {"key": "batch-key-2", "command": envelope_json(connection="elsewhere")},
        {"command": envelope_json()},
        {"key": "batch-key-1", "command": body},
        {"key": "short", "command": envelope_json()},
        {"command": envelope_json(source=ABSENT)},
        {"command": "text"},
        {"key": 7, "command": envelope_json()},
    )
    assert [item["status"] for item in items] == [202, 404, 202, 202, 400, 400, 422, 400]
    assert items[0]["receipt"]["id"] == items[3]["receipt"]["id"]
    assert items[3]["receipt"]["replayed"] is True
    assert items[1]["problem"]["errors"][0]["pointer"] == "/connection"
    assert items[1]["receipt"] is None
    assert len(reception.rows("SELECT id FROM commands")) == 2
    assert len(reception.refusals()) == 5


def test_numbers_of_a_batch_are_kept_as_they_were_written(reception: Reception) -> None:
    batch(reception, {"command": envelope_json()})
    (kept,) = reception.rows("SELECT content FROM payloads")
    assert b'"value":72.50' in bytes(kept["content"])


def test_a_batch_of_a_hundred_is_taken_and_one_more_is_not(reception: Reception) -> None:
    items = [{"command": envelope_json()} for _ in range(101)]
    assert {item["status"] for item in batch(reception, *items[:100])} == {202}
    answer = reception.post({"commands": items}, path="/v1/commands:batch")
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/commands")
    assert len(reception.rows("SELECT id FROM commands")) == 100


@pytest.mark.parametrize("body", [{}, {"commands": []}, {"commands": {}}, {"commands": [{}], "atomic": True}])
def test_what_is_no_batch_is_refused(reception: Reception, body: dict[str, Any]) -> None:
    answer = reception.post(body, path="/v1/commands:batch")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-field")
    assert len(reception.refusals()) == 1


def test_one_item_may_not_be_larger_than_one_command(reception: Reception) -> None:
    large = envelope_json(vital_reading_json(note=[{"text": "x" * 20_000}] * 14))
    assert [item["status"] for item in batch(reception, {"command": large}, {"command": envelope_json()})] == [413, 202]


def test_when_the_database_goes_away_the_rest_of_a_batch_does_not_wait_for_it(
    reception: Reception, postgres_server: PostgresServer
) -> None:
    reception.post()
    postgres_server.kill()
    begun = time.monotonic()
    items = batch(reception, *({"command": envelope_json()} for _ in range(100)))
    assert time.monotonic() - begun < 10
    assert {item["status"] for item in items} == {503}
    postgres_server.start()
    assert len(reception.rows("SELECT id FROM commands")) == 1


# --- cancelling ----------------------------------------------------------------------------------------------------


def test_a_command_is_cancelled_before_it_is_sent(reception: Reception) -> None:
    command = reception.post().json()["id"]
    answer = reception.client.post(f"/v1/commands/{command}:cancel")
    assert (answer.status_code, answer.json()["status"], answer.json()["state"]) == (200, "notWritten", "withdrawn")
    assert reception.client.post(f"/v1/commands/{command}:cancel").status_code == 200
    events = reception.rows("SELECT trigger, actor FROM events WHERE trigger = 'cancelled'")
    assert events == [{"trigger": "cancelled", "actor": "app:visits"}]


@pytest.mark.parametrize("state", ["rejected", "expired", "superseded", "compensated"])
def test_what_has_ended_is_not_cancelled_and_nothing_is_named_that_would_take_it_out(
    reception: Reception, state: str
) -> None:
    command = reception.post().json()["id"]
    put_state(reception.services, command, state)
    answer = reception.client.post(f"/v1/commands/{command}:cancel")
    assert (answer.status_code, answer.json()["code"]) == (409, "too-late-to-cancel")
    assert "retract" not in answer.json()["detail"]
    assert "nothing to cancel" in answer.json()["detail"]


@pytest.mark.parametrize("state", ["sending", "unknown", "applied", "verified"])
def test_what_was_sent_is_not_cancelled_and_the_answer_names_what_can_be_done(reception: Reception, state: str) -> None:
    command = reception.post().json()["id"]
    put_state(reception.services, command, state)
    answer = reception.client.post(f"/v1/commands/{command}:cancel")
    assert (answer.status_code, answer.json()["code"]) == (409, "too-late-to-cancel")
    assert "VitalReading.retract" in answer.json()["detail"]
    assert [row["state"] for row in reception.rows("SELECT state FROM commands")] == [state]


def test_anothers_command_is_not_cancelled(reception: Reception) -> None:
    command = reception.post().json()["id"]
    for claims in ({"tenant": "south"}, {"client_id": "other"}):
        assert (
            reception.client.post(f"/v1/commands/{command}:cancel", headers=reception.as_(**claims)).status_code == 404
        )
    unscoped = reception.as_(scope="writeback/MedicationChange.*")
    assert reception.client.post(f"/v1/commands/{command}:cancel", headers=unscoped).status_code == 403
    assert reception.client.post(f"/v1/commands/{uuid4()}:cancel").status_code == 404
    assert [row["state"] for row in reception.rows("SELECT state FROM commands")] == ["ready"]
