"""The conflict engine on the real chart: what it merges by itself, what it leaves to people, and what it never does."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from canonical import exact_json
from canonical.action import action_specs
from canonical.case_views import QueueQuery
from canonical.review_desk import Verb
from canonical.reviewer import Pool
from reconcile.review.engine import Looked
from reconcile.review.merging import MOST_MERGES
from store.intake import Accepted
from tests.faults.proxy import Mode
from tests.reconcile.review.bench import NURSE, PHARMACIST, ReviewBench
from tests.reconcile.review.tasks import change, edit, engine_of, look_again, put_task

NOTE = [{"text": "She is at her daughter's until Friday."}]


def conflicted(bench: ReviewBench, accepted: Accepted) -> int:
    bench.station.run(accepted.lane_id)
    assert bench.station.ward.state(accepted.command_id) == "conflicted"
    return bench.case_of(accepted.command_id)


def independent(bench: ReviewBench, name: str, **more: Any) -> tuple[Accepted, int]:
    """An author makes a task urgent while a clinician writes a note on it."""
    accepted = change(bench, put_task(bench, name), priority="urgent", **more)
    edit(bench, name, note=NOTE)
    return accepted, conflicted(bench, accepted)


def without_ways_back(bench: ReviewBench, monkeypatch: pytest.MonkeyPatch, action: str, operation: str) -> None:
    """Have the EHR take nothing that undoes the operation."""
    known, undoing = bench.station.ehr.capabilities, action_specs()[action].undone_by[operation]
    less = {key: way for key, way in known.supports.items() if key not in {(action, name) for name in undoing}}
    monkeypatch.setattr(bench.station.ehr, "capabilities", replace(known, supports=less))


def test_an_edit_elsewhere_is_merged_by_the_machine_and_the_chart_has_both(bench: ReviewBench) -> None:
    accepted, case = independent(bench, "both")
    version = bench.station.server.get("Task/both")["meta"]["versionId"]
    assert engine_of(bench).run(case) is Looked.MERGED
    assert bench.hints.lanes == [accepted.lane_id]
    bench.station.run(accepted.lane_id)
    ward, task = bench.station.ward, bench.station.server.get("Task/both")
    assert ward.state(accepted.command_id) == "verified"
    assert (task["priority"], task["note"][0]["text"]) == ("urgent", NOTE[0]["text"])
    assert ward.attempts(accepted.command_id) == [("send", "applied")]
    (operation,) = ward.query("SELECT if_match FROM operations WHERE command_id = %(id)s", id=accepted.command_id)
    assert operation["if_match"] == version
    (event,) = ward.query(
        "SELECT * FROM events WHERE command_id = %(id)s AND trigger = 'rebased'", id=accepted.command_id
    )
    assert (event["actor"], event["reason"]) == ("machine:conflict-engine", "merged-by-machine")
    told = {name: event["detail"][name] for name in ("version", "fields", "ruling", "case")}
    assert told == {"version": version, "fields": ["priority"], "ruling": "merge", "case": case}
    (decision,) = ward.query("SELECT * FROM decisions WHERE command_id = %(id)s", id=accepted.command_id)
    assert (decision["verb"], decision["person"], decision["base_version"]) == (
        "merged",
        "machine:conflict-engine",
        version,
    )
    assert decision["policy_version"] == bench.desk.policies.version
    (kept,) = ward.query("SELECT closed_reason, closed_by FROM cases WHERE id = %(id)s", id=case)
    assert kept == {"closed_reason": "merged", "closed_by": "machine:conflict-engine"}
    assert "Merged by the machine" in bench.desk.open(NURSE, case).closed


def test_what_only_adds_to_a_list_is_appended_to_what_somebody_added_meanwhile(bench: ReviewBench) -> None:
    accepted = change(bench, put_task(bench, "notes"), note=[{"text": "Called twice, no answer."}])
    edit(bench, "notes", note=NOTE)
    case = conflicted(bench, accepted)
    assert engine_of(bench).run(case) is Looked.MERGED
    bench.station.run(accepted.lane_id)
    assert bench.station.ward.state(accepted.command_id) == "verified"
    texts = [item["text"] for item in bench.station.server.get("Task/notes")["note"]]
    assert texts == [NOTE[0]["text"], "Called twice, no answer."]


def test_what_the_ehr_cannot_undo_is_not_merged_by_a_machine(
    bench: ReviewBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepted, case = independent(bench, "for-good")
    without_ways_back(bench, monkeypatch, "CareTask", "update")
    assert engine_of(bench).run(case) is Looked.LEFT
    assert bench.station.ward.state(accepted.command_id) == "conflicted"
    assert bench.station.server.get("Task/for-good").get("priority") != "urgent"


def test_nobody_acknowledges_in_anybodys_name(bench: ReviewBench) -> None:
    accepted, case = independent(bench, "unsigned")
    engine_of(bench).run(case)
    command = bench.desk.cases.command(accepted.command_id)
    assert command.envelope.target is not None
    assert command.envelope.target.acknowledged is None


def test_what_both_changed_is_left_to_a_person_and_the_queue_says_to_what_the_chart_moved(bench: ReviewBench) -> None:
    accepted = change(bench, put_task(bench, "overlap"), priority="urgent")
    edit(bench, "overlap", priority="asap")
    case = conflicted(bench, accepted)
    assert engine_of(bench).run(case) is Looked.LEFT
    ward = bench.station.ward
    assert ward.state(accepted.command_id) == "conflicted"
    assert ward.attempts(accepted.command_id) == []
    (row,) = bench.desk.queue(NURSE, QueueQuery()).rows
    assert row.headline == "care task, priority: routine → urgent; the chart says asap"
    assert bench.station.server.get("Task/overlap")["priority"] == "asap"


def test_a_field_that_its_author_did_not_see_is_left_to_a_person(bench: ReviewBench) -> None:
    stored = put_task(bench, "unseen")
    accepted = change(bench, stored, ("status", "description"), priority="urgent")
    edit(bench, "unseen", note=NOTE)
    assert engine_of(bench).run(conflicted(bench, accepted)) is Looked.LEFT
    assert bench.station.server.get("Task/unseen")["priority"] == "routine"


def test_a_dose_is_never_merged_by_a_machine(bench: ReviewBench) -> None:
    stored = bench.statement("careful")
    accepted = bench.change_dose(stored, "20")
    bench.station.server.put({**bench.chart("careful"), "note": NOTE})
    case = conflicted(bench, accepted)
    assert engine_of(bench).run(case) is Looked.LEFT
    assert bench.station.ward.attempts(accepted.command_id) == []
    assert bench.chart("careful")["dosage"] == stored["dosage"]
    assert bench.chart("careful")["note"][0]["text"] == NOTE[0]["text"]


def test_what_needs_an_approval_is_left_to_who_gives_it(bench: ReviewBench) -> None:
    accepted, case = independent(bench, "signed")
    bench.station.ward.query("UPDATE commands SET approval_required = true WHERE id = %(id)s", id=accepted.command_id)
    assert engine_of(bench).run(case) is Looked.LEFT
    assert bench.station.ward.state(accepted.command_id) == "conflicted"


def test_a_chart_that_says_it_already_closes_the_case(bench: ReviewBench) -> None:
    accepted = change(bench, put_task(bench, "said"), priority="urgent")
    edit(bench, "said", priority="urgent")
    assert engine_of(bench).run(conflicted(bench, accepted)) is Looked.MOOT
    ward = bench.station.ward
    assert (ward.state(accepted.command_id), ward.reason(accepted.command_id)) == ("superseded", "already-in-chart")
    assert ward.query("SELECT actor FROM events WHERE trigger = 'replaced'") == [{"actor": "machine:conflict-engine"}]


def test_an_ehr_that_does_not_answer_is_asked_again_later_and_not_at_once(bench: ReviewBench) -> None:
    accepted, case = independent(bench, "away")
    engine = engine_of(bench)
    bench.station.proxy.mode = Mode.REFUSE
    assert engine.run(case) is Looked.UNREADABLE
    bench.station.proxy.mode = Mode.PASS
    assert engine.looks.due(limit=10) == []
    assert engine.run(case) is Looked.NOT_TAKEN
    look_again(bench)
    assert engine.looks.due(limit=10) == [case]
    assert engine.run(case) is Looked.MERGED
    assert bench.station.ward.state(accepted.command_id) == "ready"


def test_a_case_that_a_person_has_is_theirs(bench: ReviewBench) -> None:
    accepted, case = independent(bench, "claimed")
    bench.desk.claim(NURSE, case)
    engine = engine_of(bench)
    assert engine.looks.due(limit=10) == []
    assert engine.run(case) is Looked.NOT_TAKEN
    assert bench.station.ward.state(accepted.command_id) == "conflicted"


def test_a_person_who_claims_during_the_look_keeps_the_case(
    bench: ReviewBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepted, case = independent(bench, "grabbed")
    engine = engine_of(bench)
    plan = type(engine.reader).planned

    def planned(*arguments: Any) -> Any:
        bench.desk.cases.claim(bench.desk.cases.find("t1", case), NURSE, bench.desk.policies.queue.claim)  # type: ignore[arg-type]
        return plan(*arguments)

    monkeypatch.setattr(type(engine.reader), "planned", planned)
    assert engine.run(case) is Looked.MOVED
    assert bench.station.ward.state(accepted.command_id) == "conflicted"


def test_a_chart_that_moves_under_the_look_is_not_written_on(
    bench: ReviewBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepted, case = independent(bench, "restless")
    engine = engine_of(bench)
    plan = type(engine.reader).planned

    def planned(*arguments: Any) -> Any:
        edit(bench, "restless", priority="asap")
        return plan(*arguments)

    monkeypatch.setattr(type(engine.reader), "planned", planned)
    assert engine.run(case) is Looked.MOVED
    assert bench.station.ward.attempts(accepted.command_id) == []
    assert bench.station.server.get("Task/restless")["priority"] == "asap"


def test_a_chart_that_moves_after_the_merge_is_a_conflict_again_and_not_overwritten(bench: ReviewBench) -> None:
    accepted, case = independent(bench, "late")
    assert engine_of(bench).run(case) is Looked.MERGED
    edit(bench, "late", priority="asap")
    bench.station.run(accepted.lane_id)
    assert bench.station.ward.state(accepted.command_id) == "conflicted"
    second = bench.case_of(accepted.command_id)
    assert second != case
    assert engine_of(bench).run(second) is Looked.LEFT
    assert bench.station.server.get("Task/late")["priority"] == "asap"


def test_a_chart_that_moves_too_often_is_left_to_a_person(bench: ReviewBench) -> None:
    accepted, case = independent(bench, "often")
    found = []
    for number in range(MOST_MERGES + 1):
        found.append(engine_of(bench).run(bench.case_of(accepted.command_id)))
        edit(bench, "often", note=[*NOTE, {"text": f"edit {number}"}])
        bench.station.run(accepted.lane_id)
    assert found == [Looked.MERGED] * MOST_MERGES + [Looked.LEFT]
    assert bench.station.ward.state(accepted.command_id) == "conflicted"
    assert bench.station.ward.events(accepted.command_id).count("rebased") == MOST_MERGES
    assert case != bench.case_of(accepted.command_id)


def test_two_engines_at_one_case_act_once(bench: ReviewBench) -> None:
    accepted, case = independent(bench, "two")
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: engine_of(bench).run(case), range(2)))
    assert sorted(found) == [Looked.MERGED, Looked.NOT_TAKEN]
    assert bench.station.ward.events(accepted.command_id).count("rebased") == 1


def test_two_looks_at_once_still_store_one_merge(bench: ReviewBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second look took the case as well, as if the first one's lease had ended: the row and the last event decide."""
    accepted, case = independent(bench, "leased")
    engine = engine_of(bench)
    stored = bench.desk.cases.find("t1", case)
    monkeypatch.setattr(type(engine.looks), "take", lambda *_arguments, **_more: stored)
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: engine.run(case), range(2)))
    assert sorted(found) == [Looked.MERGED, Looked.MOVED]
    assert bench.station.ward.events(accepted.command_id).count("rebased") == 1
    bench.station.run(accepted.lane_id)
    assert bench.station.ward.attempts(accepted.command_id) == [("send", "applied")]


