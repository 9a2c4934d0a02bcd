"""Taking parts back while something else happens: another reviewer, the sweep, a clinician at the chart, what waits behind."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from canonical.review_desk import Decision, ReviewError, Verb
from canonical.reviewer import Reviewer
from reconcile import incomplete
from reconcile.incomplete_look import Looked
from store.incomplete_writes import StoredIncompleteWrites
from tests.compound_factories import listed_change_json, medication_reconciliation_json
from tests.factories import ABSENT, RXNORM, concept, medication_change_json
from tests.reconcile.conftest import Noted, let_wait
from tests.reconcile.review.bench import NURSE, PHARMACIST, PRESCRIBER, dose
from tests.reconcile.review.part_bench import (
    BOTH,
    OTHER_NURSE,
    PartBench,
    closes,
    edit,
    events,
    listed,
    locked,
    open_cases,
    readings,
    reject,
    statements,
    sweeper,
    told,
    undone,
)
from tests.reconcile.review.whole_desk import WholeDesk


def other_medicine() -> dict[str, Any]:
    return concept(RXNORM, "6809", "metformin")


@pytest.fixture
def bench(whole: WholeDesk) -> PartBench:
    return PartBench(whole)


def test_the_rest_is_never_sent_after_a_part_was_taken_back(bench: PartBench) -> None:
    root = locked(bench)
    bench.decide(bench.page(root), {2: "retract"})
    bench.drive(root)
    before = len(bench.writes())
    let_wait(bench.whole.station.ward, 10_000)
    hands = Noted()
    incomplete.run_once(bench.whole.services, hands)
    assert hands.incomplete == []
    bench.drive(root)
    assert (len(bench.writes()), bench.chart(root, "Task")) == (before, {})
    for state in ("taking_back", "partly_taken_back", "compensated"):
        bench.whole.look("UPDATE commands SET state = %(s)s, rest_left = NULL WHERE id = %(r)s", s=state, r=root)
        incomplete.run_once(bench.whole.services, hands)
        bench.drive(root)
    assert (hands.incomplete, len(bench.writes())) == ([], before)


def test_of_two_reviewers_at_once_one_takes_back_and_the_other_is_told(bench: PartBench) -> None:
    root = bench.stopped(readings())
    pages = {who.subject: bench.page(root, who) for who in (NURSE, OTHER_NURSE)}
    both = threading.Barrier(2)

    def decide(who: Reviewer, picks: dict[int, str]) -> str:
        both.wait(20)
        try:
            bench.decide(pages[who.subject], picks, who)
        except ReviewError as error:
            return error.code
        return "done"

    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(decide, NURSE, BOTH), pool.submit(decide, OTHER_NURSE, {2: "retract"})]
        said = sorted(item.result() for item in asked)
    assert said in (["already-decided", "done"], ["done", "not-possible"], ["done", "stale-view"])
    assert events(bench, root).count("take_back_decided") == 1
    assert len(set(undone(bench, root))) == len(undone(bench, root)), "no part is taken back twice"
    bench.drive(root)
    assert bench.chart(root)[".2"] == "entered-in-error"
    assert bench.whole.state(root) in {"compensated", "partly_taken_back"}


def test_the_sweep_finds_nothing_of_what_is_being_taken_back(bench: PartBench) -> None:
    root = locked(bench)
    write = StoredIncompleteWrites(bench.whole.station.ward.engine, actor="sweep").take(
        root, lease=timedelta(seconds=60)
    )
    assert write is not None, "a sweep had looked at it already"
    bench.decide(bench.page(root), BOTH)
    assert not StoredIncompleteWrites(bench.whole.station.ward.engine, actor="sweep").send_rest(write)
    assert sweeper(bench).run(root) is None
    bench.drive(root)
    assert (bench.whole.state(root), bench.chart(root, "Task")) == ("compensated", {})


def test_nothing_is_taken_back_of_what_is_on_its_way(bench: PartBench) -> None:
    root = locked(bench)
    page = bench.page(root)
    assert sweeper(bench).run(root) is Looked.SENT_ON
    assert bench.refused(page, BOTH).startswith("already-decided")
    bench.whole.look("UPDATE commands SET state = 'sending' WHERE id = %(r)s", r=root)
    assert bench.refused(page, BOTH).startswith("already-decided")
    bench.whole.look("UPDATE commands SET state = 'ready' WHERE id = %(r)s", r=root)
    bench.drive(root)
    assert bench.whole.state(root) == "verified"
    assert bench.chart(root) == {".1": "final", ".2": "final"}


def test_a_sweep_and_a_reviewer_at_once_do_one_of_both(bench: PartBench) -> None:
    root = locked(bench)
    page, both = bench.page(root), threading.Barrier(2)

    def sweep() -> bool:
        both.wait(20)
        return sweeper(bench).run(root) is Looked.SENT_ON

    def decide() -> bool:
        both.wait(20)
        try:
            bench.decide(page, BOTH)
        except ReviewError:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        swept, decided = pool.submit(sweep), pool.submit(decide)
        assert (swept.result(), decided.result()) in {(True, False), (False, True)}
    bench.drive(root)
    rest = list(bench.chart(root, "Task"))
    ends = {"verified": ([""], {"final"}), "compensated": ([], {"entered-in-error"})}
    assert (rest, set(bench.chart(root).values())) == ends[bench.whole.state(root)]


def test_a_chart_that_moved_since_it_was_shown_refuses_the_decision_and_shows_what_is_new(bench: PartBench) -> None:
    root = bench.stopped(readings())
    page = bench.page(root)
    edit(bench, root, 1)
    assert bench.refused(page, BOTH).startswith("stale-view: The chart moved again")
    again = bench.page(root)
    assert told(again.parts) == [(1, "changed"), (2, "asWritten"), (3, "notThere")]
    first = again.parts[0]
    assert "Dr. Ames" in first.sentence
    assert "version 1 was written" in first.sentence
    assert "Nothing is overwritten" in first.note
    assert again.news


def test_a_chart_that_moves_after_the_decision_is_not_overwritten_and_what_comes_after_waits(bench: PartBench) -> None:
    root = bench.stopped(readings())
    bench.decide(bench.page(root), BOTH)
    reference = edit(bench, root, 2)
    last, first = bench.undoing(root)
    bench.drive(root)
    assert (bench.whole.state(last), bench.whole.state(first), bench.whole.state(root)) == (
        "conflicted",
        "ready",
        "taking_back",
    )
    assert bench.chart(root) == {".1": "final", ".2": "final"}
    conflict = bench.page(last)
    assert "Dr. Ames" in conflict.chart_change.sentence if conflict.chart_change else False
    reject(bench, last)
    bench.drive(root)
    assert bench.whole.state(first) == "in_review", "what it was to follow was not done: a person looks"
    page = bench.page(first)
    bench.whole.desk.decide(NURSE, page.row.id, Decision(verb=Verb.RESEND, view=page.view))
    bench.drive(root)
    assert bench.chart(root) == {".1": "entered-in-error", ".2": "final"}
    assert bench.whole.station.server.get(reference)["note"][0]["text"] == "it is hers, and right"
    assert (bench.whole.state(root), bench.states(root)[:2]) == ("partly_taken_back", ["taken_back", "verified"])
    assert open_cases(bench, root) == ["part_stands"]
    assert closes(bench)


def test_what_waits_behind_it_does_not_hold_up_what_takes_it_back(bench: PartBench) -> None:
    root = bench.stopped(readings())
    sql = "SELECT reference FROM operations WHERE command_id = %(r)s AND seq = 1"
    (row,) = bench.whole.look(sql, r=root)
    action = {"type": "VitalReading", "operation": "retract", "retractReason": "the app says so", "code": None}
    action = {name: value for name, value in action.items() if value is not None} | {
        "code": readings()["evidence"][0]["code"]
    }
    follower = bench.whole.give(action, target={"reference": row["reference"], "versionId": "1"}, key="follower-1")
    assert bench.whole.station.ward.state(follower) == "ready"
    bench.whole.run(root)
    assert bench.whole.state(follower) == "ready", "it waits for the command before it"
    bench.decide(bench.page(root), BOTH)
    bench.drive(root)
    assert bench.whole.state(root) == "compensated"
    bench.drive(root)
    assert bench.whole.state(follower) in {"conflicted", "in_review", "superseded"}


def test_other_commands_of_the_patient_go_on_meanwhile(bench: PartBench) -> None:
    root = bench.stopped(readings())
    bench.decide(bench.page(root), BOTH)
    other = bench.whole.give(readings(1), key="other-command")
    bench.drive(root)
    bench.drive(other)
    assert (bench.whole.state(other), bench.whole.state(root)) == ("verified", "compensated")


def test_a_decision_sent_twice_is_one(bench: PartBench) -> None:
    root = bench.stopped(readings())
    page = bench.page(root)
    bench.decide(page, BOTH)
    assert bench.refused(page, BOTH).startswith("already-decided")
    assert sorted(undone(bench, root)) == [1, 2]


def test_what_takes_parts_of_several_entries_back_keeps_its_order_whoever_wrote_them(bench: PartBench) -> None:
    """A part that changed an entry of another command of ours is of that one's subject: they share no queue."""
    statements(bench)
    action = medication_change_json(
        "start", medication=other_medicine(), form=ABSENT, strength=ABSENT, dosage=[dose("500")]
    )
    made = bench.whole.written(action, author={"role": "pharmacist"})
    entry = bench.whole.entry(made, "MedicationStatement")
    changes = [listed_change_json(), listed(entry, "hold", medication=other_medicine())]
    action = medication_reconciliation_json(changes=changes, reviewed=ABSENT)
    root = bench.stopped(action, "List", author={"role": "pharmacist"})
    bench.decide(bench.page(root, PHARMACIST), {1: "retract", 2: "resume"}, PHARMACIST)
    edit(bench, root, 2)
    last, first = bench.undoing(root)
    subjects = {row["subject"] for row in bench.whole.look("SELECT subject FROM commands WHERE undoes = %(r)s", r=root)}
    assert len(subjects) == 2
    bench.drive(root)
    assert (bench.whole.state(last), bench.whole.state(first)) == ("conflicted", "ready")


