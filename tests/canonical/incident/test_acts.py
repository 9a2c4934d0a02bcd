"""What made a divergence worse, which of several was the first, and what told of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from canonical.incident.judgement import first_of, judge
from canonical.incident.report import ActKind, Divergence, OwnWrite, RecordedCase
from tests.incident_factories import (
    AWAY,
    COMMAND,
    HOME,
    MARK,
    OTHER,
    OTHER_MARK,
    UNTIL,
    at,
    chart,
    entry,
    events,
    operation,
    ours,
    record,
    sent,
    theirs,
)
from tests.incident_table import (
    APPLIED,
    CLEAN,
    DIVERGING,
    LOST,
    TWICE,
    K,
)

# -- what made it worse


def test_the_resend_that_left_a_second_version_made_it_worse() -> None:
    told, shown, _ = DIVERGING["denied, sent again, and in the chart twice"]
    first, second = judge(told, shown, until=UNTIL)
    assert first.worse is not None
    assert (first.worse.kind, first.worse.event.seq, first.worse.attempt) == (ActKind.RESEND, 6, 2)
    assert [version.reference for version in first.worse.left] == [HOME]
    assert second.acts == ()


@pytest.mark.parametrize(
    ("between", "replay_at", "kind"),
    [
        (("probe_cannot_tell", "resend_decided"), None, ActKind.RESEND),
        (("probe_cannot_tell", "resend_decided"), 6, ActKind.REPLAY),
        (("probe_not_applied", "rebased"), None, ActKind.MERGE),
    ],
)
def test_what_was_sent_again_is_told_by_what_led_to_it(
    between: tuple[str, ...], replay_at: int | None, kind: ActKind
) -> None:
    told = record(
        events(*LOST, *between, "claimed", "answered_applied", "proven", replay_at=replay_at),
        sent(1, "unknown"),
        sent(2, "applied", HOME, "1"),
    )
    shown = chart(entry(ours()), entry(ours(reference=AWAY), reference=AWAY))
    first = judge(told, shown, until=UNTIL)[0]
    assert first.worse is not None
    assert (first.kind, first.worse.kind, first.worse.event.seq) == (K.WRITTEN_WITHOUT_RECORD, kind, 7)


def test_the_first_request_is_no_resend() -> None:
    told = record(events(*CLEAN), APPLIED)
    misplaced = replace(told.events[1], source="parked")
    (only,) = judge(
        replace(told, events=(told.events[0], misplaced, *told.events[2:])), chart(entry(ours())), until=UNTIL
    )
    assert (only.anchor.seq if only.anchor else None, only.acts) == (2, ())


def test_a_resend_that_left_nothing_is_told_and_made_nothing_worse() -> None:
    told = record(
        events(*TWICE[:6], "answered_applied", "refused_by_person")[:6],
        sent(1, "unknown"),
        sent(2, "rejected_payload"),
        wrote=operation("in_review", None, None),
        state="in_review",
    )
    first = judge(told, chart(entry(ours(reference=AWAY), reference=AWAY)), until=UNTIL)[0]
    assert (first.kind, len(first.acts), first.worse) == (K.WRITTEN_WITHOUT_RECORD, 1, None)


def test_a_command_that_a_replay_gave_anew_made_it_worse() -> None:
    told = record(
        events(*LOST, "probe_cannot_tell", "refused_by_person"),
        sent(1, "unknown"),
        wrote=operation("in_review", None, None),
    )
    anew = replace(
        record(events(*CLEAN, first_id=100), APPLIED, wrote=operation(mark=OTHER_MARK)), id=OTHER, replay_of=told.id
    )
    shown = chart(
        entry(ours(mark=OTHER_MARK)),
        entry(ours(reference=AWAY), reference=AWAY),
        writes=(OwnWrite(command=OTHER, mark=OTHER_MARK, reference=HOME, version="1"),),
    )
    (only,) = judge(told, shown, replays=[anew], until=UNTIL)
    assert only.worse is not None
    assert (only.worse.kind, only.worse.command) == (ActKind.REPLAY, OTHER)
    assert [version.reference for version in only.worse.left] == [HOME]


def test_a_replay_of_the_same_bytes_and_its_original_each_have_their_own_entry() -> None:
    """Sent as they were stored, both carry the mark of the original."""
    told = record(
        events(*LOST, "probe_cannot_tell", "refused_by_person"),
        sent(1, "unknown"),
        wrote=operation("in_review", None, None),
    )
    anew = replace(record(events(*CLEAN, first_id=100), APPLIED), id=OTHER, replay_of=told.id)
    shown = chart(
        entry(ours()),
        entry(ours(reference=AWAY), reference=AWAY),
        writes=(
            OwnWrite(command=COMMAND, mark=MARK, reference=None, version=None),
            OwnWrite(command=OTHER, mark=MARK, reference=HOME, version="1"),
        ),
    )
    (only,) = judge(told, shown, replays=[anew], until=UNTIL)
    assert (only.kind, only.version.reference) == (K.WRITTEN_WITHOUT_RECORD, AWAY)  # type: ignore[union-attr]
    assert only.worse is not None
    assert [version.reference for version in only.worse.left] == [HOME]
    assert judge(anew, shown, until=UNTIL) == ()


def test_a_replay_before_the_divergence_did_not_make_it_worse() -> None:
    told = replace(record(events(*CLEAN, first_id=500), APPLIED), replay_of=None)
    anew = replace(record(events(*CLEAN, first_id=1), APPLIED), id=OTHER, replay_of=told.id)
    (only,) = judge(told, chart(entry(ours(), theirs("2", minutes=90))), replays=[anew], until=UNTIL)
    assert (only.acts, only.worse) == ((), None)


# -- the first of several


def drifted(minutes: float, first_id: int) -> Divergence:
    told = record(events(*CLEAN, first_id=first_id), APPLIED)
    (only,) = judge(told, chart(entry(ours(), theirs("2", minutes=minutes))), until=UNTIL)
    return only


def test_what_came_hours_later_is_not_first_though_its_command_was_proven_before() -> None:
    late = drifted(120, first_id=1)
    doubled = judge(
        record(events(*CLEAN, first_id=50), APPLIED),
        chart(entry(ours()), entry(ours(reference=AWAY), reference=AWAY)),
        until=UNTIL,
    )[0]
    assert first_of([late, doubled]) == (doubled, ())


def test_what_the_clocks_cannot_order_stands_in_the_order_of_events_and_is_said_to() -> None:
    one, other = drifted(60, first_id=50), drifted(57, first_id=1)
    assert first_of([one, other]) == (other, (one,))


def test_a_look_that_found_it_ends_the_time_in_which_it_can_have_come_about() -> None:
    told = record(events(*CLEAN, "drift_found"), APPLIED)
    (only,) = judge(told, chart(entry(ours(), theirs("2", minutes=60))), until=UNTIL)
    assert (only.earliest, only.latest) == (at(5), at(6))


# -- the signal


def case(kind: str, minutes: float) -> RecordedCase:
    return RecordedCase(id=int(minutes), kind=kind, severity=1, opened_at=at(minutes), alerted_at=at(minutes + 1))


def test_the_first_case_of_its_kinds_is_what_told_of_it() -> None:
    told = record(events(*CLEAN), APPLIED, cases=(case("drift", 120), case("drift", 110), case("conflict", 100)))
    (only,) = judge(told, chart(entry(ours(), theirs("2", minutes=90))), until=UNTIL)
    assert only.fired is not None
    assert (only.fired.case, only.fired.at, only.fired.alerted_at) == (110, at(110), at(111))


def test_a_case_of_before_and_one_of_another_kind_told_nobody() -> None:
    told = record(events(*CLEAN), APPLIED, cases=(case("drift", 3), case("late_answer", 120)))
    (only,) = judge(told, chart(entry(ours(), theirs("2", minutes=90))), until=UNTIL)
    assert only.fired is None


def test_a_case_of_the_whole_connection_tells_of_it_too() -> None:
    told = record(events(*CLEAN), APPLIED, unfit="in-chart-without-proof")
    (only,) = judge(told, chart(entry(ours())), cases=(case("balance_open", 60),), until=UNTIL)
    assert only.fired is not None
    assert only.fired.kind == "balance_open"