def test_a_decision_on_a_page_opened_before_the_merge_changes_nothing(bench: ReviewBench) -> None:
    from canonical.review_desk import ReviewError

    accepted, case = independent(bench, "paged")
    page = bench.desk.open(NURSE, case)
    engine_of(bench).run(case)
    with pytest.raises(ReviewError) as refused:
        bench.decide(NURSE, page, Verb.REJECT, reason="chart_newer")
    assert refused.value.code == "already-decided"
    assert bench.station.ward.state(accepted.command_id) == "ready"


def test_a_look_makes_a_case_more_urgent_and_never_less(bench: ReviewBench) -> None:
    """A dose is decided within the hour at this severity, by its own row, and the case stays where a person put it."""
    _, case = bench.conflict("urgent")
    ward = bench.station.ward
    ward.query("UPDATE cases SET severity = 3, due_at = opened_at + interval '8 hours' WHERE id = %(id)s", id=case)
    assert engine_of(bench).run(case) is Looked.LEFT
    (row,) = ward.query("SELECT severity, due_at - opened_at AS within FROM cases WHERE id = %(id)s", id=case)
    assert (row["severity"], row["within"].total_seconds()) == (2, 3600)
    ward.query("UPDATE cases SET severity = 1, next_look_at = '-infinity' WHERE id = %(id)s", id=case)
    assert engine_of(bench).run(case) is Looked.LEFT
    (row,) = ward.query("SELECT severity, due_at - opened_at AS within FROM cases WHERE id = %(id)s", id=case)
    assert (row["severity"], row["within"].total_seconds()) == (1, 900)