def test_what_came_before_the_command_is_waited_for_all_the_same(bench: PartBench) -> None:
    earlier = bench.whole.give(readings(1), key="before-the-command")
    bench.whole.look("UPDATE commands SET due_at = clock_timestamp() + interval '1 hour'")
    root = bench.stopped(readings())
    bench.decide(bench.page(root), {1: "retract"})
    sql = "UPDATE commands SET state = 'in_review', subject = (SELECT subject FROM commands WHERE id = %(r)s) WHERE id = %(e)s"
    bench.whole.look(sql, r=root, e=earlier)
    bench.drive(root)
    (back,) = bench.undoing(root)
    assert bench.whole.state(back) == "ready"
    bench.whole.look("UPDATE commands SET state = 'rejected', state_since = received_at WHERE id = %(e)s", e=earlier)
    bench.drive(root)
    assert bench.whole.state(back) == "verified"


def test_what_somebody_marks_as_an_error_meanwhile_is_not_written_again_and_a_person_sees_it(bench: PartBench) -> None:
    root = bench.stopped(readings(1))
    bench.decide(bench.page(root), {1: "retract"})
    (row,) = bench.whole.look("SELECT reference FROM operations WHERE command_id = %(r)s AND seq = 1", r=root)
    entry = bench.whole.station.server.get(row["reference"])
    bench.sandbox.edit({**entry, "status": "entered-in-error"}, by={"name": "Dr. Ames"})
    before = len(bench.writes())
    bench.drive(root)
    (back,) = bench.undoing(root)
    assert (bench.whole.state(back), bench.whole.state(root)) == ("conflicted", "taking_back")
    reject(bench, back, PRESCRIBER)
    assert bench.swept() == 1
    assert (bench.whole.state(root), open_cases(bench, root)) == ("incomplete", ["incomplete"])
    page = bench.page(root)
    assert told(page.parts) == [(1, "inError"), (2, "notThere")]
    bench.decide(page, {})
    assert (bench.whole.state(root), bench.states(root)[0], len(bench.writes())) == ("compensated", "removed", before)
    assert closes(bench)
