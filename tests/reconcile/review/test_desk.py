"""A case from its opening to the chart: what is shown, what is decided, what is written, and what is refused."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from canonical import exact_json
from canonical.review_desk import Decided, Decision, FieldPick, Pick, ReviewError, Verb
from canonical.three_way import FieldState
from tests.reconcile.review.bench import (
    ENGINEER,
    NURSE,
    PHARMACIST,
    PRESCRIBER,
    SECOND_PHARMACIST,
    ReviewBench,
    dose,
)

KEEP_PROPOSAL = {"dosage": Pick.PROPOSAL}


def _milligrams(resource: dict[str, Any]) -> Any:
    return resource["dosage"][0]["doseAndRate"][0]["doseQuantity"]["value"]


def _refused(bench: ReviewBench, *arguments: Any, **more: Any) -> str:
    with pytest.raises(ReviewError) as refused:
        bench.decide(*arguments, **more)
    return refused.value.code


def test_who_only_oversees_a_queue_sees_that_a_case_is_there_and_not_what_it_says(bench: ReviewBench) -> None:
    _, case = bench.conflict("m-overseen")
    for act in (bench.desk.open, bench.desk.claim):
        with pytest.raises(ReviewError) as refused:
            act(ENGINEER, case)
        assert refused.value.code == "not-permitted"
        assert "clinical case" in str(refused.value)
    page = bench.desk.open(PHARMACIST, case)
    with pytest.raises(ReviewError) as refused:
        bench.decide(ENGINEER, page, Verb.REJECT, reason="done-by-hand")
    assert refused.value.code == "not-permitted"
    assert not page.row.claimed_by


def test_a_conflict_shows_what_was_seen_what_stands_there_and_what_is_proposed(bench: ReviewBench) -> None:
    _, case = bench.conflict("shown")
    page = bench.desk.open(PHARMACIST, case)
    (row,) = [field for field in page.fields if not field.fixed]
    assert (row.name, row.state, row.changed_by) == ("dosage", FieldState.OVERLAPPING, "both")
    assert (row.seen, row.chart, row.proposed) == tuple(
        f"Take {amount} mg by mouth once daily [{amount} mg, oral, once a day]" for amount in (10, 5, 20)
    )
    assert page.banner is not None
    assert page.banner.name == "Lopez"
    assert page.chart_change is not None
    assert "not known by whom" in page.chart_change.sentence
    assert [choice.verb for choice in page.choices] == ["resolve", "reject", "ask_author", "escalate"]


def test_the_queue_says_what_collides_once_somebody_looked(bench: ReviewBench) -> None:
    from canonical.case_views import QueueQuery

    _, case = bench.conflict("listed")
    bench.desk.open(PHARMACIST, case)
    (row,) = bench.desk.queue(PHARMACIST, QueueQuery()).rows
    assert row.patient == "Lopez, born 1961"
    assert row.headline is not None
    assert row.headline == "lisinopril, dosage: 10 mg once a day → 20 mg once a day; the chart says 5 mg once a day"


def test_the_proposal_that_was_kept_is_written_on_the_version_the_reviewer_saw(bench: ReviewBench) -> None:
    accepted, case = bench.conflict("kept")
    before = bench.chart("kept")["meta"]["versionId"]
    page = bench.desk.open(PHARMACIST, case)
    decided = bench.decide(PHARMACIST, page, Verb.RESOLVE, KEEP_PROPOSAL)
    assert (decided.command_id, decided.awaits_second) == (accepted.command_id, False)
    assert bench.hints.lanes == [accepted.lane_id]
    bench.station.run(accepted.lane_id)
    assert bench.station.ward.state(accepted.command_id) == "verified"
    assert bench.station.ward.events(accepted.command_id)[-3:] == ["rebased", "claimed", "answered_proven"]
    assert bench.station.ward.attempts(accepted.command_id) == [("send", "applied")]
    assert _milligrams(bench.chart("kept")) == 20
    (operation,) = bench.station.ward.query(
        "SELECT if_match FROM operations WHERE command_id = %(id)s", id=accepted.command_id
    )
    assert operation["if_match"] == before


def test_keeping_the_chart_in_every_field_writes_nothing(bench: ReviewBench) -> None:
    accepted, case = bench.conflict("as-it-is")
    page = bench.desk.open(PHARMACIST, case)
    bench.decide(PHARMACIST, page, Verb.RESOLVE, {"dosage": Pick.CHART})
    bench.station.run(accepted.lane_id)
    ward = bench.station.ward
    assert (ward.state(accepted.command_id), ward.reason(accepted.command_id)) == ("rejected", "chart-kept")
    assert ward.attempts(accepted.command_id) == []
    assert _milligrams(bench.chart("as-it-is")) == 5


def test_another_value_goes_to_the_chart_as_it_was_typed(bench: ReviewBench) -> None:
    accepted, case = bench.conflict("typed")
    page = bench.desk.open(PHARMACIST, case)
    amount = {"value": exact_json.WrittenDecimal("12.50"), "unit": "mg"}
    typed = {"text": "Take 12.5 mg by mouth once daily", "doseAndRate": [{"doseQuantity": amount}]}
    bench.decide(PHARMACIST, page, Verb.RESOLVE, {"dosage": FieldPick(pick=Pick.ANOTHER, value=typed)})
    bench.station.run(accepted.lane_id)
    assert bench.station.ward.state(accepted.command_id) == "verified"
    written = bench.chart("typed")["dosage"][0]
    assert str(written["doseAndRate"][0]["doseQuantity"]["value"]) == "12.50"
    assert written["doseAndRate"][0]["doseQuantity"]["code"] == "mg"
    assert written["route"] == dose("20")["route"]


def test_a_chart_that_moves_again_during_review_is_shown_and_nothing_is_sent(bench: ReviewBench) -> None:
    accepted, case = bench.conflict("again")
    page = bench.desk.open(PHARMACIST, case)
    bench.move_chart("again", "7")
    assert _refused(bench, PHARMACIST, page, Verb.RESOLVE, KEEP_PROPOSAL) == "stale-view"
    assert bench.station.ward.state(accepted.command_id) == "conflicted"
    newer = bench.desk.open(PHARMACIST, case)
    assert (newer.round, "moved again" in newer.news) == (1, True)
    assert "7 mg" in next(field.chart for field in newer.fields if field.name == "dosage")
    bench.decide(PHARMACIST, newer, Verb.RESOLVE, KEEP_PROPOSAL)
    bench.station.run(accepted.lane_id)
    assert _milligrams(bench.chart("again")) == 20


def test_a_chart_that_moves_after_the_decision_is_a_conflict_again_and_not_overwritten(bench: ReviewBench) -> None:
    accepted, case = bench.conflict("late")
    page = bench.desk.open(PHARMACIST, case)
    bench.decide(PHARMACIST, page, Verb.RESOLVE, KEEP_PROPOSAL)
    bench.move_chart("late", "7")
    bench.station.run(accepted.lane_id)
    assert bench.station.ward.state(accepted.command_id) == "conflicted"
    assert _milligrams(bench.chart("late")) == 7
    second = bench.desk.open(PHARMACIST, bench.case_of(accepted.command_id))
    assert second.row.id != case
    assert "5 mg" in (next(field.seen for field in second.fields if field.name == "dosage") or "")


def test_after_many_rounds_the_reviewer_is_told_to_decide_with_the_chart_open(bench: ReviewBench) -> None:
    _, case = bench.conflict("restless")
    limit = bench.desk.policies.queue.round_limit
    bench.desk.open(PHARMACIST, case)
    told = []
    for amount in range(30, 30 + limit):
        bench.move_chart("restless", str(amount))
        told.append("chart open in the EHR" in bench.desk.open(PHARMACIST, case).news)
    assert told == [False] * (limit - 1) + [True]


def test_a_case_whose_question_the_chart_has_answered_closes_itself(bench: ReviewBench) -> None:
    accepted, case = bench.conflict("answered")
    bench.move_chart("answered", "20")
    page = bench.desk.open(PHARMACIST, case)
    assert "the chart says already what was proposed" in page.closed
    assert page.choices == ()
    ward = bench.station.ward
    assert (ward.state(accepted.command_id), ward.reason(accepted.command_id)) == ("superseded", "already-in-chart")
    assert ward.attempts(accepted.command_id) == []


def test_a_new_version_that_says_the_same_is_no_difference_to_decide(bench: ReviewBench) -> None:
    accepted, case = bench.conflict("formatting")
    page = bench.desk.open(PHARMACIST, case)
    now = bench.chart("formatting")
    text = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">5 mg</div>'}
    bench.station.server.put({**now, "text": text})
    bench.decide(PHARMACIST, page, Verb.RESOLVE, KEEP_PROPOSAL)
    bench.station.run(accepted.lane_id)
    assert bench.station.ward.state(accepted.command_id) == "verified"


def test_of_two_reviewers_one_decides_and_the_other_is_told(bench: ReviewBench) -> None:
    accepted, case = bench.conflict("both")
    pages = {person: bench.desk.open(person, case) for person in (PHARMACIST, SECOND_PHARMACIST)}

    def decide(person: Any) -> Decided | str:
        try:
            return bench.decide(person, pages[person], Verb.RESOLVE, KEEP_PROPOSAL)
        except ReviewError as error:
            return error.code

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(decide, pages))
    assert sorted(isinstance(result, Decided) for result in results) == [False, True]
    assert [result for result in results if isinstance(result, str)] == ["already-decided"]
    decisions = bench.station.ward.query("SELECT verb FROM decisions WHERE command_id = %(id)s", id=accepted.command_id)
    assert [row["verb"] for row in decisions] == ["resolve"]
    bench.station.run(accepted.lane_id)
    assert bench.station.ward.attempts(accepted.command_id) == [("send", "applied")]


def test_a_claimed_case_is_decided_by_nobody_else(bench: ReviewBench) -> None:
    _, case = bench.conflict("claimed")
    assert bench.desk.claim(PHARMACIST, case).claimed_by_me
    page = bench.desk.open(SECOND_PHARMACIST, case)
    assert page.row.claimed_by == PHARMACIST.name
    assert _refused(bench, SECOND_PHARMACIST, page, Verb.RESOLVE, KEEP_PROPOSAL) == "claimed-by-another"
    with pytest.raises(ReviewError, match="A colleague has this case"):
        bench.desk.claim(SECOND_PHARMACIST, case)
    bench.desk.release(PHARMACIST, case)
    assert bench.desk.claim(SECOND_PHARMACIST, case).claimed_by_me


@pytest.mark.parametrize("view", ["", "nothing", str(UUID(int=7)), "another-persons", "another-cases"])
def test_a_decision_must_name_a_look_that_this_person_had_of_this_case(bench: ReviewBench, view: str) -> None:
    accepted, case = bench.conflict(f"forged-{view or 'none'}"[:40])
    _, other = bench.conflict(f"other-{view or 'none'}"[:40])
    named = {
        "another-persons": lambda: bench.desk.open(SECOND_PHARMACIST, case).view,
        "another-cases": lambda: bench.desk.open(PHARMACIST, other).view,
    }
    decision = Decision(verb=Verb.RESOLVE, view=named.get(view, lambda: view)(), fields={})
    with pytest.raises(ReviewError) as refused:
        bench.desk.decide(PHARMACIST, case, decision)
    assert refused.value.code == "forged-view"
    assert bench.station.ward.state(accepted.command_id) == "conflicted"


def test_a_form_that_is_posted_again_changes_nothing(bench: ReviewBench) -> None:
    accepted, case = bench.conflict("twice")
    page = bench.desk.open(PHARMACIST, case)
    bench.decide(PHARMACIST, page, Verb.RESOLVE, KEEP_PROPOSAL)
    events = bench.station.ward.events(accepted.command_id)
    assert _refused(bench, PHARMACIST, page, Verb.RESOLVE, KEEP_PROPOSAL) == "already-decided"
    assert bench.station.ward.events(accepted.command_id) == events


def test_a_field_that_both_changed_must_be_picked(bench: ReviewBench) -> None:
    _, case = bench.conflict("unpicked")
    page = bench.desk.open(PHARMACIST, case)
    assert _refused(bench, PHARMACIST, page, Verb.RESOLVE, {}) == "field-missing"


def test_a_typed_value_that_cannot_be_is_refused_and_named(bench: ReviewBench) -> None:
    _, case = bench.conflict("impossible")
    page = bench.desk.open(PHARMACIST, case)
    typed = {"text": "Take 12.5 mg by mouth once daily", "doseAndRate": [{"doseQuantity": {"value": 12, "unit": "mg"}}]}
    picks = {"dosage": FieldPick(pick=Pick.ANOTHER, value=typed)}
    assert _refused(bench, PHARMACIST, page, Verb.RESOLVE, picks) == "value-refused"


def test_ending_it_needs_a_reason_of_the_list(bench: ReviewBench) -> None:
    accepted, case = bench.conflict("reason")
    page = bench.desk.open(PHARMACIST, case)
    assert _refused(bench, PHARMACIST, page, Verb.REJECT) == "reason-required"
    assert _refused(bench, PHARMACIST, page, Verb.REJECT, reason="because") == "reason-required"
    bench.decide(PHARMACIST, page, Verb.REJECT, reason="chart_newer")
    ward = bench.station.ward
    assert (ward.state(accepted.command_id), ward.reason(accepted.command_id)) == ("rejected", "chart_newer")


def test_a_nurse_sees_a_dose_and_does_not_decide_it(bench: ReviewBench) -> None:
    _, case = bench.conflict("licence")
    page = bench.desk.open(NURSE, case)
    resolve = next(choice for choice in page.choices if choice.verb == "resolve")
    assert resolve.closed_to == "This is decided by a pharmacist or prescriber."
    assert _refused(bench, NURSE, page, Verb.RESOLVE, KEEP_PROPOSAL) == "not-permitted"


def test_whoever_does_not_know_can_ask_the_author(bench: ReviewBench) -> None:
    accepted, case = bench.conflict("asked")
    page = bench.desk.open(NURSE, case)
    assert _refused(bench, NURSE, page, Verb.ASK_AUTHOR) == "reason-required"
    bench.decide(NURSE, page, Verb.ASK_AUTHOR, text="Did you know that it was lowered to 5 mg?")
    assert bench.station.ward.state(accepted.command_id) == "conflicted"
    row = bench.desk.open(PHARMACIST, case).row
    assert (row.asked, row.claimed_by) == (True, None)


def test_handing_up_raises_the_case(bench: ReviewBench) -> None:
    _, case = bench.conflict("up")
    page = bench.desk.open(PHARMACIST, case)
    bench.decide(PHARMACIST, page, Verb.ESCALATE, text="needs the ward's physician")
    row = bench.desk.open(PRESCRIBER, case).row
    assert (row.severity, row.level) == (1, 1)


def test_a_clinical_case_is_none_of_the_engineers_business(bench: ReviewBench) -> None:
    _, case = bench.conflict("pool")
    stranger = type(ENGINEER)(**(vars(ENGINEER) | {"rights": ENGINEER.rights - {"oversee"}}))
    with pytest.raises(ReviewError) as refused:
        bench.desk.open(stranger, case)
    assert refused.value.code == "not-found"


def test_another_tenants_case_does_not_exist(bench: ReviewBench) -> None:
    _, case = bench.conflict("foreign")
    foreigner = type(PHARMACIST)(**(vars(PHARMACIST) | {"tenant": "t2"}))
    with pytest.raises(ReviewError) as refused:
        bench.desk.open(foreigner, case)
    assert refused.value.code == "not-found"


def test_an_ehr_that_does_not_answer_lets_nobody_decide_blindly(bench: ReviewBench) -> None:
    from tests.faults.proxy import Mode

    accepted, case = bench.conflict("dark")
    page = bench.desk.open(PHARMACIST, case)
    bench.station.proxy.mode = Mode.REFUSE
    assert _refused(bench, PHARMACIST, page, Verb.RESOLVE, KEEP_PROPOSAL) in {"chart-unreadable", "not-possible"}
    dark = bench.desk.open(PHARMACIST, case)
    assert dark.read_at == ""
    assert dark.banner is not None
    assert dark.banner.name == "could not be read"
    bench.station.proxy.mode = Mode.PASS
    assert bench.station.ward.state(accepted.command_id) == "conflicted"


def test_what_waits_behind_is_shown_and_raises_a_routine_case(bench: ReviewBench) -> None:
    accepted, case = bench.conflict("queue")
    stored = bench.chart("queue")
    seen = {"status": "active", "medication": stored["medicationCodeableConcept"], "dosage": stored["dosage"]}
    target = {"reference": "MedicationStatement/queue", "versionId": stored["meta"]["versionId"], "seen": seen}
    from tests.factories import medication_change_json

    bench.station.ward.submit(medication_change_json("stop"), target=target)
    page = bench.desk.open(PHARMACIST, case)
    assert [item.words for item in page.waiting] == ["stop: lisinopril"]
    assert (page.row.severity, page.row.waiting) == (1, 1)
    assert accepted.lane_id is not None


def test_every_time_on_the_page_names_its_zone(bench: ReviewBench) -> None:
    _, case = bench.conflict("zones")
    page = bench.desk.open(PHARMACIST, case)
    assert "UTC" in page.read_at
    assert page.chart_change is not None
    assert "UTC" in (page.chart_change.at or "")
    assert all("UTC" in entry.read_at for entry in page.context)


def test_a_number_typed_is_never_a_float(bench: ReviewBench) -> None:
    _, case = bench.conflict("exact")
    page = bench.desk.open(PHARMACIST, case)
    amount = {"value": exact_json.WrittenDecimal("0.10"), "unit": "mg"}
    typed = {"text": "Take 0.1 mg by mouth once daily", "doseAndRate": [{"doseQuantity": amount}]}
    bench.decide(PHARMACIST, page, Verb.RESOLVE, {"dosage": FieldPick(pick=Pick.ANOTHER, value=typed)})
    (row,) = bench.station.ward.query(
        "SELECT p.content FROM decisions d JOIN payloads p ON p.digest = d.content_digest WHERE d.case_id = %(case)s",
        case=case,
    )
    told = exact_json.parse(bytes(row["content"]))["fields"]["dosage"]["value"]
    kept = told["doseAndRate"][0]["doseQuantity"]["value"]
    assert (str(kept), isinstance(kept, Decimal)) == ("0.10", True)