def test_a_dose_that_the_ehr_cannot_put_back_is_decided_first(
    bench: ReviewBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, case = bench.conflict("for-good")
    without_ways_back(bench, monkeypatch, "MedicationChange", "changeDose")
    assert engine_of(bench).run(case) is Looked.LEFT
    (row,) = bench.station.ward.query("SELECT severity FROM cases WHERE id = %(id)s", id=case)
    assert row["severity"] == 1


def test_the_same_chart_is_kept_once(bench: ReviewBench) -> None:
    _, case = bench.conflict("kept-once")
    for _ in range(3):
        look_again(bench)
        engine_of(bench).run(case)
    views = bench.station.ward.query("SELECT shown_to FROM case_views WHERE case_id = %(id)s", id=case)
    assert views == [{"shown_to": "conflict-engine"}]
    bench.move_chart("kept-once", "7")
    look_again(bench)
    engine_of(bench).run(case)
    (row,) = bench.desk.queue(PHARMACIST, QueueQuery(pool=Pool.CLINICAL)).rows
    assert row.headline == "lisinopril, dosage: 10 mg once a day → 20 mg once a day; the chart says 7 mg once a day"


def test_what_a_machine_merged_holds_what_it_says_byte_for_byte(bench: ReviewBench) -> None:
    accepted, case = independent(bench, "bytes")
    engine_of(bench).run(case)
    (row,) = bench.station.ward.query(
        "SELECT p.content, d.payload_digest, c.approval_payload FROM decisions d JOIN commands c ON c.id = d.command_id"
        " JOIN payloads p ON p.tenant = d.tenant AND p.digest = d.envelope_digest WHERE d.case_id = %(case)s",
        case=case,
    )
    assert exact_json.parse(bytes(row["content"]))["action"]["priority"] == "urgent"
    assert row["payload_digest"] == row["approval_payload"]
    assert accepted.lane_id is not None
