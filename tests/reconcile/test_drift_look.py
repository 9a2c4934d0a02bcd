"""What one look at a settled write shows, at an EHR in which people, systems and accidents change it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from canonical.capabilities import Attribution
from canonical.drift import Settled
from tests.reconcile.drift_bench import ENGINE, RUIZ, DriftBench, drift_bench
from tests.sandbox_fixture import sandbox, sandbox_server
from tests.tasks.ward import heart_rate

__all__ = ["drift_bench", "sandbox", "sandbox_server"]
CASE, SCHEDULED = Settled.CASE, Settled.SCHEDULED


def test_what_stands_is_looked_at_and_nobody_hears_of_it(drift_bench: DriftBench) -> None:
    command = drift_bench.written()
    assert drift_bench.look() == [SCHEDULED]
    assert (drift_bench.state(command)[0], drift_bench.cases(), drift_bench.tally()) == ("verified", [], {"stands": 1})


def test_what_the_vendor_stored_anew_with_the_same_meaning_is_no_drift(drift_bench: DriftBench) -> None:
    command = drift_bench.written()
    drift_bench.edit(command, value="72.5000")
    assert drift_bench.look() == [SCHEDULED]
    assert (drift_bench.state(command)[0], drift_bench.cases(), drift_bench.tally()) == (
        "verified",
        [],
        {"normalised": 1},
    )


@pytest.mark.parametrize("who", [{"by": RUIZ}, {"system": ENGINE}], ids=["a clinician", "an interface engine"])
def test_an_edit_with_a_name_to_it_is_what_counts_from_then_on(drift_bench: DriftBench, who: dict[str, Any]) -> None:
    command = drift_bench.written()
    drift_bench.edit(command, **who)
    assert drift_bench.look() == [SCHEDULED]
    assert drift_bench.state(command) == ("verified", "edited-since")
    assert (drift_bench.cases(), drift_bench.tally()) == ([], {"edited": 1})
    assert drift_bench.look() == [SCHEDULED]
    assert drift_bench.tally() == {"edited": 1, "stands": 1}
    # And what is changed after that is asked of as ever.
    drift_bench.edit(command, value="120")
    assert drift_bench.look() == [CASE]


def test_a_change_with_nobodys_name_comes_to_a_person_and_writes_nothing(drift_bench: DriftBench) -> None:
    command = drift_bench.written()
    before = drift_bench.ehr_writes()
    drift_bench.edit(command)
    assert drift_bench.look() == [CASE]
    assert drift_bench.state(command) == ("in_review", "drift-changed")
    assert drift_bench.cases() == ["drift"]
    assert drift_bench.ehr_writes() == before
    (event,) = drift_bench.whole.look("SELECT detail FROM events WHERE trigger = 'drift_found'")
    assert event["detail"]["fields"] == ["valueQuantity"]
    assert "99" not in str(event["detail"])
    # It is in a person's hands: nobody looks again.
    assert drift_bench.look() == []


def test_a_change_under_the_same_version_is_seen_too(drift_bench: DriftBench) -> None:
    command = drift_bench.written()
    drift_bench.raw("UPDATE versions SET body = replace(body, '72.50', '27.50') WHERE type = 'Observation'")
    assert drift_bench.look() == [CASE]
    assert drift_bench.state(command) == ("in_review", "drift-changed")


def test_a_silent_change_is_not_hidden_by_a_later_edit_with_a_name(drift_bench: DriftBench) -> None:
    command = drift_bench.written()
    drift_bench.edit(command, value="27")
    drift_bench.edit(command, value=None, by=RUIZ)
    assert drift_bench.look() == [CASE]
    assert drift_bench.state(command) == ("in_review", "drift-changed")


def test_a_vendors_own_job_after_an_edit_with_a_name_is_no_drift(drift_bench: DriftBench) -> None:
    command = drift_bench.written()
    drift_bench.edit(command, by=RUIZ)
    drift_bench.edit(command, value=None)
    assert drift_bench.look() == [SCHEDULED]
    assert drift_bench.state(command) == ("verified", "edited-since")


def test_a_deletion_by_a_named_person_is_their_decision(drift_bench: DriftBench) -> None:
    command = drift_bench.written()
    drift_bench.delete(command, by=RUIZ)
    assert drift_bench.look() == [SCHEDULED]
    assert drift_bench.state(command) == ("compensated", "removed-in-ehr")
    assert drift_bench.cases() == []
    assert drift_bench.look() == []


@pytest.mark.parametrize("how", ["deleted", "vanished"])
def test_what_is_gone_with_nobodys_name_comes_to_a_person(drift_bench: DriftBench, how: str) -> None:
    command = drift_bench.written()
    if how == "deleted":
        drift_bench.delete(command)
    else:
        drift_bench.raw("DELETE FROM versions WHERE type = 'Observation'")
    assert drift_bench.look() == [CASE]
    assert drift_bench.state(command) == ("in_review", "drift-disappeared")
    assert drift_bench.cases() == ["drift_disappeared"]


def test_what_vanished_is_not_laid_to_who_edited_it_before(drift_bench: DriftBench) -> None:
    command = drift_bench.written()
    drift_bench.edit(command, by=RUIZ)
    assert drift_bench.look() == [SCHEDULED]
    drift_bench.raw("DELETE FROM versions WHERE type = 'Observation'")
    assert drift_bench.look() == [CASE]
    assert drift_bench.state(command) == ("in_review", "drift-disappeared")


@pytest.mark.parametrize("left", ["moved along", "gone"])
def test_what_a_merge_of_records_took_along_comes_to_a_person(drift_bench: DriftBench, left: str) -> None:
    command = drift_bench.written()
    patient = drift_bench.station.server.get("Patient/p1")
    link = [{"other": {"reference": "Patient/p2"}, "type": "replaced-by"}]
    drift_bench.sandbox.edit({**patient, "active": False, "link": link}, by=RUIZ)
    if left == "gone":
        drift_bench.delete(command)
    else:
        drift_bench.sandbox.edit({**drift_bench.entry(command), "subject": {"reference": "Patient/p2"}}, by=RUIZ)
    assert drift_bench.look() == [CASE]
    assert drift_bench.state(command) == ("in_review", "drift-merged")
    assert drift_bench.cases() == ["drift_merged"]


def test_our_own_later_commands_are_no_drift(drift_bench: DriftBench) -> None:
    command = drift_bench.written()
    entry = drift_bench.entry(command)
    seen = {"code": entry["code"], "valueQuantity": entry["valueQuantity"], "status": entry["status"]}
    amount = {**entry["valueQuantity"], "value": 75}
    correction = heart_rate(operation="correct", valueQuantity=amount, effectiveDateTime=entry["effectiveDateTime"])
    target = {"command": str(command), "seen": seen}
    later = drift_bench.whole.written(correction, key="corrected-later", target=target)
    assert drift_bench.look() == [SCHEDULED, SCHEDULED]
    assert {drift_bench.state(one)[0] for one in (command, later)} == {"verified"}
    assert drift_bench.tally() == {"stands": 2}
    # What is silently changed after both is asked of once, of the command that wrote it last.
    drift_bench.edit(command)
    assert sorted(drift_bench.look(), key=str) == [CASE, SCHEDULED]
    assert drift_bench.state(later) == ("in_review", "drift-changed")
    assert drift_bench.state(command)[0] == "verified"


def test_a_look_that_a_turn_of_ours_overtook_stores_nothing(drift_bench: DriftBench) -> None:
    command = drift_bench.written()
    drift_bench.let_be_due()
    assert drift_bench.sweep() == [command]
    book = drift_bench.whole.services.drift_look.book
    write = book.take(command)
    assert write is not None
    drift_bench.whole.look("UPDATE lanes SET fence = fence + 1")
    assert book.settle(write, []) is Settled.OVERTAKEN
    assert drift_bench.tally() == {}
    assert drift_bench.look() == [SCHEDULED]


def test_while_a_write_of_ours_is_on_its_way_nobody_is_blamed(drift_bench: DriftBench) -> None:
    command = drift_bench.written()
    other = drift_bench.whole.give(key="under-way")
    drift_bench.whole.look("UPDATE commands SET state = 'unknown' WHERE id = %(id)s", id=other)
    drift_bench.edit(command)
    assert drift_bench.look() == [None]
    assert (drift_bench.state(command)[0], drift_bench.tally()) == ("verified", {})


def test_an_ehr_that_does_not_answer_is_asked_later(drift_bench: DriftBench) -> None:
    command = drift_bench.written()
    drift_bench.sandbox.faults(
        {"fault": "error_before_commit", "parameters": {"status": 503}, "match": {"method": "GET"}}
    )
    assert drift_bench.look() == [None]
    drift_bench.sandbox.faults()
    assert drift_bench.look() == [SCHEDULED]
    assert drift_bench.state(command)[0] == "verified"


def test_what_the_ehr_will_not_show_proves_nothing(drift_bench: DriftBench) -> None:
    command = drift_bench.written()
    drift_bench.sandbox.faults(
        {"fault": "error_before_commit", "parameters": {"status": 403}, "match": {"method": "GET"}}
    )
    assert drift_bench.look() == [SCHEDULED]
    assert (drift_bench.state(command)[0], drift_bench.tally(), drift_bench.cases()) == (
        "verified",
        {"unreadable": 1},
        [],
    )


def test_where_the_ehr_names_nobody_a_change_is_counted_and_what_is_gone_is_asked_of(
    drift_bench: DriftBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    nameless = replace(drift_bench.station.ehr.capabilities, attribution=Attribution())
    monkeypatch.setattr(drift_bench.station.ehr, "capabilities", nameless)
    changed, gone = drift_bench.written(), drift_bench.written()
    drift_bench.edit(changed)
    drift_bench.delete(gone)
    assert sorted(drift_bench.look(), key=str) == [CASE, SCHEDULED]
    assert drift_bench.state(changed) == ("verified", "changed-nameless")
    assert drift_bench.state(gone) == ("in_review", "drift-disappeared")
    assert drift_bench.look() == [SCHEDULED]
    assert drift_bench.tally() == {"nameless": 1, "disappeared": 1, "stands": 1}
