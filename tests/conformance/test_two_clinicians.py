"""Two clinicians at one patient's lists: edits of one entry come to a person, edits of two entries do not, at every EHR.

One of them writes through us, the other in the EHR itself (or through us as well). Who takes part follows from what the adapters
declare; the first test says who that is.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest

from adapters import adapters
from canonical.capabilities import PreconditionKind
from canonical.case_views import CasePage
from canonical.outcome import ProbeVerdict
from canonical.ports import Operation, Resource, Trace
from canonical.review_context import NOTHING
from canonical.review_desk import Pick, Verb
from canonical.ruling import Ruling
from canonical.three_way import FieldState
from reconcile.review.engine import Looked
from store.intake import Accepted
from tests.conformance import examples
from tests.conformance.connection import connection_of
from tests.conformance.desk import Desk, Desks
from tests.conformance.reviewing import OTHER_CLINICIAN, OTHER_SYSTEM, SECOND, Reviewing, change, edit, entry, reviewing
from tests.conformance.taking_part import BESIDE, CHANGES, KEYS, MEDICATIONS, PROBLEMS, changing, taken_by
from tests.factories import ABSENT, SNOMED_CT, Json, concept

MILD, MODERATE, SEVERE = (
    concept(SNOMED_CT, code, word)
    for code, word in (("255604002", "mild"), ("6736007", "moderate"), ("24484000", "severe"))
)
INACTIVE = {
    "coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "inactive"}],
}
MOVED = ["received", "accepted", "target_moved"]
SENT = ["rebased", "claimed", "answered_applied", "proven"]


def test_these_ehrs_take_part() -> None:
    # Both sides of the first are edited at times: the figures hold the set against shrinking with them.
    assert {key: taken_by(key) for key in KEYS} == {key: connection_of(key).lists for key in KEYS}
    assert (len(PROBLEMS), len(CHANGES), len(BESIDE), len(MEDICATIONS)) == (2, 10, 5, 3)


def _problem(desk: Desk) -> tuple[str, Accepted]:
    """Let a mild problem come to be on a new patient's list; return the patient, and the command that made it."""
    patient = desk.admit()
    made = desk.submit(patient, examples.example("ProblemUpdate", "add", desk.connection, {"severity": MILD}))
    assert desk.drive(made) == "verified", desk.told(made.command_id)
    return patient, made


def _update(desk: Desk, patient: str, of: Accepted, **says: Any) -> Accepted:
    """Submit a change of the problem by somebody who has it on the screen as it is now."""
    return change(desk, patient, of, examples.example("ProblemUpdate", "update", desk.connection, says))


def _collided(desk: Desk) -> tuple[Reviewing, Accepted, str]:
    """Let one clinician make a problem moderate through us, and another one severe in the EHR; return the conflict."""
    patient, made = _problem(desk)
    reference = desk.reference(made.command_id)
    command = _update(desk, patient, made, severity=MODERATE)
    edit(desk, reference, severity=SEVERE)
    assert desk.drive(command) == "conflicted", desk.told(command.command_id)
    return reviewing(desk), command, reference


def _severity(stored: Resource) -> Any:
    return stored["severity"]["coding"][0]["code"]


def _code(concept_: Json) -> Any:
    return concept_["coding"][0]["code"]


def _picks(page: CasePage, pick: Pick) -> dict[str, Pick]:
    return {field.name: pick for field in page.fields if not field.fixed}


@pytest.mark.parametrize("key", PROBLEMS)
def test_two_edits_of_one_problem_are_shown_in_three_columns_and_nothing_is_overwritten(desks: Desks, key: str) -> None:
    desk = desks.at(adapters()[key])
    since = desk.last_request()
    reviews, command, reference = _collided(desk)
    before = desk.stored(reference)
    page = reviews.page(command.command_id)
    (row,) = page.fields
    assert (row.name, row.state, row.changed_by) == ("severity", FieldState.OVERLAPPING, "both")
    assert (row.seen, row.chart, row.proposed) == ("mild", "severe", "moderate")
    assert "update — Type 2 diabetes." in page.question
    assert reviews.verdict(command.command_id).ruling is Ruling.REVIEW
    assert reviews.let_machine_look(command.command_id) is Looked.LEFT
    told = reviews.page(command.command_id).row.headline
    assert told == "Type 2 diabetes, severity: mild → moderate; the chart says severe"
    assert desk.stored(reference) == before
    assert len(desk.writes(since)) == 1, "only the problem itself was ever written"
    assert desk.ward.events(command.command_id) == MOVED
    assert desk.ward.cases(command.command_id) == ["conflict"]


