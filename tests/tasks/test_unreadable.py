"""What a turn does when the EHR cannot be read: an EHR that is away, and one patient that it cannot give."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from canonical.retry import Backoff
from tests.tasks.ward import Ward


def test_an_ehr_that_cannot_be_read_sends_nothing_and_closes_the_connection(ward: Ward) -> None:
    ward.chart.down = True
    first, second = (ward.submit(new={"patient_key": key}) for key in (b"1", b"2"))
    for accepted in (first, second):
        ward.run(accepted.lane_id)
        assert ward.state(accepted.command_id) == "ready"
        assert ward.attempts(accepted.command_id) == []
    assert ward.query("SELECT closed_reason, failures FROM connections") == [{"closed_reason": "outage", "failures": 2}]


def let_waits_end(ward: Ward) -> None:
    ward.query("UPDATE connections SET not_before = '-infinity'")
    ward.query("UPDATE commands SET due_at = clock_timestamp() - interval '1 second'")


def test_an_ehr_that_is_away_for_long_costs_a_command_one_try_at_most(ward: Ward) -> None:
    ward.chart.down = True
    accepted = ward.submit()
    for _ in range(20):
        let_waits_end(ward)
        ward.run(accepted.lane_id)
    assert ward.query("SELECT spent FROM commands") == [{"spent": 1}]
    ward.chart.down = False
    let_waits_end(ward)
    ward.run(accepted.lane_id)
    assert ward.state(accepted.command_id) == "verified"


def test_a_patient_the_ehr_cannot_read_ends_with_a_person_and_holds_up_nobody_else(ward: Ward) -> None:
    bad = ward.submit(new={"patient_key": b"bad"})
    turn = ward.turn()
    for round_ in range(8):
        let_waits_end(ward)
        ward.chart.down = True
        ward.run(bad.lane_id)
        ward.chart.down = False
        fine = ward.submit(new={"patient_key": bytes([round_])})
        ward.run(fine.lane_id, turn)
        assert ward.state(fine.command_id) == "verified"
    assert (ward.state(bad.command_id), ward.cases(bad.command_id)) == ("in_review", ["not_readable"])
    assert ward.attempts(bad.command_id) == []
    assert ward.query("SELECT 1 FROM connections WHERE closed_reason IS NOT NULL") == []


def test_what_else_waits_for_a_patient_who_cannot_be_read_waits_too_and_costs_nothing(ward: Ward) -> None:
    first, second = ward.submit(), ward.submit()
    ward.chart.down = True
    patient = replace(ward.turn(), backoff=Backoff(base=timedelta(hours=1), cap=timedelta(hours=1)))
    for _ in range(3):
        ward.run(first.lane_id, patient)
    found = ward.query("SELECT spent, due_at > clock_timestamp() AS waits FROM commands ORDER BY lane_seq")
    assert found == [{"spent": 1, "waits": True}, {"spent": 0, "waits": True}]
    assert ward.query("SELECT closed_reason FROM connections") == [{"closed_reason": None}]
    assert ward.state(second.command_id) == "ready"
