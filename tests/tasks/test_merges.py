"""A patient is merged while a write is under way: refused, lost, half done. Nothing is doubled, and nothing is re-mapped here."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from canonical import exact_json
from canonical.errors import NeedsPersonError
from canonical.outcome import Outcome, ProbeResult, ProbeVerdict, Settlement
from canonical.patient_trail import MergeStep, PatientTrail, ToldBy, TrailEnd
from canonical.ports import Operation, Trace
from store.database import open_session
from store.intake import Accepted
from store.patient_map import learn
from tests.tasks.chart import Chart
from tests.tasks.ward import PATIENT, Ward

OLD, NEW = "Patient/p0", "Patient/p1"
MERGED = PatientTrail(start=OLD, steps=(MergeStep(patient=OLD, into=NEW, told_by=ToldBy.LINK),), end=TrailEnd.IN_USE)


class ByContent(Chart):
    """A chart that keeps no mark of ours: a write is looked for under the patient whom it names."""

    looked_under: list[str]

    def _operation(self, command: Any, interaction: Any, body: Any, **more: Any) -> Operation:
        named = {**body, "subject": {"reference": body["subject"]}}
        return replace(super()._operation(command, interaction, named, **more), if_none_exist=None)

    def probe(self, operation: Operation, trace: Trace) -> ProbeResult:
        patient = exact_json.parse(operation.body)["subject"]["reference"]
        self.looked_under = [*getattr(self, "looked_under", []), patient]
        found = [
            name
            for name, (_, body) in self.resources.items()
            if body.get("subject") == {"reference": patient} and body.get("mark") == operation.mark
        ]
        if not found:
            return ProbeResult(verdict=ProbeVerdict.NOT_APPLIED)
        return ProbeResult(verdict=ProbeVerdict.APPLIED, reference=found[0], version="1")


@pytest.fixture
def ward(ward: Ward) -> Ward:
    """The ward with two records of one person, on a chart that is asked by content."""
    ward.chart = ByContent(timings=ward.chart.timings, conditional_create=False)
    for record in (OLD, NEW):
        ward.chart.admit({**PATIENT, "id": record.removeprefix("Patient/")})
    return ward


def submit(ward: Ward, **more: Any) -> Accepted:
    return ward.submit(patient={"reference": OLD, "birthDate": "1961-04-02", "family": "Lopez"}, **more)


def merge(ward: Ward, *, moves_entries: bool = True) -> None:
    """Merge the old record into the new one, as registrars do."""
    link = {"type": "replaced-by", "other": {"reference": NEW}}
    ward.chart.edit(OLD, active=False, link=[link])
    ward.chart.trails[OLD] = MERGED
    for name in [name for name in ward.chart.resources if name.startswith("Observation/")] if moves_entries else ():
        ward.chart.edit(name, subject={"reference": NEW})


def probed(ward: Ward, accepted: Accepted) -> None:
    """Let the quarantine end, and take a turn wherever the command stands."""
    (row,) = ward.query("SELECT lane_id FROM commands WHERE id = %(id)s", id=accepted.command_id)
    ward.let_time_pass(row["lane_id"])
    ward.run(row["lane_id"])


def test_a_lost_write_that_went_with_a_merge_is_found_under_the_record_in_its_place(ward: Ward) -> None:
    ward.chart.lose_answers = 1
    accepted = submit(ward)
    ward.run(accepted.lane_id)
    merge(ward)
    probed(ward, accepted)
    assert ward.chart.looked_under == [OLD, NEW]  # type: ignore[attr-defined]
    assert ward.state(accepted.command_id) == "applied"
    assert len(ward.chart.sent) == 1
    assert ward.attempts(accepted.command_id) == [("send", "unknown"), ("probe", "probe_applied")]


def test_a_lost_write_that_is_under_neither_is_sent_to_neither_before_a_person_decided(ward: Ward) -> None:
    ward.chart.on_send = lambda _operation: Settlement(outcome=Outcome.UNKNOWN, detail="lost on the way")
    accepted = submit(ward)
    ward.run(accepted.lane_id)
    merge(ward)
    ward.chart.on_send = lambda _operation: None
    probed(ward, accepted)
    probed(ward, accepted)
    assert ward.chart.looked_under == [OLD, NEW]  # type: ignore[attr-defined]
    assert ward.events(accepted.command_id)[-2:] == ["probe_not_applied", "review_required"]
    assert ward.cases(accepted.command_id) == ["merged_patient"]
    assert ward.chart.sent == []


@pytest.mark.parametrize("end", [TrailEnd.NAMELESS, TrailEnd.CIRCLE, TrailEnd.CLOSED, TrailEnd.TOO_LONG])
def test_where_nobody_knows_the_record_in_its_place_nobody_says_that_it_is_not_there(ward: Ward, end: TrailEnd) -> None:
    ward.chart.lose_answers = 1
    accepted = submit(ward)
    ward.run(accepted.lane_id)
    merge(ward)
    ward.chart.trails[OLD] = replace(MERGED, end=end)
    probed(ward, accepted)
    assert ward.events(accepted.command_id)[-1] == "probe_cannot_tell"
    assert ward.state(accepted.command_id) == "in_review"
    assert len(ward.chart.sent) == 1


def test_a_write_that_the_ehr_refuses_for_a_merge_makes_the_merge_known_and_its_case_one_of_it(ward: Ward) -> None:
    accepted, second = submit(ward), submit(ward)
    ward.chart.trails[OLD] = MERGED
    ward.chart.on_send = lambda _operation: Settlement(outcome=Outcome.MERGED, status=404, vendor_code="4107")
    turn = ward.turn()
    ward.run(accepted.lane_id, turn)
    assert ward.cases(accepted.command_id) == ["merged_patient"]
    (line,) = ward.query("SELECT id FROM patient_merges")
    (case,) = ward.query("SELECT cause FROM cases WHERE command_id = %(id)s", id=accepted.command_id)
    assert case["cause"] == f"merge={line['id']}"
    (row,) = ward.query("SELECT lane_id FROM commands WHERE id = %(id)s", id=second.command_id)
    ward.run(row["lane_id"], turn)
    assert ward.cases(second.command_id) == ["merged_patient"], "what was remembered of the patient counts no more"
    assert ward.attempts(second.command_id) == []


def test_what_is_in_the_chart_in_part_is_left_to_a_person_as_incomplete(ward: Ward) -> None:
    ward.chart.parts = 1
    accepted = submit(ward)

    def somebody_learns(_operation: Operation) -> None:
        merge(ward, moves_entries=False)
        with open_session(ward.url) as session:
            learn(session, MERGED, tenant="t1", connection="north")

    ward.chart.on_send = somebody_learns
    turn = ward.turn()
    ward.run(accepted.lane_id, turn)
    assert len(ward.chart.sent) == 1, "the next part is another claim"
    probed(ward, accepted)
    assert (ward.state(accepted.command_id), ward.cases(accepted.command_id)) == ("incomplete", ["merged_patient"])
    assert len(ward.chart.sent) == 1


def test_a_merge_learned_while_we_remember_the_patient_stops_the_next_write(ward: Ward) -> None:
    first, turn = submit(ward), ward.turn()
    ward.run(first.lane_id, turn)
    second = submit(ward)
    merge(ward)
    assert first.lane_id is not None
    with ward.lanes().hold(first.lane_id) as lane:
        assert lane is not None
        lane.learn(MERGED, first.command_id)
        assert lane.join()
    (row,) = ward.query("SELECT lane_id FROM commands WHERE id = %(id)s", id=second.command_id)
    ward.run(row["lane_id"], turn)
    assert ward.cases(second.command_id) == ["merged_patient"]
    assert len(ward.chart.sent) == 1


def test_what_is_re_mapped_is_looked_for_in_the_other_chart_though_it_was_sent_for_the_old_one_before(
    ward: Ward,
) -> None:
    accepted = submit(ward)
    merge(ward)
    assert accepted.lane_id is not None
    with ward.lanes().hold(accepted.lane_id) as lane:
        assert lane is not None
        command = lane.load(accepted.command_id)
    patient = command.envelope.patient.model_copy(update={"reference": NEW})
    decided = command.evolve(
        envelope=command.envelope.model_copy(update={"patient": patient}), attempts=1, is_replanned=True
    )
    preparation, trace = ward.turn().preparation, Trace(correlation_id="c", request_id="r")
    assert preparation.prepare(decided, [], trace).next.resource_type == "Observation"
    ward.chart.already_there = ("Observation/o7",)
    with pytest.raises(NeedsPersonError) as caught:
        preparation.prepare(decided, [], trace)
    assert caught.value.kind == "possible_duplicate"
