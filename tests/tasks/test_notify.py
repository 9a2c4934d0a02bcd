import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest
from standardwebhooks import Webhook

from canonical.callbacks import Callback, Delivery
from canonical.events import move
from canonical.lifecycle import State, Trigger
from canonical.retry import Backoff
from store.callbacks import Callbacks
from store.database import transaction
from store.moves import apply_move
from tasks.callback_address import AddressRules
from tasks.callback_sender import CallbackSender
from tasks.notify import Notifier, Patience
from tests.tasks.receivers import Receiver, open_receiver
from tests.tasks.ward import Ward

SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
REGISTER = """
INSERT INTO endpoints (id, tenant, app, url, secret) VALUES (%(id)s, 't1', %(app)s, %(url)s, %(secret)s)
"""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with open_receiver() as receiver:
        yield receiver


@dataclass
class Answers:
    """A sender that answers as it is told; for what follows an attempt, not for the attempt itself."""

    deliveries: list[Delivery] = field(default_factory=list)
    sent: list[Callback] = field(default_factory=list)

    def send(self, callback: Callback, *, now: datetime) -> Delivery:
        self.sent.append(callback)
        return self.deliveries.pop(0) if self.deliveries else Delivery(status=204)


def register(ward: Ward, url: str = "https://app.example/hooks", app: str = "app") -> UUID:
    endpoint = uuid4()
    ward.query(REGISTER, id=endpoint, app=app, url=url, secret=SECRET)
    return endpoint


def notifier_of(ward: Ward, sender: Any, **patience: Any) -> Notifier:
    quick = Backoff(base=timedelta(seconds=10), cap=timedelta(minutes=10))
    return Notifier(
        callbacks=Callbacks(ward.engine),
        sender=sender,
        clock=lambda: datetime.now(UTC),
        random=Random(1),
        patience=Patience(**({"backoff": quick} | patience)),
    )


def written(ward: Ward) -> UUID:
    """Bring one command into the chart, which makes its callbacks."""
    accepted = ward.submit()
    ward.run(accepted.lane_id)
    assert ward.state(accepted.command_id) == "verified"
    return accepted.command_id


def rows_of(ward: Ward) -> list[dict[str, Any]]:
    return ward.query("SELECT *, due_at > clock_timestamp() AS later FROM callbacks ORDER BY id")


def make_due(ward: Ward) -> None:
    ward.query("UPDATE callbacks SET due_at = clock_timestamp()")


def test_an_app_is_told_when_its_command_is_in_the_chart(ward: Ward, receiver: Receiver) -> None:
    register(ward, receiver.url)
    command = written(ward)
    notifier = notifier_of(ward, CallbackSender(timeout=timedelta(seconds=2), rules=AddressRules(allow_loopback=True)))
    (callback,) = notifier.callbacks.due(limit=10)  # type: ignore[attr-defined]
    assert notifier.run(callback) == Delivery(status=204)
    (told,) = receiver.told
    said = Webhook(SECRET).verify(told.body, told.headers)
    assert said["type"] == "command.in_chart"
    assert said["data"]["commandId"] == str(command)
    assert said["data"]["correlationId"] == "corr"
    (row,) = rows_of(ward)
    assert (row["last_status"], row["attempts"]) == (204, 1)
    assert row["delivered_at"] is not None


def test_no_clinical_content_is_in_a_callback(ward: Ward, receiver: Receiver) -> None:
    register(ward, receiver.url)
    written(ward)
    notifier = notifier_of(ward, CallbackSender(timeout=timedelta(seconds=2), rules=AddressRules(allow_loopback=True)))
    notifier.run(rows_of(ward)[0]["id"])
    (told,) = receiver.told
    everything = told.body + json.dumps(told.headers).encode()
    for token in (b"Lopez", b"Patient/p1", b"72.5", b"1961", b"8867-4", b"Observation"):
        assert token not in everything


def test_only_the_app_s_own_endpoints_are_told(ward: Ward) -> None:
    mine, theirs = register(ward), register(ward, app="other")
    written(ward)
    assert {row["endpoint_id"] for row in rows_of(ward)} == {mine}
    assert theirs != mine


def test_what_was_delivered_is_not_sent_again(ward: Ward) -> None:
    register(ward)
    written(ward)
    answers = Answers()
    notifier = notifier_of(ward, answers)
    callback = rows_of(ward)[0]["id"]
    assert notifier.run(callback) == Delivery(status=204)
    make_due(ward)
    assert notifier.run(callback) is None
    assert len(answers.sent) == 1


