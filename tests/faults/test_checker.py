"""The judge finds what it is there for: each kind of damage, done by hand to a good run, is named."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from canonical.lifecycle import State
from tests.faults.checker import Receipt, Record, Written, judge, read_record
from tests.tasks.ward import Ward, heart_rate

Run = tuple[Record, list[Receipt], list[Written]]


@pytest.fixture
def run(ward: Ward) -> Run:
    """Two commands of one subject, both proven."""
    first = ward.submit()
    second = ward.submit(heart_rate(operation="correct"), target={"command": str(first.command_id)})
    ward.run(first.lane_id)
    receipts = [Receipt(command=item.command_id, patient="Patient/p1", value="72.50") for item in (first, second)]
    chart = [
        Written(mark=str(item.command), reference=f"Observation/{n}", patient=item.patient, value=item.value)
        for n, item in enumerate(receipts)
    ]
    return read_record(ward.url), receipts, chart


def _rules(run: Run, **more: Any) -> set[str]:
    return {finding.rule for finding in judge(*run, **more)}


def test_a_good_run_has_no_findings(run: Run) -> None:
    requests = [str(attempt["request_id"]) for attempt in run[0].attempts]
    assert judge(*run, requests=requests) == []


def test_a_receipt_without_a_command_is_lost(run: Run) -> None:
    record, receipts, chart = run
    record.commands.pop()
    assert "nothing lost" in _rules((record, receipts, chart))


def test_a_command_that_is_not_proven_is_lost(run: Run) -> None:
    run[0].commands[1]["state"] = "applied"
    assert "nothing lost" in _rules(run)


def test_a_command_without_a_receipt_does_not_balance(run: Run) -> None:
    record, receipts, chart = run
    assert _rules((record, receipts[:1], chart[:1])) == {"balance closes"}


@pytest.mark.parametrize("times", [0, 2])
def test_a_resource_too_few_or_too_many_is_found(run: Run, times: int) -> None:
    record, receipts, chart = run
    assert _rules((record, receipts, [chart[0], *[chart[1]] * times])) == {"written once"}


@pytest.mark.parametrize("change", [{"patient": "Patient/p2"}, {"value": "72.5"}])
def test_another_patient_or_value_is_found(run: Run, change: dict[str, str]) -> None:
    record, receipts, chart = run
    assert _rules((record, receipts, [chart[0], replace(chart[1], **change)])) == {"written right"}


def test_a_resource_nobody_asked_for_is_found(run: Run) -> None:
    record, receipts, chart = run
    assert _rules((record, receipts, [*chart, replace(chart[0], mark="somebody")])) == {"nothing unasked"}


def test_a_resource_of_a_command_that_ended_elsewhere_is_found(run: Run) -> None:
    record, receipts, chart = run
    record.commands[1]["state"] = "rejected"
    ended = {receipts[1].command: State.REJECTED}
    assert "written once" in _rules((record, receipts, chart), ended=ended)


@pytest.mark.parametrize(
    "change", [{"target": "ready"}, {"source": "parked"}, {"trigger": "proven"}, {"seq": 9}, {"command_id": None}]
)
def test_events_that_do_not_lead_there_are_found(run: Run, change: dict[str, Any]) -> None:
    run[0].events[-1].update(change)
    assert "events explain" in _rules(run)


@pytest.mark.parametrize("closed_after", [None, 2, 1])
def test_a_person_who_is_asked_twice_is_found(run: Run, closed_after: int | None) -> None:
    record, command = run[0], run[1][0].command
    began = record.commands[0]["received_at"]
    first = {"id": 1, "command_id": command, "kind": "cannot_tell", "opened_at": began, "closed_at": None}
    record.cases = [first]
    assert judge(*run) == []
    if closed_after is not None:
        first["closed_at"] = began + timedelta(seconds=closed_after)
    # At the same time, or after the first was closed but with nothing that brought the command to a person again.
    record.cases = [first, {**first, "id": 2, "opened_at": began + timedelta(seconds=1), "closed_at": None}]
    assert _rules(run) == {"asked once"}


def test_a_probe_before_the_send_was_given_up_is_found(run: Run) -> None:
    attempts = run[0].attempts
    attempts.append({**attempts[0], "id": 999, "kind": "probe", "fence": attempts[0]["fence"] + 0.5})
    assert "one in flight" in _rules(run)


def test_a_follower_that_was_sent_too_early_is_found(run: Run) -> None:
    attempts = run[0].attempts
    second = next(item for item in attempts if item["command_id"] == run[1][1].command)
    second["claimed_at"] = min(item["claimed_at"] for item in attempts)
    assert "order kept" in _rules(run)


def test_two_requests_at_a_time_in_one_lane_are_found(run: Run) -> None:
    run[0].attempts[0]["settled_at"] = run[0].attempts[1]["settled_at"]
    assert "one in flight" in _rules(run)


def test_a_shared_fence_is_found(run: Run) -> None:
    run[0].attempts[0]["fence"] = run[0].attempts[1]["fence"]
    assert "one holder" in _rules(run)


def test_one_operation_sent_twice_under_one_fence_is_found_though_two_of_a_compound_may_share_it(run: Run) -> None:
    one, two = run[0].attempts
    two |= {"fence": one["fence"], "command_id": one["command_id"]}
    assert "one holder" in _rules(run)
    two["operation_seq"] = one["operation_seq"] + 1
    assert "one holder" not in _rules(run)


def test_what_is_not_at_rest_is_found(run: Run) -> None:
    run[0].leased.append({"id": 1})
    run[0].taken.append({"no": 1})
    run[0].attempts[-1]["settled_at"] = None
    assert [finding.rule for finding in judge(*run)].count("at rest") == 3


def test_a_request_that_nobody_journaled_or_that_left_twice_is_found(run: Run) -> None:
    requests = [str(attempt["request_id"]) for attempt in run[0].attempts]
    assert _rules(run, requests=[*requests, "unheard-of"]) == {"journaled first"}
    assert _rules(run, requests=[*requests, requests[0]]) == {"sent once"}
