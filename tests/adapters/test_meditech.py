from typing import Any

import pytest

from adapters.meditech import ADAPTER, CAPABILITIES
from canonical import exact_json
from canonical.capabilities import Interaction
from canonical.outcome import Outcome, ProbeVerdict
from canonical.ports import Operation
from tests.adapters.commands import START, WEIGHT
from tests.adapters.r4.lists import ACKNOWLEDGED
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
from tests.record_factories import patient_reported_outcome_json, score_json

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
    written = {"Communication", "QuestionnaireResponse"}
    assert set(CAPABILITIES.writes) == {(name, Interaction.CREATE) for name in written}


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


def test_answers_are_taken_once_without_a_score_and_found_by_what_they_say() -> None:
    action = patient_reported_outcome_json(authored="2026-11-22")
    operation = one(action)
    assert ADAPTER.request(operation, SITE).path == "QuestionnaireResponse"
    assert body(operation)["item"] == exact_json.parse(exact_json.dumps(action["item"]))
    assert "identifier" not in body(operation)
    stored = {**body(operation), "id": "q1"}
    query = ADAPTER.twin_query(operation, SITE)
    assert query is not None
    assert query.path == "QuestionnaireResponse?patient=p1"
    assert ADAPTER.read_twins(operation, searched(stored), SITE) == ("QuestionnaireResponse/q1",)
    assert ADAPTER.read_twins(operation, searched({**stored, "item": stored["item"][:0]}), SITE) == ()
    refuses(ADAPTER, {**action, "score": [score_json()]}, SITE, "no place for score")


def test_answers_are_not_changed_where_no_version_guards_them() -> None:
    named = {"reference": "QuestionnaireResponse/q1", "versionId": "1"}
    target = {**named, "seen": {"status": "completed"}, "acknowledged": ACKNOWLEDGED}
    for operation in ("correct", "retract"):
        refuses(ADAPTER, patient_reported_outcome_json(operation), SITE, "by hand", target=target)


def test_table_says_what_is_built() -> None:
    check_declared(ADAPTER)
    check_no_update_takes_back(ADAPTER)