def test_a_callback_under_way_is_hidden_from_others_until_its_sender_must_be_dead(ward: Ward) -> None:
    register(ward)
    written(ward)
    callbacks = Callbacks(ward.engine)
    (due,) = callbacks.due(limit=10)
    taken = callbacks.take(due, lease=timedelta(minutes=1))
    assert taken is not None
    assert taken.attempts == 1
    assert callbacks.due(limit=10) == []
    assert callbacks.take(due, lease=timedelta(minutes=1)) is None
    make_due(ward)
    again = callbacks.take(due, lease=timedelta(minutes=1))
    assert again is not None
    assert again.attempts == 2


def test_many_workers_send_one_callback_once(ward: Ward) -> None:
    register(ward)
    written(ward)
    answers = Answers()
    notifier = notifier_of(ward, answers)
    callback = rows_of(ward)[0]["id"]
    with ThreadPoolExecutor(6) as threads:
        found = list(threads.map(lambda _: notifier.run(callback), range(12)))
    assert sum(delivery is not None for delivery in found) == 1
    assert len(answers.sent) == 1


@pytest.mark.parametrize("delivery", [Delivery(status=500), Delivery(status=302), Delivery(reason="timed out")])
def test_a_callback_that_was_not_taken_is_tried_again_later(ward: Ward, delivery: Delivery) -> None:
    endpoint = register(ward)
    written(ward)
    notifier = notifier_of(ward, Answers([delivery]))
    callback = rows_of(ward)[0]["id"]
    assert notifier.run(callback) == delivery
    (row,) = rows_of(ward)
    assert row["later"]
    assert row["last_status"] == delivery.status
    assert row["delivered_at"] is None
    assert row["given_up_at"] is None
    (kept,) = ward.query("SELECT failing_since, disabled_at FROM endpoints WHERE id = %(id)s", id=endpoint)
    assert kept["failing_since"] is not None
    assert kept["disabled_at"] is None


def test_a_receiver_that_works_again_is_no_longer_failing(ward: Ward) -> None:
    endpoint = register(ward)
    written(ward)
    notifier = notifier_of(ward, Answers([Delivery(status=500)]))
    callback = rows_of(ward)[0]["id"]
    notifier.run(callback)
    make_due(ward)
    assert notifier.run(callback) == Delivery(status=204)
    (kept,) = ward.query("SELECT failing_since FROM endpoints WHERE id = %(id)s", id=endpoint)
    assert kept["failing_since"] is None
    assert rows_of(ward)[0]["attempts"] == 2


def test_a_callback_is_given_up_after_its_last_attempt(ward: Ward) -> None:
    register(ward)
    written(ward)
    notifier = notifier_of(ward, Answers([Delivery(status=500)] * 3), most=2)
    callback = rows_of(ward)[0]["id"]
    notifier.run(callback)
    make_due(ward)
    notifier.run(callback)
    (row,) = rows_of(ward)
    assert row["given_up_at"] is not None
    make_due(ward)
    assert notifier.run(callback) is None


def test_a_receiver_that_fails_for_too_long_is_left_alone_with_everything_that_waits_for_it(ward: Ward) -> None:
    endpoint = register(ward)
    written(ward)
    written(ward)
    notifier = notifier_of(ward, Answers([Delivery(status=500)] * 2), window=timedelta(hours=1))
    first, second = (row["id"] for row in rows_of(ward))
    notifier.run(first)
    ward.query("UPDATE endpoints SET failing_since = failing_since - interval '2 hours'")
    notifier.run(second)
    (kept,) = ward.query("SELECT disabled_at FROM endpoints WHERE id = %(id)s", id=endpoint)
    assert kept["disabled_at"] is not None
    assert all(row["given_up_at"] is not None for row in rows_of(ward))


def test_a_receiver_that_says_it_is_gone_is_left_alone_at_once(ward: Ward) -> None:
    endpoint = register(ward)
    written(ward)
    notifier = notifier_of(ward, Answers([Delivery(status=410)]))
    notifier.run(rows_of(ward)[0]["id"])
    (kept,) = ward.query("SELECT disabled_at FROM endpoints WHERE id = %(id)s", id=endpoint)
    assert kept["disabled_at"] is not None


def test_a_callback_to_an_endpoint_that_was_disabled_meanwhile_is_given_up(ward: Ward) -> None:
    register(ward)
    written(ward)
    ward.query("UPDATE endpoints SET disabled_at = clock_timestamp()")
    answers = Answers()
    assert notifier_of(ward, answers).run(rows_of(ward)[0]["id"]) is None
    assert answers.sent == []
    assert rows_of(ward)[0]["given_up_at"] is not None
    assert Callbacks(ward.engine).due(limit=10) == []


