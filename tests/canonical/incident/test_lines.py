"""The three sides in one order, whatever the EHR's clock says."""

from __future__ import annotations

from typing import Any

import pytest

from canonical.incident.lines import Side, side_by_side
from canonical.incident.report import JudgedCommand, RecordedCase, RecordedDecision
from tests.incident_factories import HOME, at, chart, entry, events, ours, record, sent, theirs
from tests.incident_table import APPLIED, CLEAN, CREATED, UPDATE, UPDATED


def lines(*versions: Any, **more: Any) -> list[str]:
    """Return what stands in the table: events by trigger, versions by name."""
    update = more.pop("update", False)
    told = (
        record(events(*CLEAN), sent(1, "applied", HOME, "3"), wrote=UPDATE, **more)
        if update
        else record(events(*CLEAN), APPLIED, **more)
    )
    shown = chart(entry(*versions), writes=(CREATED, UPDATED)) if update else chart(entry(*versions))
    judged = JudgedCommand(record=told, chart=shown, divergences=())
    return [line.version if line.side is Side.CHART and line.version else line.code for line in side_by_side(judged)]


@pytest.mark.parametrize("skew", [-300, -4, 0, 4, 300])
def test_our_version_stands_behind_the_request_that_made_it(skew: float) -> None:
    assert lines(ours(minutes=4 + skew)) == [
        "received",
        "accepted",
        "claimed",
        "send",
        "1",
        "answered_applied",
        "proven",
    ]


@pytest.mark.parametrize("skew", [-300, -4, 0, 4, 300])
def test_somebody_elses_version_stands_between_those_around_it(skew: float) -> None:
    made = ours("1", mark=CREATED.mark, minutes=-30 + skew)
    between, last = theirs("2", minutes=2.9 + skew), ours("3", mark=UPDATED.mark, minutes=4 + skew)
    told = lines(made, between, last, update=True)
    assert [item for item in told if item in "123"] == ["1", "2", "3"]
    # By its clock it may be pushed right behind the request that ended its time, and never behind what that made.
    assert told.index("send") < told.index("3") < told.index("answered_applied")


def test_what_came_after_stands_by_the_clock() -> None:
    told = lines(ours(minutes=4), theirs("2", minutes=50))
    assert told[-1] == "2"


def test_people_and_alarms_have_their_lines() -> None:
    case = RecordedCase(
        id=7, kind="drift", severity=1, opened_at=at(60), alerted_at=at(61), alert_over_at=at(63), closed_at=at(62)
    )
    decided = RecordedDecision(at=at(61.5), verb="leave", person="Dr R.", reason="", base_version="2")
    told = lines(ours(), cases=(case,), decisions=(decided,))
    assert told[-5:] == ["case.opened", "case.alert", "decision.leave", "case.closed", "case.alert_over"]


def test_an_event_never_stands_before_the_one_that_led_to_it() -> None:
    told = record(events(*CLEAN), APPLIED)
    late = tuple(event if event.seq != 2 else type(event)(**(vars(event) | {"at": at(50)})) for event in told.events)
    judged = JudgedCommand(
        record=type(told)(**(vars(told) | {"events": late})), chart=chart(entry(ours())), divergences=()
    )
    said = [line.seq for line in side_by_side(judged) if line.seq is not None]
    assert said == [1, 2, 3, 4, 5]
