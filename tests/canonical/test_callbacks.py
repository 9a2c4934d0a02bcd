from __future__ import annotations

from typing import Any

import pytest

from canonical import exact_json
from canonical.callbacks import EVENT_TYPES, Callback, Delivery
from canonical.status import Status
from tests.factories import NOW, new_id


def callback(**over: Any) -> Callback:
    members: dict[str, Any] = {
        "id": 1,
        "endpoint_id": new_id(),
        "url": "https://app.example/hook?token=abc",
        "secret": "whsec_abc",
        "command_id": new_id(),
        "sequence": 4,
        "status": Status.IN_CHART,
        "state": "verified",
        "reason": "proven",
        "correlation_id": "c-1",
        "created_at": NOW,
        "attempts": 1,
    }
    return Callback(**members | over)


def test_every_status_has_its_event() -> None:
    assert set(EVENT_TYPES) == set(Status)
    assert len(set(EVENT_TYPES.values())) == len(Status)


def test_a_message_says_which_command_and_status_and_nothing_of_the_content() -> None:
    sent = callback()
    body = exact_json.parse(sent.body())
    assert body == {
        "type": "command.in_chart",
        "timestamp": NOW.isoformat(),
        "data": {
            "commandId": str(sent.command_id),
            "status": "inChart",
            "state": "verified",
            "reason": "proven",
            "correlationId": "c-1",
            "sequence": 4,
        },
    }


def test_a_repeat_has_the_same_id_and_the_next_change_another() -> None:
    first = callback()
    assert callback(command_id=first.command_id, attempts=7).message_id == first.message_id
    assert callback(command_id=first.command_id, sequence=5).message_id != first.message_id


def test_address_and_secret_are_not_printed() -> None:
    assert "whsec" not in repr(callback())
    assert "token" not in repr(callback())


@pytest.mark.parametrize(("status", "delivered", "unwanted"), [
    (200, True, False), (204, True, False), (301, False, False), (400, False, False), (410, False, True), (503, False, False),
    (None, False, False),
])  # fmt: skip
def test_only_a_2xx_is_a_delivery_and_only_410_a_farewell(
    status: int | None, *, delivered: bool, unwanted: bool
) -> None:
    delivery = Delivery(status=status)
    assert (delivery.delivered, delivery.unwanted) == (delivered, unwanted)
