"""A patient is merged while a command waits: a person says that it belongs to the record in its place, and there it goes."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from canonical.review_desk import ReviewError, Verb
from store.intake import Accepted
from tests.factories import concept
from tests.reconcile.review.bench import NURSE, PHARMACIST, RXNORM, ReviewBench, dose
from tests.sandbox_fixture import RunningSandbox

#: Two records of one person: the registrar finds out later.
LOPEZ: dict[str, Any] = {"resourceType": "Patient", "birthDate": "1961-04-02", "name": [{"family": "Lopez"}]}
NAMED = {"birthDate": "1961-04-02", "family": "Lopez"}


def registrar(bench: ReviewBench) -> RunningSandbox:
    assert bench.station.server.sandbox is not None
    return bench.station.server.sandbox


@pytest.fixture
def pair(bench: ReviewBench, request: pytest.FixtureRequest) -> tuple[str, str]:
    """Return two records of one person in the chart: the old one, and the one that will be in its place."""
    name = "".join(letter for letter in request.node.name if letter.isalnum())[-40:]
    for which in ("old", "new"):
        bench.station.server.put({**LOPEZ, "id": f"{which}{name}"})
    return f"Patient/old{name}", f"Patient/new{name}"


def submit(bench: ReviewBench, patient: str, **more: Any) -> Accepted:
    return bench.station.ward.submit(patient={"reference": patient, **NAMED}, **more)


def stopped(bench: ReviewBench, pair: tuple[str, str], **more: Any) -> Accepted:
    """Return a command for the old record that was stopped since that was merged."""
    accepted = submit(bench, pair[0], **more)
    registrar(bench).merge(*pair)
    bench.station.run(accepted.lane_id)
    assert bench.station.ward.state(accepted.command_id) == "in_review"
    assert bench.station.ward.cases(accepted.command_id) == ["merged_patient"]
    return accepted


def lane(bench: ReviewBench, command: UUID) -> int:
    found = bench.station.ward.query("SELECT lane_id FROM commands WHERE id = %(id)s", id=command)
    return int(found[0]["lane_id"])


def run(bench: ReviewBench, command: UUID, turns: int = 2) -> None:
    for _ in range(turns):
        bench.station.run(lane(bench, command))


def remap(bench: ReviewBench, accepted: Accepted) -> None:
    page = bench.desk.open(NURSE, bench.case_of(accepted.command_id))
    bench.decide(NURSE, page, Verb.REMAP)


def whose(bench: ReviewBench, command: UUID) -> list[str]:
    return [entry["subject"]["reference"] for entry in bench.station.marked(command)]


def test_nothing_is_sent_for_a_merged_record_and_the_map_says_where_it_leads(
    bench: ReviewBench, pair: tuple[str, str]
) -> None:
    accepted = stopped(bench, pair)
    (line,) = bench.station.ward.query("SELECT told_by, survivor_key IS NOT NULL AS merged FROM patient_merges")
    assert line == {"told_by": "link", "merged": True}
    assert whose(bench, accepted.command_id) == []
    assert bench.station.ward.attempts(accepted.command_id) == []


def test_the_case_shows_the_record_in_its_place_and_preselects_nothing(
    bench: ReviewBench, pair: tuple[str, str]
) -> None:
    page = bench.desk.open(NURSE, bench.case_of(stopped(bench, pair).command_id))
    assert page.successor is not None
    assert "Lopez" in page.successor.name
    verbs = {choice.verb: choice.closed_to for choice in page.choices}
    assert verbs["remap"] == ""
    assert "resend" not in verbs, "for a merged record nothing can be sent"


def test_a_person_re_maps_it_and_it_is_written_for_the_record_in_its_place(
    bench: ReviewBench, pair: tuple[str, str]
) -> None:
    accepted = stopped(bench, pair)
    before = bench.station.ward.query("SELECT key_hash FROM commands WHERE id = %(id)s", id=accepted.command_id)
    remap(bench, accepted)
    run(bench, accepted.command_id)
    ward = bench.station.ward
    assert whose(bench, accepted.command_id) == [pair[1]]
    assert ward.events(accepted.command_id)[-3:] == ["remapped", "claimed", "answered_proven"]
    assert ward.query("SELECT key_hash FROM commands WHERE id = %(id)s", id=accepted.command_id) == before
    assert ward.state(accepted.command_id) == "verified"


def test_the_same_key_still_finds_the_command_that_was_re_mapped(bench: ReviewBench, pair: tuple[str, str]) -> None:
    accepted = stopped(bench, pair, key="one-intent-1")
    remap(bench, accepted)
    again = submit(bench, pair[0], key="one-intent-1")
    assert (again.command_id, again.replayed) == (accepted.command_id, True)


def test_what_was_decided_keeps_the_envelope_as_it_came_beside_it(bench: ReviewBench, pair: tuple[str, str]) -> None:
    accepted = stopped(bench, pair)
    remap(bench, accepted)
    command = bench.desk.cases.command(accepted.command_id)
    assert (command.named_patient, command.envelope.patient.reference) == pair
    assert command.patients == set(pair)
    (row,) = bench.station.ward.query(
        "SELECT envelope_digest <> decided_digest AS differs FROM commands WHERE id = %(id)s", id=accepted.command_id
    )
    assert row["differs"]


def test_a_machine_re_maps_nothing_however_often_it_looks(bench: ReviewBench, pair: tuple[str, str]) -> None:
    accepted = stopped(bench, pair)
    run(bench, accepted.command_id, turns=4)
    assert bench.station.ward.state(accepted.command_id) == "in_review"
    assert "remapped" not in bench.station.ward.events(accepted.command_id)
    assert whose(bench, accepted.command_id) == []


def test_an_approval_for_the_old_record_is_void(bench: ReviewBench, pair: tuple[str, str]) -> None:
    accepted = submit(bench, pair[0], new={"approval_required": True, "approval_reason": "policy"})
    page = bench.desk.open(NURSE, bench.case_of(accepted.command_id))
    bench.decide(NURSE, page, Verb.APPROVE)
    registrar(bench).merge(*pair)
    run(bench, accepted.command_id, turns=1)
    assert bench.station.ward.cases(accepted.command_id)[-1] == "merged_patient"
    remap(bench, accepted)
    run(bench, accepted.command_id)
    assert bench.station.ward.state(accepted.command_id) == "awaiting_approval"
    assert whose(bench, accepted.command_id) == []
    page = bench.desk.open(NURSE, bench.case_of(accepted.command_id))
    assert page.banner is not None
    bench.decide(NURSE, page, Verb.APPROVE)
    run(bench, accepted.command_id)
    assert whose(bench, accepted.command_id) == [pair[1]]


def test_consent_that_ended_before_it_was_re_mapped_lets_nothing_out(bench: ReviewBench, pair: tuple[str, str]) -> None:
    accepted = stopped(bench, pair)
    remap(bench, accepted)
    bench.station.ward.query("UPDATE consents SET version = version + 1, active = false")
    run(bench, accepted.command_id)
    assert bench.station.ward.state(accepted.command_id) == "rejected"
    assert whose(bench, accepted.command_id) == []


def test_a_record_of_somebody_else_in_its_place_is_shown_and_not_written_to(
    bench: ReviewBench, pair: tuple[str, str]
) -> None:
    bench.station.server.put({**LOPEZ, "id": pair[1].removeprefix("Patient/"), "birthDate": "1974-01-30"})
    page = bench.desk.open(NURSE, bench.case_of(stopped(bench, pair).command_id))
    (choice,) = (choice for choice in page.choices if choice.verb == "remap")
    assert "birthDate" in choice.closed_to
    with pytest.raises(ReviewError) as caught:
        bench.decide(NURSE, page, Verb.REMAP)
    assert caught.value.code == "not-permitted"


def test_records_merged_in_a_circle_are_told_and_not_followed(bench: ReviewBench, pair: tuple[str, str]) -> None:
    registrar(bench).merge(pair[1], pair[0])
    page = bench.desk.open(NURSE, bench.case_of(stopped(bench, pair).command_id))
    (choice,) = (choice for choice in page.choices if choice.verb == "remap")
    assert "put right there first" in choice.closed_to
    assert page.successor is None
    assert bench.station.ward.query("SELECT 1 FROM patient_merges") == []


def test_a_decision_on_another_record_than_was_shown_is_refused(bench: ReviewBench, pair: tuple[str, str]) -> None:
    accepted = stopped(bench, pair)
    page = bench.desk.open(NURSE, bench.case_of(accepted.command_id))
    third = f"{pair[1]}3"
    bench.station.server.put({**LOPEZ, "id": third.removeprefix("Patient/")})
    registrar(bench).merge(pair[1], third)
    with pytest.raises(ReviewError) as caught:
        bench.decide(NURSE, page, Verb.REMAP)
    assert caught.value.code == "stale-view"
    remap(bench, accepted)
    run(bench, accepted.command_id)
    assert whose(bench, accepted.command_id) == [third]


def test_a_record_parted_between_decision_and_sending_is_not_written_to(
    bench: ReviewBench, pair: tuple[str, str]
) -> None:
    accepted = stopped(bench, pair)
    remap(bench, accepted)
    registrar(bench).merge(pair[0], None)
    run(bench, accepted.command_id)
    assert bench.station.ward.state(accepted.command_id) == "in_review"
    assert whose(bench, accepted.command_id) == []


def test_only_whoever_may_decide_the_content_re_maps(bench: ReviewBench, pair: tuple[str, str]) -> None:
    accepted = stopped(bench, pair)
    page = bench.desk.open(PHARMACIST, bench.case_of(accepted.command_id))
    with pytest.raises(ReviewError) as caught:
        bench.decide(PHARMACIST, page, Verb.REMAP)
    assert caught.value.code == "not-permitted"


def test_an_entry_that_stayed_with_the_merged_record_may_be_changed_for_the_one_in_its_place(
    bench: ReviewBench, pair: tuple[str, str]
) -> None:
    name = f"m{pair[0][-30:]}"
    bench.station.server.put(
        {
            "resourceType": "MedicationStatement",
            "id": name,
            "status": "active",
            "subject": {"reference": pair[0]},
            "medicationCodeableConcept": concept(RXNORM, "29046", "lisinopril"),
            "dosage": [dose("10")],
        }
    )
    accepted = bench.change_dose(bench.chart(name), "20", patient={"reference": pair[0], **NAMED})
    registrar(bench).merge(*pair, moves_entries=False)
    bench.station.run(accepted.lane_id)
    page = bench.desk.open(PHARMACIST, bench.case_of(accepted.command_id))
    bench.decide(PHARMACIST, page, Verb.REMAP)
    run(bench, accepted.command_id)
    stored = bench.chart(name)
    assert stored["dosage"][0]["doseAndRate"][0]["doseQuantity"]["value"] == 20
    assert bench.station.ward.state(accepted.command_id) in {"applied", "verified"}


def test_cases_of_one_merge_are_one_line_and_those_of_another_are_not(
    bench: ReviewBench, pair: tuple[str, str]
) -> None:
    first, second = submit(bench, pair[0]), submit(bench, pair[0])
    registrar(bench).merge(*pair)
    run(bench, first.command_id)
    found = bench.station.ward.query("SELECT cause, command_id FROM cases WHERE kind = 'merged_patient'")
    assert {row["command_id"] for row in found} == {first.command_id, second.command_id}
    (cause,) = {row["cause"] for row in found}
    assert cause.startswith("merge=")
    assert pair[0].removeprefix("Patient/") not in cause


def test_what_was_decided_of_the_old_chart_skips_no_check_of_the_other(
    bench: ReviewBench, pair: tuple[str, str]
) -> None:
    accepted = stopped(bench, pair)
    registrar(bench).merge(pair[0], None)
    page = bench.desk.open(NURSE, bench.case_of(accepted.command_id))
    bench.decide(NURSE, page, Verb.RESEND)
    assert bench.desk.cases.command(accepted.command_id).resend_decided
    registrar(bench).merge(*pair)
    run(bench, accepted.command_id, turns=1)
    remap(bench, accepted)
    assert not bench.desk.cases.command(accepted.command_id).resend_decided
