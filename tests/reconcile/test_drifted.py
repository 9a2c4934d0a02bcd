"""Settled writes that are looked at again, at an EHR in which people, systems and accidents change them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from canonical.capabilities import Attribution
from canonical.drift import Settled
from canonical.drift_plan import drift_plan
from canonical.events import move
from canonical.lifecycle import State, Trigger
from canonical.review_desk import Decision, ReviewError, Verb
from reconcile import drifted
from reconcile.drifted import Config
from reconcile.schedule import SWEEPS
from store.database import open_engine, transaction
from store.moves import apply_move
from tests.reconcile.conftest import Noted
from tests.reconcile.drift_bench import ENGINE, RUIZ, DriftBench, open_drift_bench
from tests.reconcile.review.bench import ENGINEER, NURSE
from tests.sandbox_fixture import RunningSandbox, sandbox, sandbox_server
from tests.tasks.ward import heart_rate

__all__ = ["sandbox", "sandbox_server"]
CASE, SCHEDULED = Settled.CASE, Settled.SCHEDULED


@pytest.fixture
def bench(sandbox: RunningSandbox, database_url: str, redis_url: str, tmp_path: Path) -> Iterator[DriftBench]:
    engine = open_engine(database_url)
    with open_drift_bench(engine, database_url, redis_url, sandbox, tmp_path) as bench:
        yield bench
    engine.dispose()


def decide(bench: DriftBench, command: UUID, verb: Verb) -> str:
    """Decide the open case of a command as the nurse who opens it now; return what is said."""
    desk = bench.whole.desk
    case = bench.whole.services.case_desk.cases.open_case_of("t1", command)
    assert case is not None
    page = desk.open(NURSE, case)
    return desk.decide(NURSE, case, Decision(verb=verb, view=page.view)).sentence


def test_what_stands_is_looked_at_and_nobody_hears_of_it(bench: DriftBench) -> None:
    command = bench.written()
    assert bench.look() == [SCHEDULED]
    assert (bench.state(command)[0], bench.cases(), bench.tally()) == ("verified", [], {"stands": 1})


def test_what_the_vendor_stored_anew_with_the_same_meaning_is_no_drift(bench: DriftBench) -> None:
    command = bench.written()
    bench.edit(command, value="72.5000")
    assert bench.look() == [SCHEDULED]
    assert (bench.state(command)[0], bench.cases(), bench.tally()) == ("verified", [], {"normalised": 1})


@pytest.mark.parametrize("who", [{"by": RUIZ}, {"system": ENGINE}], ids=["a clinician", "an interface engine"])
def test_an_edit_with_a_name_to_it_is_what_counts_from_then_on(bench: DriftBench, who: dict[str, Any]) -> None:
    command = bench.written()
    bench.edit(command, **who)
    assert bench.look() == [SCHEDULED]
    assert bench.state(command) == ("verified", "edited-since")
    assert (bench.cases(), bench.tally()) == ([], {"edited": 1})
    assert bench.look() == [SCHEDULED]
    assert bench.tally() == {"edited": 1, "stands": 1}
    # And what is changed after that is asked of as ever.
    bench.edit(command, value="120")
    assert bench.look() == [CASE]


def test_a_change_with_nobodys_name_comes_to_a_person_and_writes_nothing(bench: DriftBench) -> None:
    command = bench.written()
    before = bench.ehr_writes()
    bench.edit(command)
    assert bench.look() == [CASE]
    assert bench.state(command) == ("in_review", "drift-changed")
    assert bench.cases() == ["drift"]
    assert bench.ehr_writes() == before
    (event,) = bench.whole.look("SELECT detail FROM events WHERE trigger = 'drift_found'")
    assert event["detail"]["fields"] == ["valueQuantity"]
    assert "99" not in str(event["detail"])
    # It is in a person's hands: nobody looks again.
    assert bench.look() == []


def test_a_change_under_the_same_version_is_seen_too(bench: DriftBench) -> None:
    command = bench.written()
    bench.raw("UPDATE versions SET body = replace(body, '72.50', '27.50') WHERE type = 'Observation'")
    assert bench.look() == [CASE]
    assert bench.state(command) == ("in_review", "drift-changed")


def test_a_silent_change_is_not_hidden_by_a_later_edit_with_a_name(bench: DriftBench) -> None:
    command = bench.written()
    bench.edit(command, value="27")
    bench.edit(command, value=None, by=RUIZ)
    assert bench.look() == [CASE]
    assert bench.state(command) == ("in_review", "drift-changed")


def test_a_vendors_own_job_after_an_edit_with_a_name_is_no_drift(bench: DriftBench) -> None:
    command = bench.written()
    bench.edit(command, by=RUIZ)
    bench.edit(command, value=None)
    assert bench.look() == [SCHEDULED]
    assert bench.state(command) == ("verified", "edited-since")


def test_a_deletion_by_a_named_person_is_their_decision(bench: DriftBench) -> None:
    command = bench.written()
    bench.delete(command, by=RUIZ)
    assert bench.look() == [SCHEDULED]
    assert bench.state(command) == ("compensated", "removed-in-ehr")
    assert bench.cases() == []
    assert bench.look() == []


@pytest.mark.parametrize("how", ["deleted", "vanished"])
def test_what_is_gone_with_nobodys_name_comes_to_a_person(bench: DriftBench, how: str) -> None:
    command = bench.written()
    if how == "deleted":
        bench.delete(command)
    else:
        bench.raw("DELETE FROM versions WHERE type = 'Observation'")
    assert bench.look() == [CASE]
    assert bench.state(command) == ("in_review", "drift-disappeared")
    assert bench.cases() == ["drift_disappeared"]


def test_what_vanished_is_not_laid_to_who_edited_it_before(bench: DriftBench) -> None:
    command = bench.written()
    bench.edit(command, by=RUIZ)
    assert bench.look() == [SCHEDULED]
    bench.raw("DELETE FROM versions WHERE type = 'Observation'")
    assert bench.look() == [CASE]
    assert bench.state(command) == ("in_review", "drift-disappeared")


@pytest.mark.parametrize("left", ["moved along", "gone"])
def test_what_a_merge_of_records_took_along_comes_to_a_person(bench: DriftBench, left: str) -> None:
    command = bench.written()
    patient = bench.station.server.get("Patient/p1")
    link = [{"other": {"reference": "Patient/p2"}, "type": "replaced-by"}]
    bench.sandbox.edit({**patient, "active": False, "link": link}, by=RUIZ)
    if left == "gone":
        bench.delete(command)
    else:
        bench.sandbox.edit({**bench.entry(command), "subject": {"reference": "Patient/p2"}}, by=RUIZ)
    assert bench.look() == [CASE]
    assert bench.state(command) == ("in_review", "drift-merged")
    assert bench.cases() == ["drift_merged"]


def test_our_own_later_commands_are_no_drift(bench: DriftBench) -> None:
    command = bench.written()
    entry = bench.entry(command)
    seen = {"code": entry["code"], "valueQuantity": entry["valueQuantity"], "status": entry["status"]}
    amount = {**entry["valueQuantity"], "value": 75}
    correction = heart_rate(operation="correct", valueQuantity=amount, effectiveDateTime=entry["effectiveDateTime"])
    target = {"command": str(command), "seen": seen}
    later = bench.whole.written(correction, key="corrected-later", target=target)
    assert bench.look() == [SCHEDULED, SCHEDULED]
    assert {bench.state(one)[0] for one in (command, later)} == {"verified"}
    assert bench.tally() == {"stands": 2}
    # What is silently changed after both is asked of once, of the command that wrote it last.
    bench.edit(command)
    assert sorted(bench.look(), key=str) == [CASE, SCHEDULED]
    assert bench.state(later) == ("in_review", "drift-changed")
    assert bench.state(command)[0] == "verified"


def test_a_look_that_a_turn_of_ours_overtook_stores_nothing(bench: DriftBench) -> None:
    command = bench.written()
    bench.let_be_due()
    assert bench.sweep() == [command]
    book = bench.whole.services.drift_look.book
    write = book.take(command)
    assert write is not None
    bench.whole.look("UPDATE lanes SET fence = fence + 1")
    assert book.settle(write, []) is Settled.OVERTAKEN
    assert bench.tally() == {}
    assert bench.look() == [SCHEDULED]


def test_while_a_write_of_ours_is_on_its_way_nobody_is_blamed(bench: DriftBench) -> None:
    command = bench.written()
    other = bench.whole.give(key="under-way")
    bench.whole.look("UPDATE commands SET state = 'unknown' WHERE id = %(id)s", id=other)
    bench.edit(command)
    assert bench.look() == [None]
    assert (bench.state(command)[0], bench.tally()) == ("verified", {})


def test_an_ehr_that_does_not_answer_is_asked_later(bench: DriftBench) -> None:
    command = bench.written()
    bench.sandbox.faults({"fault": "error_before_commit", "parameters": {"status": 503}, "match": {"method": "GET"}})
    assert bench.look() == [None]
    bench.sandbox.faults()
    assert bench.look() == [SCHEDULED]
    assert bench.state(command)[0] == "verified"


def test_what_the_ehr_will_not_show_proves_nothing(bench: DriftBench) -> None:
    command = bench.written()
    bench.sandbox.faults({"fault": "error_before_commit", "parameters": {"status": 403}, "match": {"method": "GET"}})
    assert bench.look() == [SCHEDULED]
    assert (bench.state(command)[0], bench.tally(), bench.cases()) == ("verified", {"unreadable": 1}, [])


def test_where_the_ehr_names_nobody_a_change_is_counted_and_what_is_gone_is_asked_of(
    bench: DriftBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    nameless = replace(bench.station.ehr.capabilities, attribution=Attribution())
    monkeypatch.setattr(bench.station.ehr, "capabilities", nameless)
    changed, gone = bench.written(), bench.written()
    bench.edit(changed)
    bench.delete(gone)
    assert sorted(bench.look(), key=str) == [CASE, SCHEDULED]
    assert bench.state(changed) == ("verified", "changed-nameless")
    assert bench.state(gone) == ("in_review", "drift-disappeared")
    assert bench.look() == [SCHEDULED]
    assert bench.tally() == {"nameless": 1, "disappeared": 1, "stands": 1}


def test_the_chart_is_right_leaves_it_and_does_not_ask_again(bench: DriftBench) -> None:
    command = bench.written()
    bench.edit(command)
    bench.look()
    before = bench.ehr_writes()
    said = decide(bench, command, Verb.ACCEPT)
    assert said == "The chart stays as it is, and counts from here on. Nothing was written."
    assert bench.state(command) == ("verified", "changed-since")
    assert (bench.cases(), bench.ehr_writes()) == ([], before)
    assert bench.look() == [SCHEDULED]
    assert bench.state(command) == ("verified", "changed-since")
    bench.edit(command, value="44")
    assert bench.look() == [CASE]


def test_what_is_let_go_ends_as_taken_back(bench: DriftBench) -> None:
    command = bench.written()
    bench.delete(command)
    bench.look()
    decide(bench, command, Verb.ACCEPT)
    assert bench.state(command) == ("compensated", "removal-accepted")


def test_of_drift_nothing_is_offered_that_would_write_or_lie(bench: DriftBench) -> None:
    command = bench.written()
    bench.edit(command)
    bench.look()
    cases = bench.whole.services.case_desk.cases
    case = cases.open_case_of("t1", command)
    assert case is not None
    page = bench.whole.desk.open(NURSE, case)
    assert [choice.verb for choice in page.choices] == ["accept", "ask_author", "escalate"]
    assert "Nothing is written" in page.choices[0].result
    for verb in (Verb.RESEND, Verb.REJECT, Verb.FOUND):
        with pytest.raises(ReviewError) as refused:
            bench.whole.desk.decide(NURSE, case, Decision(verb=verb, view=page.view, text="so"))
        assert refused.value.code == "not-possible"


def test_a_chart_that_moves_again_before_it_is_accepted_is_not_accepted_unseen(bench: DriftBench) -> None:
    command = bench.written()
    bench.edit(command)
    bench.look()
    case = bench.whole.services.case_desk.cases.open_case_of("t1", command)
    assert case is not None
    page = bench.whole.desk.open(NURSE, case)
    bench.edit(command, value="12")
    with pytest.raises(ReviewError) as refused:
        bench.whole.desk.decide(NURSE, case, Decision(verb=Verb.ACCEPT, view=page.view))
    assert refused.value.code == "stale-view"
    assert bench.state(command)[0] == "in_review"


def test_a_case_whose_entry_says_again_what_was_written_closes_itself(bench: DriftBench) -> None:
    command = bench.written()
    bench.edit(command)
    bench.look()
    case = bench.whole.services.case_desk.cases.open_case_of("t1", command)
    assert case is not None
    bench.edit(command, value="72.50")
    bench.whole.desk.open(NURSE, case)
    assert bench.state(command) == ("verified", "stands-again")
    assert bench.cases() == []


def test_too_much_drift_at_a_connection_is_one_incident_and_its_replays_wait(bench: DriftBench) -> None:
    book = bench.whole.services.drift_look.book
    book._plan = replace(drift_plan(), incident_writes=2)  # type: ignore[attr-defined]
    commands = [bench.written() for _ in range(6)]
    bench.raw("DELETE FROM versions WHERE type = 'Observation'")
    assert bench.look() == [CASE, CASE, *[Settled.INCIDENT] * 4]
    assert bench.cases() == ["drift_disappeared", "drift_disappeared", "drift_incident"]
    assert bench.whole.services.drift_incidents.parked("t1") == {"north"}
    assert bench.state(commands[-1]) == ("verified", "drift-incident")
    assert bench.look() == [Settled.INCIDENT] * 4
    assert bench.cases().count("drift_incident") == 1
    (incident,) = bench.whole.look("SELECT id, pool, severity, holds FROM cases WHERE kind = 'drift_incident'")
    assert (incident["pool"], incident["severity"], incident["holds"]) == ("operations", 1, False)
    desk = bench.whole.desk
    page = desk.open(ENGINEER, incident["id"])
    desk.decide(ENGINEER, incident["id"], Decision(verb=Verb.ACKNOWLEDGE, view=page.view))
    assert bench.whole.services.drift_incidents.parked("t1") == frozenset()
    # What is still gone once the incident is over is asked of as ever.
    assert bench.look()[:2] == [CASE, CASE]


def test_findings_at_once_open_one_incident(bench: DriftBench) -> None:
    book = bench.whole.services.drift_look.book
    book._plan = replace(drift_plan(), incident_writes=1)  # type: ignore[attr-defined]
    for _ in range(6):
        bench.written()
    bench.raw("DELETE FROM versions WHERE type = 'Observation'")
    bench.let_be_due()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(bench.whole.services.drift_look.run, bench.sweep()))
    assert (found.count(CASE), found.count(Settled.INCIDENT)) == (1, 5)
    assert bench.cases().count("drift_incident") == 1


def test_two_sweepers_at_once_hand_out_each_look_once(bench: DriftBench) -> None:
    commands = [bench.written() for _ in range(12)]
    bench.let_be_due()
    hands, start = [Noted(), Noted()], threading.Barrier(2)

    def run(mine: Noted) -> None:
        start.wait(20)
        drifted.run_once(bench.whole.services, mine, Config())

    sweepers = [threading.Thread(target=run, args=(mine,)) for mine in hands]
    for one in sweepers:
        one.start()
    for one in sweepers:
        one.join()
    assert sorted(hands[0].settled + hands[1].settled) == sorted(commands)
    looked = [bench.whole.services.drift_look.run(command) for command in commands * 2]
    assert (looked.count(SCHEDULED), looked.count(None)) == (12, 12)


def test_an_ehr_is_never_asked_more_than_it_bears(bench: DriftBench, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(5):
        bench.written()
    bench.let_be_due()
    (key,) = bench.whole.services.connections
    settings = bench.whole.services.connections[key]
    few = {key: replace(settings, options={**settings.options, "looks_per_minute": 3})}
    monkeypatch.setitem(vars(bench.whole.services), "connections", few)
    assert len(bench.sweep()) == 3
    assert bench.sweep() == []
    bench.whole.look("UPDATE drift_budgets SET since = since - interval '61 seconds'")
    assert len(bench.sweep()) == 2


def test_what_no_hand_is_free_for_is_handed_out_again_and_costs_nothing(bench: DriftBench) -> None:
    command = bench.written()
    bench.let_be_due()
    assert drifted.run_once(bench.whole.services, Noted(busy=True)) == {"writes": 0}
    assert bench.whole.look("SELECT taken FROM drift_budgets")[0]["taken"] == 0
    assert bench.sweep() == [command]


def test_a_look_whose_hint_was_lost_is_handed_out_again(bench: DriftBench) -> None:
    command = bench.written()
    bench.let_be_due()
    assert bench.sweep() == [command]
    assert bench.sweep() == []
    bench.whole.look(
        "UPDATE watched_writes SET next_look_at = next_look_at - %(lease)s, offered_until = offered_until - %(lease)s",
        lease=drift_plan().lease,
    )
    assert bench.sweep() == [command]


def test_an_ehr_that_is_known_to_be_away_is_not_asked(bench: DriftBench) -> None:
    bench.written()
    bench.let_be_due()
    bench.whole.look("UPDATE connections SET not_before = clock_timestamp() + interval '1 minute'")
    assert bench.sweep() == []


def test_what_is_proven_is_looked_at_first_after_a_quarter_of_an_hour_and_never_once_it_is_not(
    bench: DriftBench,
) -> None:
    command = bench.written()
    (row,) = bench.whole.look("SELECT next_look_at - proven_at AS wait, step, high_risk FROM watched_writes")
    assert abs((row["wait"] - drift_plan().steps[0].after).total_seconds()) < 5
    assert (row["step"], row["high_risk"]) == (0, False)
    with transaction(bench.station.ward.engine) as connection:
        assert apply_move(connection, command, move(State.VERIFIED, Trigger.TAKEN_BACK), actor="test")
    assert bench.whole.look("SELECT next_look_at FROM watched_writes") == [{"next_look_at": None}]
    assert SWEEPS["drifted"].every.total_seconds() <= 5


def test_of_what_is_not_of_high_risk_a_part_is_drawn_and_the_rest_waits_for_its_next_step(bench: DriftBench) -> None:
    commands = [bench.written() for _ in range(10)]
    bench.whole.look("UPDATE watched_writes SET next_look_at = clock_timestamp()")
    plan = drift_plan()
    drawn = {command for command in commands if plan.is_sampled(command, 0, high_risk=False)}
    assert set(bench.sweep()) == drawn
    rest = bench.whole.look("SELECT command_id, step FROM watched_writes WHERE offered_until = '-infinity'")
    assert {row["command_id"]: row["step"] for row in rest} == dict.fromkeys(set(commands) - drawn, 1)
