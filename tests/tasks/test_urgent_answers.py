"""An answer about harming oneself at the door: taken at once, and seen by a person at once. Real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from config.wiring import Services
from tests.factories import ABSENT, Json, envelope_json
from tests.reception import Clock, give_consent, look, open_services, receive
from tests.record_factories import (
    SEVERAL_DAYS,
    immunization_record_json,
    order_request_json,
    patient_reported_outcome_json,
    phq_items,
)

SCOPES = frozenset({"writeback/*.*"})


@pytest.fixture
def services(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Services]:
    with open_services(database_url, redis_url, tmp_path, clock=Clock()) as services:
        give_consent(services)
        yield services


def cases(services: Services) -> list[tuple[str, int]]:
    return [(row["kind"], row["severity"]) for row in look(services, "SELECT kind, severity FROM cases ORDER BY id")]


def state_of(services: Services, action: Json) -> str:
    return receive(services, envelope_json(action), scopes=SCOPES).state


def test_a_positive_answer_is_taken_at_once_and_is_a_case_of_the_highest_severity(services: Services) -> None:
    assert state_of(services, patient_reported_outcome_json(item=phq_items(SEVERAL_DAYS))) == "ready"
    assert cases(services) == [("urgent_answer", 1)]
    (event,) = look(services, "SELECT detail FROM events WHERE trigger = 'received'")
    assert event["detail"]["marks"] == ["critical"]


def test_what_the_record_says_of_it_holds_no_answer(services: Services) -> None:
    state_of(services, patient_reported_outcome_json(item=phq_items(SEVERAL_DAYS)))
    # As text: PostgreSQL has times that Python has not.
    told = str(look(services, "SELECT c::text FROM cases c")) + str(look(services, "SELECT e::text FROM events e"))
    assert "urgent_answer" in told
    assert [word for word in ("LA6569", "Several days", "better off dead") if word in told] == []


def test_other_answers_open_no_case(services: Services) -> None:
    assert state_of(services, patient_reported_outcome_json()) == "ready"
    assert cases(services) == []


def test_a_dose_from_an_expired_lot_and_one_without_a_lot_are_taken_with_a_case_each(services: Services) -> None:
    assert state_of(services, immunization_record_json(expirationDate="2026-02")) == "ready"
    assert state_of(services, immunization_record_json(lotNumber=ABSENT)) == "ready"
    assert cases(services) == [("expired_vaccine", 2), ("no_lot_number", 3)]


def test_what_reads_as_a_medicine_waits_for_a_person(services: Services) -> None:
    receipt = receive(services, envelope_json(order_request_json(code={"text": "refill her tablets"})), scopes=SCOPES)
    assert (receipt.state, receipt.reason) == ("awaiting_approval", "reads-as-medication")
    assert cases(services)[0] == ("awaiting_approval", 3)
