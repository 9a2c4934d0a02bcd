from typing import Any

import pytest

from adapters.meditech import ADAPTER, CAPABILITIES
from canonical.capabilities import Interaction
from canonical.outcome import Outcome, ProbeVerdict
from canonical.ports import Operation
from tests.adapters.commands import START, WEIGHT
from tests.adapters.vendors import (
    body,
    came_to,
    check_declared,
    check_no_update_takes_back,
    check_trust,
    planned,
    refuses,
    searched,
    site,
)

SITE = site()
MESSAGE: dict[str, Any] = {
    "type": "CareMessage",
    "operation": "send",
    "topic": {"text": "Weight"},
    "payload": [{"contentString": "The patient reports 72.50 kg this morning."}],
    "recipient": [{"reference": "Practitioner/d1"}],
}


def one(action: dict[str, Any] = MESSAGE) -> Operation:
    (operation,) = planned(ADAPTER, action, SITE)
    return operation


def test_message_is_a_create_without_a_guard_or_a_mark_that_nobody_promised() -> None:
    operation = one()
    request = ADAPTER.request(operation, SITE)
    assert (request.method, request.path) == ("POST", "Communication")
    assert not {"If-None-Exist", "If-Match"} & set(request.headers)
    assert body(operation)["payload"] == MESSAGE["payload"]
    assert "identifier" not in body(operation)


@pytest.mark.parametrize("action", [WEIGHT, START])
def test_lists_are_not_written_whatever_the_scopes_say(action: dict[str, Any]) -> None:
    refuses(ADAPTER, action, SITE, "send a message instead")


def test_everything_falls_back_to_a_message() -> None:
    assert CAPABILITIES.fallbacks == {"message": ("CareMessage", "send")}
    assert set(CAPABILITIES.writes) == {("Communication", Interaction.CREATE)}


def test_create_counts_only_where_its_answer_names_it() -> None:
    operation = one()
    check_trust(ADAPTER, operation)
    assert came_to(ADAPTER, operation, 201, location="Communication/m1") is Outcome.APPLIED
    assert came_to(ADAPTER, operation, 201, b"null") is Outcome.UNKNOWN
    assert came_to(ADAPTER, operation, 403) is Outcome.NOT_SUPPORTED


def test_twin_and_lost_message_are_found_by_what_they_say() -> None:
    operation = one()
    stored = {**body(operation), "id": "m1"}
    query = ADAPTER.twin_query(operation, SITE)
    assert query is not None
    assert query.path == "Communication?patient=p1"
    assert ADAPTER.read_twins(operation, searched(stored), SITE) == ("Communication/m1",)
    assert ADAPTER.read_probe(operation, searched(), SITE).verdict is ProbeVerdict.NOT_APPLIED
    other = {**stored, "payload": [{"contentString": "something else"}]}
    assert ADAPTER.read_probe(operation, searched(other), SITE).verdict is ProbeVerdict.NOT_APPLIED
    assert ADAPTER.differences(operation, other, SITE) == ("payload",)


def test_table_says_what_is_built() -> None:
    check_declared(ADAPTER)
    check_no_update_takes_back(ADAPTER)
