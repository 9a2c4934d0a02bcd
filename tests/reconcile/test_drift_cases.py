"""What becomes of drift that a person must hear of: decided at the desk, or one incident of many."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import UUID

import pytest

from canonical.drift import Settled
from canonical.drift_plan import drift_plan
from canonical.review_desk import Decision, ReviewError, Verb
from tests.reconcile.drift_bench import DriftBench, drift_bench
from tests.reconcile.review.bench import ENGINEER, NURSE
from tests.sandbox_fixture import sandbox, sandbox_server

__all__ = ["drift_bench", "sandbox", "sandbox_server"]
CASE, SCHEDULED = Settled.CASE, Settled.SCHEDULED


def decide(drift_bench: DriftBench, command: UUID, verb: Verb) -> str:
    """Decide the open case of a command as the nurse who opens it now; return what is said."""
    desk = drift_bench.whole.desk
    case = drift_bench.whole.services.case_desk.cases.open_case_of("t1", command)
    assert case is not None
    page = desk.open(NURSE, case)
    return desk.decide(NURSE, case, Decision(verb=verb, view=page.view)).sentence


def test_the_chart_is_right_leaves_it_and_does_not_ask_again(drift_bench: DriftBench) -> None:
    command = drift_bench.written()
    drift_bench.edit(command)
    drift_bench.look()
    before = drift_bench.ehr_writes()
    said = decide(drift_bench, command, Verb.ACCEPT)
    assert said == "The chart stays as it is, and counts from here on. Nothing was written."
    assert drift_bench.state(command) == ("verified", "changed-since")
    assert (drift_bench.cases(), drift_bench.ehr_writes()) == ([], before)
    assert drift_bench.look() == [SCHEDULED]
    assert drift_bench.state(command) == ("verified", "changed-since")
    drift_bench.edit(command, value="44")
    assert drift_bench.look() == [CASE]


def test_what_is_let_go_ends_as_taken_back(drift_bench: DriftBench) -> None:
    command = drift_bench.written()
    drift_bench.delete(command)
    drift_bench.look()
    decide(drift_bench, command, Verb.ACCEPT)
    assert drift_bench.state(command) == ("compensated", "removal-accepted")


def test_of_drift_nothing_is_offered_that_would_write_or_lie(drift_bench: DriftBench) -> None:
    command = drift_bench.written()
    drift_bench.edit(command)
    drift_bench.look()
    cases = drift_bench.whole.services.case_desk.cases
    case = cases.open_case_of("t1", command)
    assert case is not None
    page = drift_bench.whole.desk.open(NURSE, case)
    assert [choice.verb for choice in page.choices] == ["accept", "ask_author", "escalate"]
    assert "Nothing is written" in page.choices[0].result
    for verb in (Verb.RESEND, Verb.REJECT, Verb.FOUND):
        with pytest.raises(ReviewError) as refused:
            drift_bench.whole.desk.decide(NURSE, case, Decision(verb=verb, view=page.view, text="so"))
        assert refused.value.code == "not-possible"


def test_a_chart_that_moves_again_before_it_is_accepted_is_not_accepted_unseen(drift_bench: DriftBench) -> None:
    command = drift_bench.written()
    drift_bench.edit(command)
    drift_bench.look()
    case = drift_bench.whole.services.case_desk.cases.open_case_of("t1", command)
    assert case is not None
    page = drift_bench.whole.desk.open(NURSE, case)
    drift_bench.edit(command, value="12")
    with pytest.raises(ReviewError) as refused:
        drift_bench.whole.desk.decide(NURSE, case, Decision(verb=Verb.ACCEPT, view=page.view))
    assert refused.value.code == "stale-view"
    assert drift_bench.state(command)[0] == "in_review"


def test_a_case_whose_entry_says_again_what_was_written_closes_itself(drift_bench: DriftBench) -> None:
    command = drift_bench.written()
    drift_bench.edit(command)
    drift_bench.look()
    case = drift_bench.whole.services.case_desk.cases.open_case_of("t1", command)
    assert case is not None
    drift_bench.edit(command, value="72.50")
    drift_bench.whole.desk.open(NURSE, case)
    assert drift_bench.state(command) == ("verified", "stands-again")
    assert drift_bench.cases() == []


def test_too_much_drift_at_a_connection_is_one_incident_and_its_replays_wait(drift_bench: DriftBench) -> None:
    book = drift_bench.whole.services.drift_look.book
    book._plan = replace(drift_plan(), incident_writes=2)  # type: ignore[attr-defined]
    commands = [drift_bench.written() for _ in range(6)]
    drift_bench.raw("DELETE FROM versions WHERE type = 'Observation'")
    assert drift_bench.look() == [CASE, CASE, *[Settled.INCIDENT] * 4]
    assert drift_bench.cases() == ["drift_disappeared", "drift_disappeared", "drift_incident"]
    assert drift_bench.whole.services.drift_incidents.parked("t1") == {"north"}
    assert drift_bench.state(commands[-1]) == ("verified", "drift-incident")
    assert drift_bench.look() == [Settled.INCIDENT] * 4
    assert drift_bench.cases().count("drift_incident") == 1
    (incident,) = drift_bench.whole.look("SELECT id, pool, severity, holds FROM cases WHERE kind = 'drift_incident'")
    assert (incident["pool"], incident["severity"], incident["holds"]) == ("operations", 1, False)
    desk = drift_bench.whole.desk
    page = desk.open(ENGINEER, incident["id"])
    desk.decide(ENGINEER, incident["id"], Decision(verb=Verb.ACKNOWLEDGE, view=page.view))
    assert drift_bench.whole.services.drift_incidents.parked("t1") == frozenset()
    # What is still gone once the incident is over is asked of as ever.
    assert drift_bench.look()[:2] == [CASE, CASE]


def test_findings_at_once_open_one_incident(drift_bench: DriftBench) -> None:
    book = drift_bench.whole.services.drift_look.book
    book._plan = replace(drift_plan(), incident_writes=1)  # type: ignore[attr-defined]
    for _ in range(6):
        drift_bench.written()
    drift_bench.raw("DELETE FROM versions WHERE type = 'Observation'")
    drift_bench.let_be_due()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(drift_bench.whole.services.drift_look.run, drift_bench.sweep()))
    assert (found.count(CASE), found.count(Settled.INCIDENT)) == (1, 5)
    assert drift_bench.cases().count("drift_incident") == 1
