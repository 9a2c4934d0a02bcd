from uuid import UUID

from tests.factories import as_bytes, envelope_json
from tests.reception import Reception


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
    assert again.json() | {"replayed": False} == first.json()
    assert len(reception.rows("SELECT id FROM commands")) == 1


def test_decimals_are_kept_byte_for_byte(reception: Reception) -> None:
    raw = as_bytes(envelope_json())
    assert b"72.50" in raw
    assert reception.post(raw).status_code == 202
    (kept,) = reception.rows("SELECT content FROM payloads")
    assert bytes(kept["content"]) == raw