@pytest.mark.parametrize("key", PROBLEMS)
def test_the_other_clinician_is_named_where_the_ehr_shows_authors(desks: Desks, key: str) -> None:
    desk = desks.at(adapters()[key])
    reviews, command, _ = _collided(desk)
    told = reviews.page(command.command_id).chart_change
    known = desk.capabilities.attribution
    assert told is not None
    assert (told.who, told.role) == (
        (OTHER_CLINICIAN["name"], OTHER_CLINICIAN["role"]) if known.names_authors else (None, None)
    )
    assert told.system == (OTHER_SYSTEM if known.meta_source else None)
    assert known.names_authors or "not known by whom" in told.sentence
    assert "more change" not in told.sentence, "what the author saw already is no change"


@pytest.mark.parametrize("key", PROBLEMS)
def test_the_chart_that_is_kept_stays_as_the_other_clinician_left_it(desks: Desks, key: str) -> None:
    desk = desks.at(adapters()[key])
    reviews, command, reference = _collided(desk)
    before, since = desk.stored(reference), desk.last_request()
    page = reviews.page(command.command_id)
    reviews.decide(page, Verb.RESOLVE, _picks(page, Pick.CHART))
    desk.take_turn(command)
    ward = desk.ward
    assert (ward.state(command.command_id), ward.reason(command.command_id)) == ("rejected", "chart-kept")
    assert ward.events(command.command_id) == [*MOVED, "refused_by_person"]
    assert ward.attempts(command.command_id) == []
    assert desk.stored(reference) == before
    assert desk.writes(since) == []
    assert desk.again(command.command_id).command_id == command.command_id


@pytest.mark.parametrize("key", PROBLEMS)
def test_the_proposal_that_is_kept_is_written_once_on_the_version_that_was_seen(desks: Desks, key: str) -> None:
    desk = desks.at(adapters()[key])
    reviews, command, reference = _collided(desk)
    seen, since = desk.ehr.version_of(desk.stored(reference)), desk.last_request()
    page = reviews.page(command.command_id)
    reviews.decide(page, Verb.RESOLVE, _picks(page, Pick.PROPOSAL))
    assert desk.drive(command) == "verified", desk.told(command.command_id)
    assert desk.ward.events(command.command_id) == [*MOVED, *SENT]
    assert desk.ward.attempts(command.command_id) == [("send", "applied")]
    (row,) = desk.ward.query("SELECT if_match FROM operations WHERE command_id = %(id)s", id=command.command_id)
    assert row["if_match"] == seen
    assert _severity(desk.stored(reference)) == _code(MODERATE)
    assert len(desk.writes(since)) == 1
    again = desk.again(command.command_id)
    assert (again.replayed, len(desk.writes(since))) == (True, 1)


class _EditedAtTheLastMoment:
    """An EHR in which a clinician edits after we looked and before our write arrives."""

    def __init__(self, ehr: Any, edits: Callable[[], Any]) -> None:
        self._ehr, self._edits = ehr, edits

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ehr, name)

    def send(self, operation: Operation, trace: Trace) -> Any:
        self._edits()
        return self._ehr.send(operation, trace)


@pytest.mark.parametrize("key", PROBLEMS)
def test_an_edit_between_look_and_write_is_a_version_conflict_and_no_silent_success(desks: Desks, key: str) -> None:
    desk = desks.at(adapters()[key])
    needs = desk.capabilities.support("ProblemUpdate", "update").needs
    assert {desk.capabilities.writes[need].precondition for need in needs} == {PreconditionKind.IF_MATCH}
    patient, made = _problem(desk)
    reference = desk.reference(made.command_id)
    command, real = _update(desk, patient, made, severity=MODERATE), desk.ehr
    desk.ehr = _EditedAtTheLastMoment(real, lambda: edit(desk, reference, severity=SEVERE))  # type: ignore[assignment]
    try:
        assert desk.drive(command) == "conflicted", desk.told(command.command_id)
    finally:
        desk.ehr = real
    assert _severity(desk.stored(reference)) == _code(SEVERE)
    assert desk.ward.events(command.command_id) == ["received", "accepted", "claimed", "answered_conflict"]
    reviews = reviewing(desk)
    page = reviews.page(command.command_id)
    (row,) = page.fields
    assert (row.seen, row.chart, row.proposed) == ("mild", "severe", "moderate")
    reviews.decide(page, Verb.RESOLVE, _picks(page, Pick.PROPOSAL))
    assert desk.drive(command) == "verified", desk.told(command.command_id)
    assert [outcome for _, outcome in desk.ward.attempts(command.command_id)] == ["conflict", "applied"]
    assert _severity(desk.stored(reference)) == _code(MODERATE)


