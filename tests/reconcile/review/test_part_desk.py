"""What stands of an incomplete command is taken back part by part: shown, decided, done in order, proven, and ended honestly."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from itertools import combinations
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from canonical.capabilities import Support, Way
from canonical.incomplete import rest_plan
from canonical.review_desk import Decision, ReviewError, Verb
from canonical.reviewer import Licence, Reviewer
from reconcile import incomplete
from reconcile.incomplete_look import IncompleteLook, Looked
from store.incomplete_writes import StoredIncompleteWrites
from store.withdrawals import Withdrawals
from tests.compound_factories import listed_change_json, medication_reconciliation_json
from tests.factories import ABSENT, medication_change_json
from tests.faults.proxy import Mode
from tests.list_factories import allergy_update_json
from tests.reconcile.conftest import Noted, let_wait
from tests.reconcile.review.bench import ENGINEER, NURSE, PHARMACIST, ReviewBench, person
from tests.reconcile.review.part_bench import WHY, PartBench, readings, told
from tests.reconcile.review.whole_desk import WholeDesk, open_whole_desk

OTHER_NURSE = person("gil-nurse", Licence.NURSE)
BOTH = {1: "retract", 2: "retract"}


@pytest.fixture
def bench(whole: WholeDesk) -> PartBench:
    return PartBench(whole)


def events(bench: PartBench, command: UUID) -> list[str]:
    return bench.whole.station.ward.events(command)


def open_cases(bench: PartBench, command: UUID) -> list[str]:
    sql = "SELECT kind FROM cases WHERE command_id = %(id)s AND closed_at IS NULL ORDER BY kind"
    return [row["kind"] for row in bench.whole.look(sql, id=command)]


def closes(bench: PartBench) -> bool:
    return bench.whole.services.doors.balances.sheet().closes


def reject(bench: PartBench, command: UUID, reviewer: Reviewer = NURSE) -> None:
    """Let a person decide that a command is not sent."""
    page = bench.page(command, reviewer)
    choice = next(item for item in page.choices if item.verb == Verb.REJECT)
    decision = Decision(verb=Verb.REJECT, view=page.view, reason=choice.reasons[0][0], text="it is right")
    bench.whole.desk.decide(reviewer, page.row.id, decision)


def test_all_that_stands_is_taken_back_the_last_written_first_and_then_it_counts_as_taken_back(
    bench: PartBench,
) -> None:
    root = bench.stopped(readings(), key="whole-command")
    page = bench.page(root)
    assert told(page.parts) == [(1, "asWritten"), (2, "asWritten"), (3, "notThere")]
    before = len(bench.writes())
    said = bench.decide(page, BOTH).sentence
    assert "the rest of the command is never sent" in said
    assert (bench.whole.state(root), closes(bench)) == ("taking_back", True)
    last, first = bench.undoing(root)
    bench.drive(root)
    written = {
        item["seq"]: item["reference"]
        for item in bench.whole.look("SELECT * FROM operations WHERE command_id = %(r)s", r=root)
    }
    assert bench.writes()[before:] == [f"PUT {written[2]}", f"PUT {written[1]}"]
    assert bench.chart(root) == {".1": "entered-in-error", ".2": "entered-in-error"}
    assert [events(bench, item)[-2:] for item in (last, first)] == [["answered_applied", "proven"]] * 2
    assert bench.states(root) == ["taken_back", "taken_back", "incomplete"]
    assert events(bench, root)[-2:] == ["take_back_decided", "parts_taken_back"]
    assert (bench.whole.state(root), open_cases(bench, root), closes(bench)) == ("compensated", [], True)
    assert bench.whole.give(readings(), key="whole-command") == root, "its key still answers with it"
    assert bench.chart(root, "Task") == {}


def test_both_commands_name_each_other_and_each_says_which_part(bench: PartBench) -> None:
    root = bench.stopped(readings())
    bench.decide(bench.page(root), BOTH)
    last, first = bench.undoing(root)
    assert bench.whole.desk.command(NURSE, root).related == (
        ("Part 2 taken back by (pending)", last),
        ("Part 1 taken back by (pending)", first),
    )
    assert bench.whole.desk.command(NURSE, first).related == (("Takes back part 1 (needs attention)", root),)
    bench.drive(root)
    assert bench.whole.desk.command(NURSE, last).related == (("Takes back part 2 (taken back)", root),)
    links = bench.whole.services.doors.compensations.of(root)
    assert [(item.id, item.part, item.takes_back) for item in links] == [(last, 2, True), (first, 1, True)]


def test_it_is_given_by_its_reviewer_with_their_reason_about_the_version_that_was_written(bench: PartBench) -> None:
    root = bench.stopped(readings(1))
    bench.decide(bench.page(root), {1: "retract"}, reason=f" {WHY} ")
    (back,) = bench.undoing(root)
    (row,) = bench.whole.look(
        "SELECT c.app, c.author_assurance, c.correlation_id, p.content FROM commands c "
        "JOIN payloads p ON p.digest = c.envelope_digest WHERE c.id = %(id)s",
        id=back,
    )
    (given,) = bench.whole.look("SELECT correlation_id FROM commands WHERE id = %(id)s", id=root)
    from canonical import exact_json

    envelope = exact_json.parse(bytes(row["content"]))
    (part,) = [
        item
        for item in bench.whole.look("SELECT * FROM operations WHERE command_id = %(r)s", r=root)
        if item["seq"] == 1
    ]
    assert (row["app"], row["author_assurance"], row["correlation_id"]) == (
        "writeback-review",
        "authenticated",
        given["correlation_id"],
    )
    assert envelope["target"]["reference"] == part["reference"]
    assert envelope["target"]["versionId"] == part["version_written"]
    assert (envelope["reason"], envelope["action"]["retractReason"]) == (WHY, WHY)
    assert envelope["author"]["identifier"]["value"] == NURSE.subject
    (decision,) = bench.whole.look("SELECT verb, person FROM decisions WHERE command_id = %(r)s", r=root)
    assert decision == {"verb": "compensate", "person": NURSE.actor}


def test_what_is_not_picked_stays_and_it_is_never_called_taken_back(bench: PartBench) -> None:
    root = bench.stopped(readings())
    bench.decide(bench.page(root), {2: "retract"})
    bench.drive(root)
    assert bench.chart(root) == {".1": "final", ".2": "entered-in-error"}
    assert (bench.whole.state(root), bench.states(root)[:2]) == ("partly_taken_back", ["verified", "taken_back"])
    assert events(bench, root)[-1] == "part_stands"
    assert open_cases(bench, root) == [], "a person decided to leave it"
    view = bench.whole.desk.command(NURSE, root)
    assert view.status == "needsAttention"
    assert "some is in the chart" in view.sentence
    assert "in part" in view.may_compensate
    sheet = bench.whole.services.doors.balances.sheet()
    assert (sheet.closes, sheet.total.partly_taken_back, sheet.total.taken_back) == (True, 1, 0)
    (owed,) = bench.whole.look("SELECT acknowledged_at FROM acknowledgements WHERE command_id = %(r)s", r=root)
    assert owed["acknowledged_at"] is None, "its author must learn of it"


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


@pytest.mark.parametrize("stands", [1, 2, 3])
@pytest.mark.parametrize("type_", ["all", "none"])
def test_whatever_stands_and_whatever_is_picked_the_record_says_what_the_chart_says(
    bench: PartBench, stands: int, type_: str
) -> None:
    """Every choice among what stands, for every number of parts that stand."""
    places = range(1, stands + 1)
    wanted = (
        [set(places)] if type_ == "all" else [set(some) for n in range(1, stands) for some in combinations(places, n)]
    )
    for picks in wanted:
        nth = stands + 1 if stands < 3 else 1
        root = bench.stopped(readings(3), *(("Observation", nth) if stands < 3 else ("Task", 1)))
        bench.decide(bench.page(root), dict.fromkeys(picks, "retract"))
        bench.drive(root)
        out = {f".{seq}": "entered-in-error" if seq in picks else "final" for seq in places}
        assert bench.chart(root) == out
        assert bench.states(root)[:stands] == ["taken_back" if seq in picks else "verified" for seq in places]
        assert bench.whole.state(root) == ("compensated" if picks == set(places) else "partly_taken_back")
        assert len(bench.undoing(root)) == len(picks)
        assert closes(bench)


def test_a_part_that_no_ehr_call_undoes_says_so_beforehand_and_stays_on_record_as_standing(bench: PartBench) -> None:
    entries = [bench.whole.station.server.get(f"MedicationStatement/{name}") for name in statements(bench, "a1", "a2")]
    changes = [listed_change_json(), listed(entries[0], "stop")]
    action = medication_reconciliation_json(changes=changes, reviewed=[{"reference": "MedicationStatement/a2"}])
    root = bench.stopped(action, "List", author={"role": "pharmacist"})
    page = bench.page(root, PHARMACIST)
    started, ended, own = page.parts
    assert [(way.means, way.degree, way.operation) for way in started.ways] == [
        ("enteredInError", "reversible", "retract"),
        ("correctiveEntry", "partly", "stop"),
    ]
    assert [(way.means, way.degree, way.operation) for way in ended.ways] == [("none", "not", "")]
    assert "a person does it in the EHR" in ended.ways[0].closed_to
    assert own.ways == ()
    assert bench.refused(page, {2: "retract"}, PHARMACIST).startswith("not-possible: Part 2 cannot be taken back so.")
    bench.decide(page, {1: "retract"}, PHARMACIST)
    bench.drive(root)
    assert (bench.states(root), bench.whole.state(root)) == (
        ["taken_back", "verified", "incomplete"],
        "partly_taken_back",
    )
    assert bench.whole.station.server.get("MedicationStatement/a1")["status"] == "stopped"
    assert open_cases(bench, root) == ["part_stands"], "somebody must see to it in the EHR"
    later = bench.page(root, PHARMACIST)
    assert told(later.parts) == [(1, "takenBack"), (2, "asWritten"), (3, "notThere")]
    assert [choice.verb for choice in later.choices] == ["acknowledge", "ask_author", "escalate"]
    assert closes(bench)


def statements(bench: PartBench, *names: str) -> tuple[str, ...]:
    """Put active medication statements into the chart of the patient, and no others."""
    for entry in bench.whole.station.server.all("MedicationStatement"):
        bench.sandbox.delete(f"MedicationStatement/{entry['id']}")
    desk = ReviewBench(station=bench.whole.station, desk=bench.whole.services.case_desk, hints=None)  # type: ignore[arg-type]
    for name in names:
        desk.statement(name)
    return names


def listed(entry: dict[str, Any], operation: str, **over: Any) -> dict[str, Any]:
    """Return a change of ``entry`` by somebody who saw it as it is."""
    seen = {"status": entry["status"], "medication": entry["medicationCodeableConcept"], "dosage": entry["dosage"]}
    item = listed_change_json(
        operation, f"MedicationStatement/{entry['id']}", versionId=entry["meta"]["versionId"], seen=seen
    )
    item["action"] |= over
    return item


def test_a_change_is_made_up_for_by_the_change_that_puts_it_back_and_counts_as_made_up_for_only(
    bench: PartBench,
) -> None:
    (name,) = statements(bench, "b1")
    entry = bench.whole.station.server.get(f"MedicationStatement/{name}")
    action = medication_reconciliation_json(changes=[listed(entry, "hold")], reviewed=ABSENT)
    root = bench.stopped(action, "List", author={"role": "pharmacist"})
    page = bench.page(root, PHARMACIST)
    (way,) = page.parts[0].ways
    assert (way.operation, way.means, way.degree, way.closed_to) == ("resume", "correctiveEntry", "partly", "")
    bench.decide(page, {1: "resume"}, PHARMACIST)
    bench.drive(root)
    (back,) = bench.undoing(root)
    assert bench.whole.station.server.get("MedicationStatement/b1")["status"] == "active"
    assert events(bench, back)[-2:] == ["answered_applied", "proven"], "it is read back, whatever the answer says"
    assert (bench.states(root)[0], bench.whole.state(root)) == ("made_up_for", "partly_taken_back")
    assert open_cases(bench, root) == []
    (event,) = bench.whole.look(
        "SELECT detail FROM events WHERE command_id = %(r)s AND trigger = 'part_stands'", r=root
    )
    assert event["detail"] == {"taken_back": [], "made_up_for": [1], "stands": []}


def test_a_dose_is_put_back_to_what_the_chart_said_before(bench: PartBench) -> None:
    (name,) = statements(bench, "c1")
    entry = bench.whole.station.server.get(f"MedicationStatement/{name}")
    action = medication_reconciliation_json(changes=[listed(entry, "changeDose")], reviewed=ABSENT)
    root = bench.stopped(action, "List", author={"role": "pharmacist"})
    assert bench.whole.station.server.get("MedicationStatement/c1")["dosage"] != entry["dosage"]
    bench.decide(bench.page(root, PHARMACIST), {1: "changeDose"}, PHARMACIST)
    bench.drive(root)
    assert bench.whole.station.server.get("MedicationStatement/c1")["dosage"] == entry["dosage"]
    assert bench.whole.state(root) == "partly_taken_back"


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


def edit(bench: PartBench, root: UUID, seq: int) -> str:
    """Let somebody change what part ``seq`` wrote; return its reference."""
    sql = "SELECT reference FROM operations WHERE command_id = %(r)s AND seq = %(s)s"
    (row,) = bench.whole.look(sql, r=root, s=seq)
    entry = bench.whole.station.server.get(row["reference"])
    bench.sandbox.edit({**entry, "note": [{"text": "it is hers, and right"}]}, by={"name": "Dr. Ames"})
    return str(row["reference"])


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


def test_when_none_of_it_is_taken_back_after_all_it_is_what_it_was_and_a_person_decides_of_the_rest(
    bench: PartBench,
) -> None:
    root = bench.stopped(readings(), status=422)
    bench.decide(bench.page(root), {1: "retract"})
    (only,) = bench.undoing(root)
    Withdrawals(bench.whole.station.ward.engine).withdraw("t1", only, actor="app")
    assert bench.whole.state(only) == "withdrawn"
    assert (bench.swept(), bench.swept()) == (1, 0)
    assert (bench.whole.state(root), open_cases(bench, root)) == ("incomplete", ["incomplete"])
    let_wait(bench.whole.station.ward, 10_000)
    hands = Noted()
    incomplete.run_once(bench.whole.services, hands)
    assert hands.incomplete == [], "no machine goes on where a person meant to undo"
    page = bench.page(root)
    assert "a person had decided to take back what is in the chart" in page.status
    bench.whole.desk.decide(
        NURSE, page.row.id, Decision(verb=Verb.RESEND, view=page.view, text="it was hers after all")
    )
    bench.drive(root)
    assert bench.whole.state(root) == "verified"
    assert bench.chart(root) == {".1": "final", ".2": "final"}
    assert closes(bench)


def test_a_success_that_changed_nothing_takes_nothing_back(bench: PartBench) -> None:
    root = bench.stopped(readings(1))
    bench.decide(bench.page(root), {1: "retract"})
    bench.whole.lie()
    bench.drive(root)
    assert bench.whole.lied() == 1
    (back,) = bench.undoing(root)
    assert (bench.whole.state(back), bench.whole.state(root)) == ("in_review", "taking_back")
    assert (bench.chart(root), bench.states(root)[0], bench.swept()) == ({".1": "final"}, "verified", 0)


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


def undone(bench: PartBench, root: UUID) -> list[int]:
    return [
        row["undoes_seq"] for row in bench.whole.look("SELECT undoes_seq FROM commands WHERE undoes = %(r)s", r=root)
    ]


def test_a_decision_sent_twice_is_one(bench: PartBench) -> None:
    root = bench.stopped(readings())
    page = bench.page(root)
    bench.decide(page, BOTH)
    assert bench.refused(page, BOTH).startswith("already-decided")
    assert sorted(undone(bench, root)) == [1, 2]


def sweeper(bench: PartBench) -> IncompleteLook:
    ward, ehr = bench.whole.station.ward, bench.whole.station.ehr
    writes = StoredIncompleteWrites(ward.engine, actor="sweep")
    return IncompleteLook(writes=writes, ehrs=lambda _tenant, _name: ehr, plan=rest_plan())


def locked(bench: PartBench) -> UUID:
    """Return a command whose own entry was locked until its budget was gone: a machine may send the rest."""
    command = bench.whole.give(readings())
    bench.whole.look("UPDATE commands SET spent = 7 WHERE id = %(id)s", id=command)
    rule = {"fault": "error_before_commit", "match": {"method": "POST", "type": "Task"}, "parameters": {"status": 423}}
    bench.sandbox.faults({"id": "stop", **rule})
    bench.whole.run(command)
    bench.sandbox.faults()
    assert bench.whole.state(command) == "incomplete"
    let_wait(bench.whole.station.ward, 301)
    return command


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


def test_a_refusal_at_the_door_of_one_part_gives_none(bench: PartBench) -> None:
    root = bench.stopped(readings())
    page = bench.page(root)
    bench.whole.consent(apps=("visits",))
    assert "was refused at the door: This consent does not cover the app." in bench.refused(page, BOTH)
    assert (undone(bench, root), bench.whole.state(root)) == ([], "incomplete")
    bench.whole.consent()
    bench.decide(bench.page(root), BOTH)
    bench.drive(root)
    assert bench.whole.state(root) == "compensated"


def test_who_may_take_a_part_back_follows_from_what_it_is(bench: PartBench) -> None:
    root = bench.stopped(readings())
    seen = bench.page(root, ENGINEER)
    choice = next(item for item in seen.choices if item.verb == Verb.COMPENSATE)
    assert "decided by a nurse or prescriber" in choice.closed_to
    assert bench.refused(seen, BOTH, ENGINEER).startswith("not-permitted: Part 2: This is decided by a nurse")
    only_operations = person("olaf", Licence.OPERATIONS)
    assert bench.refused(bench.page(root, only_operations), BOTH, only_operations).startswith("not-permitted")


def test_a_clinician_finds_the_case_from_the_command_whoevers_queue_it_is_in(bench: PartBench) -> None:
    root = bench.stopped(readings())
    (case,) = bench.whole.look("SELECT id, pool FROM cases WHERE command_id = %(r)s", r=root)
    assert case["pool"] == "operations"
    view = bench.whole.desk.command(NURSE, root)
    assert (view.case_id, "part by part, from its case" in view.may_compensate) == (case["id"], True)
    assert view.words is not None
    assert bench.page(root).row.patient == "Lopez, born 1961"


@pytest.mark.parametrize(("picks", "reason", "said"), [
    ({}, WHY, "field-missing: Choose at least one part"),
    ({7: "retract"}, WHY, "not-possible: There is no part 7."),
    ({3: "retract"}, WHY, "not-possible: Part 3 cannot be taken back so."),
    ({1: "delete"}, WHY, "not-possible: Part 1 cannot be taken back so."),
    ({1: "retract"}, "  ", "reason-required"),
    ({1: "retract"}, "x" * 501, "value-refused"),
])  # fmt: skip
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    bench: PartBench, picks: dict[int, str], reason: str, said: str
) -> None:
    root = bench.stopped(readings())
    assert bench.refused(bench.page(root), picks, reason=reason).startswith(said)


def test_a_colleague_who_has_the_case_keeps_it(bench: PartBench) -> None:
    root = bench.stopped(readings())
    page = bench.page(root, OTHER_NURSE)
    bench.whole.desk.claim(NURSE, bench.case_of(root))
    assert bench.refused(page, BOTH, OTHER_NURSE).startswith("claimed-by-another")


def test_what_was_removed_in_the_ehr_itself_is_found_out_and_nothing_is_sent(bench: PartBench) -> None:
    root = bench.stopped(readings())
    first, second = bench.whole.station.server.all("Observation")[-2:]
    references = [row["reference"] for row in bench.whole.look(
        "SELECT reference FROM operations WHERE command_id = %(r)s AND reference IS NOT NULL ORDER BY seq", r=root
    )]  # fmt: skip
    assert {f"Observation/{first['id']}", f"Observation/{second['id']}"} == set(references)
    bench.sandbox.delete(references[0])
    marked = {**bench.whole.station.server.get(references[1]), "status": "entered-in-error"}
    bench.sandbox.edit(marked, by={"name": "Dr. Ames"})
    page = bench.page(root)
    assert told(page.parts) == [(1, "gone"), (2, "inError"), (3, "notThere")]
    before = len(bench.writes())
    assert "out of the chart already" in bench.decide(page, {}).sentence
    assert (bench.whole.state(root), bench.states(root)[:2], bench.undoing(root)) == (
        "compensated",
        ["removed"] * 2,
        [],
    )
    assert (len(bench.writes()), open_cases(bench, root), closes(bench)) == (before, [], True)


def test_an_ehr_that_does_not_answer_shows_what_the_record_says_and_lets_nobody_decide(bench: PartBench) -> None:
    root = bench.stopped(readings())
    bench.whole.station.proxy.mode = Mode.REFUSE
    page = bench.page(root)
    assert told(page.parts) == [(1, "notRead"), (2, "notRead"), (3, "maybeThere")]
    assert all(not part.ways for part in page.parts)
    bench.whole.station.proxy.mode = Mode.PASS
    assert bench.refused(page, BOTH).startswith("stale-view")


def test_what_failed_and_may_be_there_all_the_same_keeps_it_from_counting_as_taken_back(bench: PartBench) -> None:
    root = bench.stopped(readings(2), "Observation", 2)
    (sent,) = bench.whole.look("SELECT reference FROM operations WHERE command_id = %(r)s AND seq = 1", r=root)
    entry = bench.whole.station.server.get(sent["reference"])
    mark = {"system": "urn:fhir-writeback:command", "value": f"{root}.2"}
    bench.sandbox.seed([{**entry, "id": f"late-{str(root)[:8]}", "identifier": [mark]}])
    page = bench.page(root)
    assert told(page.parts)[1] == (2, "maybeThere")
    assert "Look in the EHR" in page.parts[1].sentence
    bench.decide(page, {1: "retract"})
    bench.drive(root)
    assert (bench.whole.state(root), open_cases(bench, root)) == ("partly_taken_back", ["part_stands"])


def test_the_record_of_who_made_it_stays_and_does_not_count_as_standing(bench: PartBench) -> None:
    root = bench.stopped(
        medication_change_json("start"), "Provenance", author={"role": "pharmacist"}, approver=PHARMACIST, **attested()
    )
    page = bench.page(root, PHARMACIST)
    assert told(page.parts) == [(1, "asWritten"), (2, "notThere")]
    assert page.parts[1].what == "The record of who made it"
    bench.decide(page, {1: "retract"}, PHARMACIST)
    bench.drive(root)
    assert (bench.whole.state(root), bench.states(root)[0]) == ("compensated", "taken_back")


def attested() -> dict[str, Any]:
    return {"ai": {"model": "scribe", "version": "3"}}


def test_a_change_that_goes_along_is_told_and_cannot_be_picked(bench: PartBench) -> None:
    """An allergy takes the statement that none is known along: that one is put back by nobody but its author."""
    for entry in bench.whole.station.server.all("AllergyIntolerance"):
        bench.sandbox.delete(f"AllergyIntolerance/{entry['id']}")
    prescriber = person("pat-prescriber", Licence.PRESCRIBER)
    none_known = bench.whole.give(allergy_update_json("assertNoneKnown"), author={"role": "prescriber"})
    bench.approve(none_known, prescriber)
    bench.whole.run(none_known)
    assert bench.whole.state(none_known) == "verified"
    root = bench.stopped(
        allergy_update_json("record"), "Provenance", author={"role": "prescriber"}, approver=prescriber, **attested()
    )
    page = bench.page(root, prescriber)
    own, along, record = page.parts
    assert (own.standing, along.standing, record.standing) == ("asWritten", "asWritten", "notThere")
    assert along.ways == ()
    assert "cannot undo it" in along.note
    assert bench.refused(page, {2: "retract"}, prescriber).startswith("not-possible")


def test_an_ehr_that_can_undo_nothing_says_so_and_offers_nothing(
    bench: PartBench, redis_url: str, tmp_path: Path
) -> None:
    station = bench.whole.station
    declared = station.ehr.capabilities
    refusing = Support(way=Way.REFUSED, why="It has no update.")
    ways = {("VitalReading", name): refusing for name in ("retract", "correct")}
    unable = replace(declared, supports={**declared.supports, **ways})
    folder = tmp_path / "unable"
    folder.mkdir()
    root = bench.stopped(readings())
    station.ehr.capabilities = unable
    try:
        with open_whole_desk(station, redis_url, folder, unable) as whole:
            page = PartBench(whole).page(root)
            choice = next(item for item in page.choices if item.verb == Verb.COMPENSATE)
            assert [way.means for part in page.parts for way in part.ways] == ["none", "none"]
            assert "a person does it in the EHR" in choice.closed_to
            assert PartBench(whole).refused(page, {1: "retract"}).startswith("not-possible")
    finally:
        station.ehr.capabilities = declared
