"""A medicine that is active on the list is not started again unless a pharmacist decided so, about just what the list says."""

from __future__ import annotations

from typing import Any

import pytest

from canonical.review_desk import ReviewError, Verb
from store.intake import Accepted
from tests.factories import RXNORM, concept, medication_change_json
from tests.faults.proxy import Mode
from tests.reconcile.review.bench import NURSE, PHARMACIST, ReviewBench

THERAPY = "possible_duplicate_therapy"


class Listed:
    """One medicine on the chart's list under names of its own, and a start of it; every test has another one."""

    number = iter(range(60_000, 70_000))

    def __init__(self, bench: ReviewBench) -> None:
        self.bench, self.code = bench, str(next(self.number))
        self.name, self.ingredient = (
            f"MedicationStatement/t{self.code}",
            concept(RXNORM, self.code, f"drug {self.code}"),
        )
        self.chart("active")

    def chart(self, status: str, **over: Any) -> None:
        """Let a clinician put it into the chart so."""
        self.bench.station.server.put(
            {
                "resourceType": "MedicationStatement",
                "id": f"t{self.code}",
                "status": status,
                "subject": {"reference": "Patient/p1"},
                "medicationCodeableConcept": {"text": f"drug {self.code} 5 MG Oral Tablet"},
                **over,
            }
        )

    def submit(self, **more: Any) -> Accepted:
        """Submit a start of it in another strength, as its author's app knows it."""
        medication = concept(RXNORM, f"9{self.code}", f"tablet number nine of {self.code}")
        action = medication_change_json(medication=medication, ingredient=[self.ingredient])
        return self.bench.station.ward.submit(action, **more)

    def run(self, accepted: Accepted) -> str:
        self.bench.station.run(accepted.lane_id)
        return str(self.bench.station.ward.state(accepted.command_id))

    def written(self, accepted: Accepted) -> int:
        return len(self.bench.station.marked(accepted.command_id, "MedicationStatement"))


@pytest.fixture
def listed(bench: ReviewBench) -> Listed:
    return Listed(bench)


def held(listed: Listed, **more: Any) -> tuple[Accepted, int]:
    """Return a start that is held, and its case."""
    accepted = listed.submit(**more)
    assert listed.run(accepted) == "in_review"
    assert listed.bench.station.ward.cases(accepted.command_id) == [THERAPY]
    assert listed.bench.station.ward.attempts(accepted.command_id) == []
    assert listed.written(accepted) == 0
    return accepted, listed.bench.case_of(accepted.command_id)


def test_nothing_is_sent_and_the_pharmacist_sees_what_is_there_and_what_may_be_done(listed: Listed) -> None:
    accepted, case = held(listed, key="started-once")
    page = listed.bench.desk.open(PHARMACIST, case)
    assert page.question.endswith("Decide whether both entries are meant.")
    assert "on the medication list already, and active. Nothing was sent." in page.status
    shown = [line for item in page.context for line in item.lines]
    assert f"Same medicine or ingredient: drug {listed.code} 5 MG Oral Tablet" in " ".join(shown)
    assert {"resend", "reject", "ask_author"} <= {choice.verb for choice in page.choices}
    assert listed.bench.station.ward.events(accepted.command_id) == ["received", "accepted", "review_required"]
    again = listed.submit(key="started-once")
    assert (again.command_id, again.replayed, listed.written(accepted)) == (accepted.command_id, True, 0)


def test_a_pharmacist_may_start_it_anyway_and_then_it_is_there_once(listed: Listed) -> None:
    accepted, case = held(listed, key="started-anyway")
    ward, desk = listed.bench.station.ward, listed.bench.desk
    with pytest.raises(ReviewError) as refused:
        listed.bench.decide(NURSE, desk.open(NURSE, case), Verb.RESEND)
    assert refused.value.code == "not-permitted"
    listed.bench.decide(PHARMACIST, desk.open(PHARMACIST, case), Verb.RESEND)
    assert listed.run(accepted) == "verified"
    assert ward.events(accepted.command_id) == [
        *("received", "accepted", "review_required"),
        *("resend_decided", "claimed", "answered_proven"),
    ]
    again = listed.submit(key="started-anyway")
    assert (again.command_id, again.replayed, listed.written(accepted)) == (accepted.command_id, True, 1)
    assert ward.cases(accepted.command_id) == [THERAPY]
    assert ward.is_at_rest()


def test_what_a_pharmacist_refuses_is_never_sent(listed: Listed) -> None:
    accepted, case = held(listed)
    page = listed.bench.desk.open(PHARMACIST, case)
    reject = next(choice for choice in page.choices if choice.verb == "reject")
    listed.bench.decide(PHARMACIST, page, Verb.REJECT, reason=next(iter(dict(reject.reasons)), ""))
    assert (listed.run(accepted), listed.written(accepted)) == ("rejected", 0)


@pytest.mark.parametrize(
    "change", [{"note": [{"text": "taken at night"}]}, {"dosage": [{"text": "2 tablets"}]}], ids=["note", "dose"]
)
def test_a_decision_holds_of_just_what_the_list_said_and_is_asked_for_again_if_that_moved(
    listed: Listed, change: dict[str, Any]
) -> None:
    accepted, case = held(listed)
    listed.bench.decide(PHARMACIST, listed.bench.desk.open(PHARMACIST, case), Verb.RESEND)
    listed.chart("active", **change)
    assert (listed.run(accepted), listed.written(accepted)) == ("in_review", 0)
    again = listed.bench.case_of(accepted.command_id)
    assert again != case
    listed.bench.decide(PHARMACIST, listed.bench.desk.open(PHARMACIST, again), Verb.RESEND)
    assert (listed.run(accepted), listed.written(accepted)) == ("verified", 1)


