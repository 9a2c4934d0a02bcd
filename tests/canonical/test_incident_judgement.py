"""Where record and chart first come apart: a table of every kind, of what is none, and of clocks that disagree."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from canonical.incident import (
    ActKind,
    ChartSide,
    CommandRecord,
    DivergenceKind,
    OwnWrite,
    RecordedCase,
    RecordedDecision,
)
from canonical.incident_judgement import first_of, judge
from tests.incident_factories import (
    AWAY,
    COMMAND,
    HOME,
    MARK,
    OTHER,
    OTHER_MARK,
    UNTIL,
    asked,
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

K = DivergenceKind
CLEAN = ("received", "accepted", "claimed", "answered_applied", "proven")
LOST = ("received", "accepted", "claimed", "answer_lost")
TWICE = (*LOST, "probe_not_applied", "claimed", "answered_applied", "proven")
APPLIED = sent(1, "applied", HOME, "1")
UPDATE = operation(interaction="update", if_match="1", version="3", mark="urn:change|x")
UPDATED = OwnWrite(command=COMMAND, mark="urn:change|x", reference=HOME, version="3")
CREATED = OwnWrite(command=OTHER, mark=OTHER_MARK, reference=HOME, version="1")


def found(told: CommandRecord, shown: ChartSide) -> list[tuple[DivergenceKind, int | None]]:
    """Return the kinds, each with the event after which it came about."""
    return [(item.kind, item.anchor.seq if item.anchor else None) for item in judge(told, shown, until=UNTIL)]


def created(minutes: float = 0) -> object:
    return ours("1", mark=OTHER_MARK, minutes=minutes)


NOTHING = {
    "written and proven": (record(events(*CLEAN), APPLIED), chart(entry(ours()))),
    "written while the EHR's clock is behind": (record(events(*CLEAN), APPLIED), chart(entry(ours(minutes=-1)))),
    "written while the EHR's clock is ahead": (record(events(*CLEAN), APPLIED), chart(entry(ours(minutes=9)))),
    "an answer that was lost, and found": (
        record(events(*LOST, "probe_found", "proven"), sent(1, "unknown"), asked(1, "probe_applied", HOME, "1")),
        chart(entry(ours())),
    ),
    "an answer that was lost, and is still asked for": (
        record(events(*LOST), sent(1, "unknown"), wrote=operation("unknown", None, None)),
        chart(entry(ours(reference=AWAY), reference=AWAY)),
    ),
    "an edit with a name to it": (
        record(events(*CLEAN), APPLIED),
        chart(entry(ours(), theirs("2", minutes=90, is_named=True))),
    ),
    "stored anew with the same meaning": (
        record(events(*CLEAN), APPLIED),
        chart(entry(ours(), theirs("2", minutes=90, changes=False))),
    ),
    "an edit at an EHR that names nobody": (
        record(events(*CLEAN), APPLIED),
        chart(entry(ours(), theirs("2", minutes=90)), names_authors=False),
    ),
    "a later command of ours": (
        record(events(*CLEAN), APPLIED),
        chart(
            entry(ours(), ours("2", mark=OTHER_MARK, minutes=60)),
            writes=(
                OwnWrite(command=record(events(*CLEAN)).id, mark=MARK, reference=HOME, version="1"),
                OwnWrite(command=OTHER, mark=OTHER_MARK, reference=HOME, version="2"),
            ),
        ),
    ),
    "a version by another name than the record has": (
        record(events(*CLEAN), sent(1, "applied", HOME, "1-gzip"), wrote=operation(version="1-gzip")),
        chart(entry(ours())),
    ),
    "nothing could be read": (record(events(*CLEAN), APPLIED), chart()),
    "the current version alone, which is a later one": (
        record(events(*CLEAN), APPLIED),
        chart(entry(theirs("4", minutes=90), is_whole=False), names_authors=False),
    ),
    "an edit that the author saw": (
        record(events(*CLEAN), sent(1, "applied", HOME, "3"), wrote=replace(UPDATE, if_match="2")),
        chart(
            entry(ours("1", mark=OTHER_MARK), theirs("2", minutes=2), ours("3", mark="urn:change|x")),
            writes=(CREATED, UPDATED),
        ),
    ),
    "an edit that a reviewer decided on": (
        record(
            events(*CLEAN),
            sent(1, "applied", HOME, "3"),
            wrote=replace(UPDATE, if_match=None),
            decisions=(RecordedDecision(at=at(2), verb="resolve", person="Dr R.", reason="", base_version="2"),),
        ),
        chart(
            entry(ours("1", mark=OTHER_MARK), theirs("2", minutes=2), ours("3", mark="urn:change|x")),
            writes=(CREATED, UPDATED),
        ),
    ),
    "an unguarded update long after the edit that it was read with": (
        record(events(*CLEAN), sent(1, "applied", HOME, "3"), wrote=replace(UPDATE, if_match=None)),
        chart(
            entry(ours("1", mark=OTHER_MARK, minutes=-90), theirs("2", minutes=-60), ours("3", mark="urn:change|x")),
            writes=(CREATED, UPDATED),
        ),
    ),
}

DIVERGING = {
    "the record forgot an event": (
        replace(record(events(*CLEAN), APPLIED), events=(*events(*CLEAN)[:3], events(*CLEAN)[4])),
        chart(entry(ours())),
        [(K.RECORD_DISAGREES, 3)],
    ),
    "an event leaves another state than the one before led to": (
        replace(
            record(events(*CLEAN), APPLIED),
            events=(*events(*CLEAN)[:3], replace(events(*CLEAN)[3], source="parked"), events(*CLEAN)[4]),
        ),
        chart(entry(ours())),
        [(K.RECORD_DISAGREES, 4)],
    ),
    "a state that no event led to": (
        record(events(*CLEAN), APPLIED, state="in_review"),
        chart(entry(ours())),
        [(K.RECORD_DISAGREES, 5)],
    ),
    "the balance cannot account for it": (
        record(events(*CLEAN), APPLIED, unfit="in-chart-without-proof"),
        chart(entry(ours())),
        [(K.RECORD_DISAGREES, 5)],
    ),
    "denied, sent again, and in the chart twice": (
        record(events(*TWICE), sent(1, "unknown"), asked(1, "probe_not_applied"), sent(2, "applied", HOME, "1")),
        chart(entry(ours(minutes=8)), entry(ours(reference=AWAY, minutes=3), reference=AWAY)),
        [(K.WRITTEN_WITHOUT_RECORD, 4), (K.WRITTEN_TWICE, 6)],
    ),
    "delivered twice by one request": (
        record(events(*CLEAN), APPLIED),
        chart(entry(ours()), entry(ours(reference=AWAY), reference=AWAY)),
        [(K.WRITTEN_TWICE, 3)],
    ),
    "an update sent twice without a guard": (
        record(
            events(*TWICE),
            sent(1, "unknown"),
            asked(1, "probe_not_applied"),
            sent(2, "applied", HOME, "3"),
            wrote=operation(interaction="update", version="3"),
        ),
        chart(
            entry(created(), ours("2", minutes=3), theirs("3", minutes=7, changes=False)),  # type: ignore[arg-type]
            writes=(CREATED, OwnWrite(command=COMMAND, mark=MARK, reference=HOME, version="3")),
        ),
        [(K.WRITTEN_WITHOUT_RECORD, 4), (K.WRITTEN_TWICE, 6)],
    ),
    "refused by a person, and in the chart": (
        record(
            events(*LOST, "probe_cannot_tell", "refused_by_person"),
            sent(1, "unknown"),
            wrote=operation("in_review", None, None),
        ),
        chart(entry(ours(reference=AWAY), reference=AWAY)),
        [(K.WRITTEN_WITHOUT_RECORD, 4)],
    ),
    "a version by a command that the record does not have": (
        record(events(*CLEAN), APPLIED),
        chart(entry(ours(), ours("2", mark=OTHER_MARK, minutes=60))),
        [(K.WRITTEN_WITHOUT_RECORD, 4)],
    ),
    "a version by this service's own account, without a mark": (
        record(events(*CLEAN), APPLIED),
        chart(entry(ours(), ours("2", mark=None, is_ours=True, minutes=60))),
        [(K.WRITTEN_WITHOUT_RECORD, 4)],
    ),
    "answered, and not there": (
        record(events(*CLEAN[:4]), APPLIED, wrote=operation("applied")),
        chart(entry()),
        [(K.RECORDED_BUT_ABSENT, 4)],
    ),
    "answered, and not there at an EHR without history": (
        record(events(*CLEAN[:4]), APPLIED, wrote=operation("applied")),
        chart(entry(is_whole=False)),
        [(K.RECORDED_BUT_ABSENT, 4)],
    ),
    "an update that left no version": (
        record(events(*CLEAN[:4]), APPLIED, wrote=operation("applied", interaction="update", version="2")),
        chart(entry(created()), writes=(CREATED,)),  # type: ignore[arg-type]
        [(K.RECORDED_BUT_ABSENT, 4)],
    ),
    "read back, and gone with its history": (
        record(events(*CLEAN), APPLIED),
        chart(entry()),
        [(K.RECORDED_BUT_ABSENT, 5)],
    ),
    "an edit between read and write, which the guard let through": (
        record(events(*CLEAN), sent(1, "applied", HOME, "3"), wrote=UPDATE),
        chart(
            entry(created(), theirs("2", minutes=2.9), ours("3", mark="urn:change|x")),  # type: ignore[arg-type]
            writes=(CREATED, UPDATED),
        ),
        [(K.OVERWRITTEN_UNSEEN, 3)],
    ),
    "an edit that was undone without a guard, an hour before by the EHR's clock": (
        record(events(*CLEAN), sent(1, "applied", HOME, "3"), wrote=replace(UPDATE, if_match=None)),
        chart(
            entry(created(-90), theirs("2", minutes=-60), ours("3", mark="urn:change|x", reverts=True)),  # type: ignore[arg-type]
            writes=(CREATED, UPDATED),
        ),
        [(K.OVERWRITTEN_UNSEEN, 3)],
    ),
    "changed on nobody's word after the proof": (
        record(events(*CLEAN), APPLIED),
        chart(entry(ours(), theirs("2", minutes=90))),
        [(K.DRIFT_AFTER_PROOF, 5)],
    ),
    "changed on nobody's word behind an edit with a name": (
        record(events(*CLEAN), APPLIED),
        chart(entry(ours(), theirs("2", minutes=60, is_named=True), theirs("3", minutes=90))),
        [(K.DRIFT_AFTER_PROOF, 5)],
    ),
    "taken out on nobody's word": (
        record(events(*CLEAN), APPLIED),
        chart(entry(ours(), theirs("2", minutes=90, is_removal=True))),
        [(K.DRIFT_AFTER_PROOF, 5)],
    ),
    "changed under the same version": (
        record(events(*CLEAN), APPLIED),
        chart(entry(ours(differs=True))),
        [(K.DRIFT_AFTER_PROOF, 5)],
    ),
    "found to have drifted, at an EHR that shows nothing of it": (
        record(events(*CLEAN, "drift_found"), APPLIED),
        chart(),
        [(K.DRIFT_AFTER_PROOF, 5)],
    ),
}


@pytest.mark.parametrize("name", NOTHING)
def test_what_is_no_divergence(name: str) -> None:
    told, shown = NOTHING[name]
    assert found(told, shown) == []


@pytest.mark.parametrize("name", DIVERGING)
def test_every_divergence_is_known_by_its_kind_and_the_event_after_which_it_came(name: str) -> None:
    told, shown, kinds = DIVERGING[name]
    assert found(told, shown) == kinds


def test_every_kind_is_in_the_table() -> None:
    assert {kind for _, _, kinds in DIVERGING.values() for kind, _ in kinds} == set(DivergenceKind)


@pytest.mark.parametrize("skew", [-5, 0, 5])
@pytest.mark.parametrize("name", [name for name in DIVERGING if "by the EHR's clock" not in name])
def test_clocks_that_are_five_minutes_apart_change_nothing(name: str, skew: int) -> None:
    told, shown, kinds = DIVERGING[name]
    moved = tuple(
        replace(
            item,
            versions=tuple(
                replace(version, at=version.at + timedelta(minutes=skew) if version.at else None)
                for version in item.versions
            ),
        )
        for item in shown.entries
    )
    assert found(told, replace(shown, entries=moved)) == kinds


def test_what_only_the_clocks_could_tell_is_not_certain() -> None:
    told = record(events(*CLEAN), sent(1, "applied", HOME, "3"), wrote=replace(UPDATE, if_match=None))
    versions = (created(-90), theirs("2", minutes=0), ours("3", mark="urn:change|x"))
    shown = chart(entry(*versions), writes=(CREATED, UPDATED))  # type: ignore[arg-type]
    (only,) = judge(told, shown, until=UNTIL)
    assert (only.kind, only.sure) == (K.OVERWRITTEN_UNSEEN, False)


def test_what_is_known_by_what_it_says_alone_is_not_certain() -> None:
    told = record(events(*CLEAN), APPLIED)
    copy = ours(reference=AWAY, by_content=True)
    (only,) = judge(told, chart(entry(ours()), entry(copy, reference=AWAY)), until=UNTIL)
    assert (only.kind, only.sure) == (K.WRITTEN_TWICE, False)


def test_the_record_that_denies_what_the_chart_shows_is_quoted() -> None:
    told, shown, _ = DIVERGING["denied, sent again, and in the chart twice"]
    first = judge(told, shown, until=UNTIL)[0]
    assert first.denied is not None
    assert (first.denied.trigger, first.attempt) == ("probe_not_applied", 1)


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


def drifted(minutes: float, first_id: int) -> object:
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
    assert first_of([late, doubled]) == (doubled, ())  # type: ignore[list-item]


def test_what_the_clocks_cannot_order_stands_in_the_order_of_events_and_is_said_to() -> None:
    one, other = drifted(60, first_id=50), drifted(57, first_id=1)
    assert first_of([one, other]) == (other, (one,))  # type: ignore[list-item]


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
