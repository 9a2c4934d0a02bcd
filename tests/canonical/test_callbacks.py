import json
from datetime import UTC, datetime
from uuid import UUID

import pytest

from canonical.callbacks import EVENT_TYPES, Callback, Delivery
from canonical.status import Status

CALLBACK = Callback(
    id=1,
    endpoint_id=UUID(int=1),
    url="https://app.example/hooks?token=hunter2",
    secret="whsec_aHVudGVyMg==",
    command_id=UUID(int=2),
    sequence=5,
    status=Status.IN_CHART,
    state="verified",
    reason="proven",
    correlation_id="corr-1",
    created_at=datetime(2026, 3, 10, 14, 30, tzinfo=UTC),
    attempts=1,
)


def test_a_callback_says_which_command_changed_and_how_and_nothing_else() -> None:
    assert json.loads(CALLBACK.body()) == {
        "type": "command.in_chart",
        "timestamp": "2026-03-10T14:30:00+00:00",
        "data": {
            "commandId": str(UUID(int=2)),
            "status": "inChart",
            "state": "verified",
            "reason": "proven",
            "correlationId": "corr-1",
            "sequence": 5,
        },
    }


def test_every_status_has_an_event_type() -> None:
    assert set(EVENT_TYPES) == set(Status)
    assert sorted(EVENT_TYPES.values()) == [
        "command.in_chart",
        "command.needs_attention",
        "command.not_written",
        "command.pending",
        "command.taken_back",
    ]


def test_a_repeat_carries_the_same_message_id() -> None:
    assert CALLBACK.message_id == f"{UUID(int=2)}.5"


def test_address_and_secret_do_not_show_when_it_is_printed() -> None:
    assert "hunter2" not in repr(CALLBACK)
    assert "aHVudGVyMg" not in repr(CALLBACK)


@pytest.mark.parametrize(
    ("status", "delivered"),
    [(200, True), (204, True), (299, True), (301, False), (307, False), (400, False), (410, False), (500, False)],
)
def test_only_success_is_delivery(status: int, *, delivered: bool) -> None:
    assert Delivery(status=status).delivered is delivered


def test_no_answer_is_no_delivery() -> None:
    assert not Delivery(reason="timed out").delivered
    assert not Delivery(reason="timed out").unwanted


def test_a_receiver_that_is_gone_wants_no_more() -> None:
    assert Delivery(status=410).unwanted