def test_a_sender_that_was_away_does_not_speak_about_a_later_attempt(ward: Ward) -> None:
    register(ward)
    written(ward)
    callbacks = Callbacks(ward.engine)
    (due,) = callbacks.due(limit=10)
    slow = callbacks.take(due, lease=timedelta(minutes=1))
    make_due(ward)
    quick = callbacks.take(due, lease=timedelta(minutes=1))
    assert slow is not None
    assert quick is not None
    callbacks.failed(slow, Delivery(status=500), wait=None)
    assert rows_of(ward)[0]["given_up_at"] is None
    callbacks.delivered(quick, Delivery(status=200))
    assert rows_of(ward)[0]["delivered_at"] is not None


def test_a_callback_that_does_not_exist_is_nothing_to_do(ward: Ward) -> None:
    assert notifier_of(ward, Answers()).run(4711) is None


def test_an_endpoint_that_is_failing_is_tried_by_one_sender_at_a_time(ward: Ward) -> None:
    failing, fine = register(ward), register(ward, url="https://fine.example/hooks")
    for _ in range(3):
        written(ward)
    ward.query("UPDATE endpoints SET failing_since = clock_timestamp() WHERE id = %(id)s", id=failing)
    callbacks = Callbacks(ward.engine)

    def due() -> list[UUID]:
        endpoint_of = {row["id"]: row["endpoint_id"] for row in rows_of(ward)}
        return [endpoint_of[number] for number in callbacks.due(limit=10)]

    assert sorted(due(), key=str) == sorted([failing, fine, fine, fine], key=str)
    numbers = [row["id"] for row in rows_of(ward) if row["endpoint_id"] == failing]
    taken = callbacks.take(numbers[0], lease=timedelta(minutes=1))
    assert taken is not None
    assert callbacks.take(numbers[1], lease=timedelta(minutes=1)) is None
    assert due() == [fine, fine, fine]
    callbacks.failed(taken, Delivery(status=503), wait=timedelta(minutes=5))
    again = callbacks.take(numbers[1], lease=timedelta(minutes=1))
    assert again is not None
    callbacks.delivered(again, Delivery(status=204))
    assert callbacks.take(numbers[2], lease=timedelta(minutes=1)) is not None


def test_endpoints_that_have_much_to_be_told_do_not_hold_back_the_others(ward: Ward) -> None:
    register(ward)
    for _ in range(3):
        written(ward)
    late = register(ward, url="https://late.example/hooks")
    written(ward)
    found = Callbacks(ward.engine).due(limit=2)
    assert late in {row["endpoint_id"] for row in rows_of(ward) if row["id"] in found}


def refused_before_sending(ward: Ward) -> UUID:
    command = ward.submit().command_id
    with transaction(ward.engine) as connection:
        assert apply_move(connection, command, move(State.READY, Trigger.CONSENT_ENDED), actor="test")
    return command


def confirmed(ward: Ward, command: UUID) -> str | None:
    found = ward.query("SELECT how FROM acknowledgements WHERE command_id = %(id)s", id=command)
    return str(found[0]["how"]) if found[0]["how"] is not None else None


def test_what_an_app_took_was_seen_where_it_says_that_it_shows_it(ward: Ward) -> None:
    endpoint = register(ward)
    ward.query("UPDATE endpoints SET shows_author = true WHERE id = %(id)s", id=endpoint)
    command = refused_before_sending(ward)
    (row,) = rows_of(ward)
    assert notifier_of(ward, Answers([Delivery(status=500), Delivery(status=204)])).run(row["id"]) is not None
    assert confirmed(ward, command) is None
    make_due(ward)
    notifier_of(ward, Answers([Delivery(status=204)])).run(row["id"])
    assert confirmed(ward, command) == "delivery"
    assert ward.events(command)[-1] == "acknowledged"


def test_what_an_app_took_is_delivered_and_no_more_where_it_says_nothing(ward: Ward) -> None:
    register(ward)
    command = refused_before_sending(ward)
    (row,) = rows_of(ward)
    notifier_of(ward, Answers()).run(row["id"])
    assert rows_of(ward)[0]["delivered_at"] is not None
    assert confirmed(ward, command) is None


def test_an_older_notice_that_arrives_late_does_not_count_for_the_ending(ward: Ward) -> None:
    endpoint = register(ward)
    ward.query("UPDATE endpoints SET shows_author = true WHERE id = %(id)s", id=endpoint)
    command = ward.submit().command_id
    for state, trigger in ((State.READY, Trigger.REVIEW_REQUIRED), (State.IN_REVIEW, Trigger.REFUSED_BY_PERSON)):
        with transaction(ward.engine) as connection:
            assert apply_move(connection, command, move(state, trigger), actor="test")
    waits, ends = rows_of(ward)
    notifier_of(ward, Answers()).run(waits["id"])
    assert confirmed(ward, command) is None
    notifier_of(ward, Answers()).run(ends["id"])
    assert confirmed(ward, command) == "delivery"
