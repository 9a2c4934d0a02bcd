"""What comes after an approval: an outage is told and ends with a person, never in silence; and nobody is asked twice."""

from __future__ import annotations

from typing import Any

from canonical.review_desk import Verb
from tests.factories import SNOMED_CT, concept
from tests.faults.proxy import Mode
from tests.list_factories import problem_update_json
from tests.reconcile.review.bench import PRESCRIBER, ReviewBench

_CATEGORY = "http://terminology.hl7.org/CodeSystem/condition-category"
_CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
APPROVAL: dict[str, Any] = {"approval_required": True, "approval_reason": "author-not-licensed"}


def test_what_was_approved_and_cannot_be_sent_is_told_and_comes_back_to_a_person(bench: ReviewBench) -> None:
    ward = bench.station.ward
    accepted = ward.submit(problem_update_json("add", code=concept(SNOMED_CT, "396275006", "arthritis")), new=APPROVAL)
    case = bench.case_of(accepted.command_id)
    bench.decide(PRESCRIBER, bench.desk.open(PRESCRIBER, case), Verb.APPROVE)
    bench.station.proxy.mode = Mode.REFUSE
    bench.station.run(accepted.lane_id)
    assert (ward.state(accepted.command_id), ward.attempts(accepted.command_id)) == ("ready", [])
    told = bench.desk.open(PRESCRIBER, case)
    assert told.closed.startswith("Approved as it stood at ")
    assert "It is not in the chart yet." in told.status
    ward.query("UPDATE commands SET approval_until = clock_timestamp() WHERE id = %(id)s", id=accepted.command_id)
    ward.query("UPDATE connections SET not_before = '-infinity', failures = 0, closed_reason = NULL")
    bench.station.proxy.mode = Mode.PASS
    ward.let_time_pass(accepted.lane_id)
    bench.station.run(accepted.lane_id)
    assert (ward.state(accepted.command_id), ward.attempts(accepted.command_id)) == ("awaiting_approval", [])
    again = bench.case_of(accepted.command_id)
    assert again != case
    page = bench.desk.open(PRESCRIBER, again)
    assert "ran out" in page.status
    assert "ran out" in bench.desk.open(PRESCRIBER, case).status, "who approved it sees that it was not sent"
    bench.decide(PRESCRIBER, page, Verb.APPROVE)
    bench.station.run(accepted.lane_id)
    assert ward.state(accepted.command_id) == "verified"
    assert len(bench.station.marked(accepted.command_id, "Condition")) == 1


def _in_chart(bench: ReviewBench, code: dict[str, Any]) -> None:
    """Put an active problem on the patient's list, as a clinician would."""
    bench.station.server.put(
        {
            "resourceType": "Condition",
            "id": f"there-{code['coding'][0]['code']}",
            "subject": {"reference": "Patient/p1"},
            "category": [{"coding": [{"system": _CATEGORY, "code": "problem-list-item"}]}],
            "clinicalStatus": {"coding": [{"system": _CLINICAL, "code": "active"}]},
            "code": code,
        }
    )


def test_who_approved_beside_an_entry_of_the_same_is_not_asked_about_it_again(bench: ReviewBench) -> None:
    ward, migraine = bench.station.ward, concept(SNOMED_CT, "37796009", "migraine")
    _in_chart(bench, migraine)
    accepted = ward.submit(problem_update_json("add", code=migraine), new=APPROVAL)
    page = bench.desk.open(PRESCRIBER, bench.case_of(accepted.command_id))
    assert any("migraine" in line for item in page.context for line in item.lines), page.context
    bench.decide(PRESCRIBER, page, Verb.APPROVE)
    bench.station.run(accepted.lane_id)
    assert ward.state(accepted.command_id) == "verified"
    assert ward.cases(accepted.command_id) == ["awaiting_approval"], "what the approver was shown is no second case"
    assert len(bench.station.marked(accepted.command_id, "Condition")) == 1


def test_without_an_approval_an_entry_of_the_same_stops_it(bench: ReviewBench) -> None:
    asthma = concept(SNOMED_CT, "195967001", "asthma")
    _in_chart(bench, asthma)
    accepted = bench.station.ward.submit(problem_update_json("add", code=asthma))
    bench.station.run(accepted.lane_id)
    assert bench.station.ward.cases(accepted.command_id) == ["possible_duplicate"]
    assert bench.station.marked(accepted.command_id, "Condition") == []
