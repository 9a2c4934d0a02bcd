from dataclasses import replace
from typing import Any

import pytest

from canonical.acknowledging import How
from canonical.capabilities import Support, Way
from canonical.lifecycle import State, Trigger
from canonical.outcome import Outcome, Settlement
from config.wiring import Services
from reconcile import unacknowledged
from store.acknowledgements import Acknowledgements
from tests.reconcile.conftest import Noted
from tests.reconcile.owed import (
    NOTHING,
    cover_messages,
    declaring_message,
    ended,
    make,
    messages,
    open_cases,
    owed,
    run_out,
)
from tests.tasks.ward import Ward


def test_the_author_is_sent_a_message_where_the_connection_declares_it(
    ward: Ward, services: Services, hands: Noted
) -> None:
    cover_messages(ward)
    command = ended(ward)
    run_out(ward)
    telling = declaring_message(services)
    assert unacknowledged.run_once(telling, hands) == NOTHING | {"messages": 1}
    assert unacknowledged.run_once(telling, hands) == NOTHING
    (message,) = messages(ward)
    assert ward.cases(command) == []
    assert ward.events(command)[-1] == "author_messaged"
    (lane,) = ward.query("SELECT lane_id FROM commands WHERE id = %(id)s", id=message)
    ward.run(lane["lane_id"])
    assert ward.state(message) == "verified"
    (sent,) = ward.chart.sent
    assert b'"recipient":[{"reference":"Practitioner/d1"}]' in sent.body
    assert str(command).encode() in sent.body
    assert b"8867-4" not in sent.body
    assert unacknowledged.run_once(telling, hands) == NOTHING | {"arrived": 1}
    row = owed(ward, command)
    assert row is not None
    assert row["how"] == How.MESSAGE
    assert Acknowledgements(ward.engine).figures().count == 0
    assert ward.state(command) == "rejected"


def test_a_message_that_stops_becomes_a_case_and_never_another_message(
    ward: Ward, services: Services, hands: Noted
) -> None:
    cover_messages(ward)
    command = ended(ward)
    run_out(ward)
    telling = declaring_message(services)
    unacknowledged.run_once(telling, hands)
    (message,) = messages(ward)
    ward.chart.on_send = lambda _operation: Settlement(outcome=Outcome.REJECTED_PAYLOAD, status=422)
    (lane,) = ward.query("SELECT lane_id FROM commands WHERE id = %(id)s", id=message)
    ward.run(lane["lane_id"])
    assert ward.state(message) == "in_review"
    assert unacknowledged.run_once(telling, hands) == NOTHING | {"cases": 1}
    run_out(ward)
    assert unacknowledged.run_once(telling, hands) == NOTHING
    assert open_cases(ward, command) == ["unacknowledged"]
    assert open_cases(ward, message) == ["rejected_payload"]
    assert messages(ward) == [message]


def test_a_message_that_stopped_before_it_was_noted_is_not_lost(ward: Ward, services: Services, hands: Noted) -> None:
    cover_messages(ward)
    command = ended(ward)
    run_out(ward)
    notices = declaring_message(services).author_notices
    (overdue,) = notices.overdue.overdue(limit=9)
    # The process died here, after the door took the message.
    message = notices.give(overdue).message
    assert message is not None
    make(ward, message, State.READY, Trigger.CONSENT_ENDED)
    telling = declaring_message(services)
    unacknowledged.run_once(telling, hands)
    unacknowledged.run_once(telling, hands)
    assert messages(ward) == [message]
    assert open_cases(ward, command) == ["unacknowledged"]


@pytest.mark.parametrize(
    "envelope",
    [{"author": {"role": "nurse"}}, {"author": {"role": "patient", "reference": "Patient/p1"}}],
)
def test_an_author_without_a_place_for_messages_is_a_case(
    ward: Ward, services: Services, hands: Noted, envelope: dict[str, Any]
) -> None:
    cover_messages(ward)
    command = ended(ward, **envelope)
    run_out(ward)
    assert unacknowledged.run_once(declaring_message(services), hands) == NOTHING | {"cases": 1}
    assert messages(ward) == []
    assert open_cases(ward, command) == ["unacknowledged"]


def test_a_consent_that_covers_no_message_is_a_case(ward: Ward, services: Services, hands: Noted) -> None:
    ended(ward)
    run_out(ward)
    assert unacknowledged.run_once(declaring_message(services), hands) == NOTHING | {"cases": 1}
    (case,) = ward.query("SELECT detail->>'why' AS why FROM cases")
    assert case["why"] == "consent-absent"


def test_an_ehr_that_takes_no_messages_is_a_case(ward: Ward, services: Services, hands: Noted) -> None:
    cover_messages(ward)
    ended(ward)
    run_out(ward)
    supports = {**ward.chart.capabilities.supports, ("CareMessage", "send"): Support(way=Way.REFUSED)}
    ward.chart.capabilities = replace(ward.chart.capabilities, supports=supports)
    assert unacknowledged.run_once(declaring_message(services), hands) == NOTHING | {"cases": 1}
    assert messages(ward) == []
    (case,) = ward.query("SELECT detail->>'why' AS why FROM cases")
    assert case["why"] == "no-messages"


def test_labelled_content_is_never_spoken_of_in_a_message(ward: Ward, services: Services, hands: Noted) -> None:
    cover_messages(ward)
    label = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
    command = ended(ward, securityLabel=[label])
    run_out(ward)
    assert unacknowledged.run_once(declaring_message(services), hands)["messages"] == 0
    assert open_cases(ward, command) == ["unacknowledged"]