@pytest.mark.parametrize("key", PROBLEMS)
def test_a_note_beside_another_ones_edit_is_added_by_the_machine_and_the_chart_has_both(desks: Desks, key: str) -> None:
    desk = desks.at(adapters()[key])
    patient, made = _problem(desk)
    reference = desk.reference(made.command_id)
    command = _update(desk, patient, made, severity=ABSENT, note=[{"text": "Seen in the clinic today."}])
    edit(desk, reference, severity=SEVERE)
    assert desk.drive(command) == "conflicted", desk.told(command.command_id)
    reviews = reviewing(desk)
    verdict = reviews.verdict(command.command_id)
    assert (verdict.ruling, verdict.significance, verdict.groups) == (Ruling.APPEND, "low", ("note",))
    assert reviews.let_machine_look(command.command_id) is Looked.MERGED
    assert desk.drive(command) == "verified", desk.told(command.command_id)
    assert desk.ward.events(command.command_id) == [*MOVED, *SENT]
    stored = desk.stored(reference)
    assert (_severity(stored), [note["text"] for note in stored["note"]]) == (
        _code(SEVERE),
        ["Seen in the clinic today."],
    )


@pytest.mark.parametrize("key", PROBLEMS)
def test_what_matters_is_never_merged_by_a_machine_though_the_edits_do_not_meet(desks: Desks, key: str) -> None:
    desk = desks.at(adapters()[key])
    patient, made = _problem(desk)
    reference = desk.reference(made.command_id)
    command = _update(desk, patient, made, severity=MODERATE)
    edit(desk, reference, clinicalStatus=INACTIVE)
    assert desk.drive(command) == "conflicted", desk.told(command.command_id)
    reviews = reviewing(desk)
    verdict = reviews.verdict(command.command_id)
    assert (verdict.ruling, verdict.significance) == (Ruling.REVIEW, "high")
    assert "not-merged-by-machine" in verdict.reasons
    assert "overlapping" not in verdict.reasons
    assert reviews.let_machine_look(command.command_id) is Looked.LEFT
    page = reviews.page(command.command_id)
    reviews.decide(page, Verb.RESOLVE, _picks(page, Pick.PROPOSAL))
    assert desk.drive(command) == "verified", desk.told(command.command_id)
    stored = desk.ehr.project(desk.stored(reference))
    assert (_code(stored["severity"]), stored["clinicalStatus"]) == (_code(MODERATE), "inactive")


def _otherwise(stored: Resource) -> Json:
    """Return what the other clinician makes of an entry: something that its author had on the screen."""
    kind = stored["resourceType"]
    if kind == "Condition":
        return {"severity": SEVERE}
    if kind == "AllergyIntolerance":
        return {"criticality": "unable-to-assess"}
    name = "dosage" if kind == "MedicationStatement" else "dosageInstruction"
    return {name: [{**stored[name][0], "text": "Take 2 tablets by mouth at noon"}]}


def _contested(desk: Desk, action: str, operation: str) -> tuple[Reviewing, Accepted, str]:
    """Let somebody change through us what another clinician changes in the EHR; return the conflict."""
    patient = desk.admit()
    made = desk.made(patient, action, operation)
    reference = desk.reference(made.command_id)
    command = change(desk, patient, made, examples.example(action, operation, desk.connection))
    edit(desk, reference, **_otherwise(entry(desk, reference)))
    assert desk.drive(command) == "conflicted", desk.told(command.command_id)
    return reviewing(desk), command, reference


@pytest.mark.parametrize(("key", "action", "operation"), CHANGES, ids=[".".join(item) for item in CHANGES])
def test_a_contested_entry_shows_only_what_is_contested_and_can_be_left_as_it_is(
    desks: Desks, key: str, action: str, operation: str
) -> None:
    desk = desks.at(adapters()[key])
    reviews, command, reference = _contested(desk, action, operation)
    before, since = desk.stored(reference), desk.last_request()
    page = reviews.page(command.command_id)
    assert {row.name for row in page.fields}.isdisjoint({"subject", "encounter"}), "nobody changes whose it is"
    # What was an error has no clinical status any more (R4, con-5 and ait-2).
    gone = {row.name for row in page.fields if row.proposed == "nothing"}
    assert gone <= {"clinicalStatus"}, "what a write leaves alone is not taken away by it"
    picks = _picks(page, Pick.CHART)
    if picks:
        reviews.decide(page, Verb.RESOLVE, picks)
    else:
        reviews.decide(page, Verb.REJECT, reason="chart_newer")
    desk.take_turn(command)
    assert desk.ward.state(command.command_id) == "rejected", desk.told(command.command_id)
    assert desk.ward.events(command.command_id) == [*MOVED, "refused_by_person"]
    assert desk.stored(reference) == before
    assert desk.writes(since) == []