def test_another_entry_of_the_same_that_came_since_is_asked_about_as_well(listed: Listed) -> None:
    accepted, case = held(listed)
    listed.bench.decide(PHARMACIST, listed.bench.desk.open(PHARMACIST, case), Verb.RESEND)
    order = {
        "resourceType": "MedicationRequest",
        "id": f"t{listed.code}",
        "status": "active",
        "intent": "order",
        "subject": {"reference": "Patient/p1"},
        "medicationCodeableConcept": listed.ingredient,
    }
    listed.bench.station.server.put(order)
    assert (listed.run(accepted), listed.written(accepted)) == ("in_review", 0)
    listed.bench.station.server.put({**order, "status": "cancelled"})


def test_a_list_that_moves_while_it_is_decided_makes_the_decision_void(listed: Listed) -> None:
    accepted, case = held(listed)
    page = listed.bench.desk.open(PHARMACIST, case)
    listed.chart("active", note=[{"text": "taken at night"}])
    with pytest.raises(ReviewError) as stale:
        listed.bench.decide(PHARMACIST, page, Verb.RESEND)
    assert stale.value.code == "stale-view"
    assert (listed.run(accepted), listed.written(accepted)) == ("in_review", 0)


def test_an_entry_that_ended_since_is_no_duplicate_any_more(listed: Listed) -> None:
    accepted, case = held(listed)
    listed.bench.decide(PHARMACIST, listed.bench.desk.open(PHARMACIST, case), Verb.RESEND)
    listed.chart("stopped")
    assert (listed.run(accepted), listed.written(accepted)) == ("verified", 1)


def test_who_approves_beside_the_entry_is_not_asked_twice_unless_it_moved(listed: Listed) -> None:
    asked = {"approval_required": True, "approval_reason": "author-not-licensed"}
    ward, desk = listed.bench.station.ward, listed.bench.desk
    for moved in (False, True):
        accepted = listed.submit(new=asked)
        page = desk.open(PHARMACIST, listed.bench.case_of(accepted.command_id))
        listed.bench.decide(PHARMACIST, page, Verb.APPROVE)
        if moved:
            listed.chart("active", note=[{"text": "taken at night"}])
        assert listed.run(accepted) == ("in_review" if moved else "verified")
        assert ward.cases(accepted.command_id) == ["awaiting_approval", *([THERAPY] if moved else [])]
        assert listed.written(accepted) == (0 if moved else 1)
        # What the first one wrote would be another entry of the same for the second.
        for entry in listed.bench.station.marked(accepted.command_id, "MedicationStatement"):
            listed.bench.station.server.put({**entry, "status": "stopped"})


def test_an_approval_beside_an_empty_list_says_nothing_of_what_came_onto_it(listed: Listed) -> None:
    listed.chart("stopped")
    accepted = listed.submit(new={"approval_required": True, "approval_reason": "author-not-licensed"})
    page = listed.bench.desk.open(PHARMACIST, listed.bench.case_of(accepted.command_id))
    listed.bench.decide(PHARMACIST, page, Verb.APPROVE)
    listed.chart("active")
    assert (listed.run(accepted), listed.written(accepted)) == ("in_review", 0)
    assert listed.bench.station.ward.cases(accepted.command_id) == ["awaiting_approval", THERAPY]


@pytest.mark.parametrize("mode", [Mode.REFUSE, Mode.RESET])
def test_a_list_that_cannot_be_read_now_is_never_taken_for_an_empty_one(listed: Listed, mode: Mode) -> None:
    accepted, ward = listed.submit(), listed.bench.station.ward
    listed.bench.station.proxy.mode = mode
    listed.bench.station.run(accepted.lane_id)
    assert (ward.state(accepted.command_id), ward.attempts(accepted.command_id)) == ("ready", [])
    listed.bench.station.proxy.mode = Mode.PASS
    ward.query("UPDATE connections SET not_before = '-infinity', failures = 0, closed_reason = NULL")
    ward.query("UPDATE commands SET due_at = clock_timestamp() WHERE id = %(id)s", id=accepted.command_id)
    assert (listed.run(accepted), listed.written(accepted)) == ("in_review", 0)
    assert ward.cases(accepted.command_id) == [THERAPY]


def test_after_a_lost_answer_the_list_is_asked_again_and_nobody_may_say_that_nothing_was_written(
    listed: Listed,
) -> None:
    """What is found may be our own request that came late: the case is one of which the chart is looked at first."""
    listed.chart("stopped")
    accepted, ward = listed.submit(), listed.bench.station.ward
    ward.query(
        "UPDATE commands SET attempts = 1, decided_attempts = 1 WHERE id = %(id)s RETURNING id", id=accepted.command_id
    )
    listed.chart("active")
    assert (listed.run(accepted), listed.written(accepted)) == ("in_review", 0)
    assert ward.cases(accepted.command_id) == ["possible_duplicate"]
