"""How each part stands and how it could be undone, as the chart, the EHR and our record say together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from canonical.capabilities import Support, Way
from canonical.review_desk import Verb
from canonical.reviewer import Licence
from tests.compound_factories import listed_change_json, medication_reconciliation_json
from tests.factories import ABSENT, medication_change_json
from tests.faults.proxy import Mode
from tests.list_factories import allergy_update_json
from tests.reconcile.review.bench import PHARMACIST, person
from tests.reconcile.review.part_bench import (
    BOTH,
    PartBench,
    attested,
    closes,
    events,
    listed,
    open_cases,
    readings,
    statements,
    told,
)
from tests.reconcile.review.whole_desk import WholeDesk, open_whole_desk


@pytest.fixture
def bench(whole: WholeDesk) -> PartBench:
    return PartBench(whole)


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


def test_what_was_removed_in_the_ehr_itself_is_found_out_and_nothing_is_sent(bench: PartBench) -> None:
    root = bench.stopped(readings())
    references = [row["reference"] for row in bench.whole.look(
        "SELECT reference FROM operations WHERE command_id = %(r)s AND reference IS NOT NULL ORDER BY seq", r=root
    )]  # fmt: skip
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


def test_what_the_ehrs_staff_have_may_still_come_whatever_the_chart_shows(bench: PartBench) -> None:
    root = bench.stopped(readings())
    bench.whole.look("UPDATE commands SET state_reason = 'accepted-for-review' WHERE id = %(r)s", r=root)
    assert told(bench.page(root).parts)[2] == (3, "maybeThere")