@pytest.mark.parametrize(("key", "action", "operation"), CHANGES, ids=[".".join(item) for item in CHANGES])
def test_a_contested_entry_that_is_changed_all_the_same_is_changed_once_and_proven(
    desks: Desks, key: str, action: str, operation: str
) -> None:
    desk = desks.at(adapters()[key])
    reviews, command, _ = _contested(desk, action, operation)
    since = desk.last_request()
    page = reviews.page(command.command_id)
    resolve = next(choice for choice in page.choices if choice.verb == Verb.RESOLVE)
    picks = _picks(page, Pick.PROPOSAL)
    assert resolve.fields == bool(picks), (
        "it is decided field by field where there is a field to choose, and only there"
    )
    assert (resolve.label == "Send it all the same") == (not picks)
    if reviews.decide(page, Verb.RESOLVE, picks).awaits_second:
        assert desk.writes(since) == []
        reviews.decide(reviews.page(command.command_id, SECOND), Verb.SIGN, reviewer=SECOND)
    assert desk.drive(command) == "verified", desk.told(command.command_id)
    operations = desk.operations(command.command_id)
    events = [name for name in desk.ward.events(command.command_id) if name != "continued"]
    assert events == [*MOVED, *SENT]
    assert len(desk.writes(since)) == len(operations)
    for written in operations:
        stored = desk.stored(written.reference or desk.reference(command.command_id))
        assert desk.ehr.differences(written, stored) == ()


def _edits(desk: Desk, patient: str) -> list[Accepted]:
    """Submit an allergy edit and a medication edit at once: of entries that are there, where the EHR takes that."""
    taken = [(action, changing(desk.adapter.key, action)) for action in ("AllergyUpdate", "MedicationChange")]
    targets = {action: desk.made(patient, action, name) for action, name in taken if name is not None}
    return [_edit(desk, patient, targets.get(action), action, name) for action, name in taken]


def _edit(desk: Desk, patient: str, target: Accepted | None, action: str, operation: str | None) -> Accepted:
    said = examples.example(action, operation or examples.creating(action), desk.connection)
    return desk.submit(patient, said) if target is None else change(desk, patient, target, said)


@pytest.mark.parametrize("key", BESIDE)
def test_an_allergy_edit_beside_a_medication_edit_is_no_conflict_and_both_are_written(desks: Desks, key: str) -> None:
    desk = desks.at(adapters()[key])
    patient = desk.admit()
    edits = _edits(desk, patient)
    assert len({accepted.lane_id for accepted in edits}) == 1, "what is written about one patient goes one by one"
    since = desk.last_request()
    states = [desk.drive(accepted) for accepted in edits]
    assert set(states) <= {"verified", "pending_remote"}, [desk.told(item.command_id) for item in edits]
    assert all(desk.ward.cases(accepted.command_id) == [] for accepted in edits)
    operations = [item for accepted in edits for item in desk.operations(accepted.command_id)]
    assert len(desk.writes(since)) == len(operations)
    assert _sent_in_turn([accepted.command_id for accepted in edits], desk)
    desk.accept(patient)
    for operation in operations:
        found = desk.probe(operation)
        assert found.verdict is ProbeVerdict.APPLIED
        assert desk.ehr.differences(operation, desk.stored(str(found.reference))) == ()


def _sent_in_turn(commands: list[UUID], desk: Desk) -> bool:
    """Whether the commands were sent in the order in which they were accepted, none before the one before it was answered."""
    sql = "SELECT command_id, claimed_at, settled_at FROM attempts WHERE command_id = ANY(%(ids)s) ORDER BY id"
    sent = desk.ward.query(sql, ids=commands)
    order = list(dict.fromkeys(row["command_id"] for row in sent))
    answered = all(one["settled_at"] <= next_["claimed_at"] for one, next_ in pairwise(sent))
    return order == commands and answered


@pytest.mark.parametrize("key", MEDICATIONS)
def test_who_decides_a_medication_conflict_sees_the_allergy_that_was_added_meanwhile(desks: Desks, key: str) -> None:
    desk = desks.at(adapters()[key])
    operation = changing(key, "MedicationChange")
    assert operation is not None
    reviews, command, reference = _contested(desk, "MedicationChange", operation)
    before = reviews.page(command.command_id)
    assert _allergies(before) == (NOTHING,)
    patient = _patient_of(entry(desk, reference))
    allergy = desk.submit(patient, examples.example("AllergyUpdate", "record", desk.connection))
    assert desk.drive(allergy) == "verified", "a warning is not held up by another entry's conflict"
    page = reviews.page(command.command_id)
    assert any("icillin" in line for line in _allergies(page)), page.context
    assert page.news == "", "another entry's change is no new round of this one"
    assert page.banner is not None
    assert before.banner is not None
    assert page.banner.allergies != before.banner.allergies
    assert desk.ward.state(command.command_id) == "conflicted"


def _patient_of(stored: Resource) -> str:
    return str(stored["subject"]["reference"]).removeprefix("Patient/")


def _allergies(page: CasePage) -> tuple[str, ...]:
    (found,) = [item for item in page.context if item.title == "Active allergies"]
    return found.lines
