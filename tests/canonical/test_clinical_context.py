from __future__ import annotations

import pytest

from canonical.clinical_context import birth_errors, encounter_errors, future_errors, note_times, target_type_errors
from canonical.clinical_time import ClinicalTime
from canonical.datatypes import Annotation
from tests.factories import ABSENT, NOW, EnvelopeFactory, patient_json, vital_reading_json


@pytest.mark.parametrize(("text", "future"), [
    ("2026-03-10T15:05:00Z", False), ("2026-03-10T15:05:00.1Z", True), ("2026-03-11", False), ("2026-03-12", True),
    ("2026-03", False), ("2026-04", True), ("2027", True), ("2026-03-11T05:05:01+14:00", True),
    ("2026-03-10T05:05:00-10:00", False),
])  # fmt: skip
def test_the_whole_of_a_time_must_lie_ahead_to_be_refused(text: str, *, future: bool) -> None:
    errors = future_errors([("/a", ClinicalTime(text)), ("/b", None)], NOW)
    assert [error.pointer for error in errors] == (["/a"] if future else [])


def test_each_note_s_time_has_its_pointer() -> None:
    notes = (Annotation(text="x"), Annotation(text="y", time=ClinicalTime("2027")))
    assert [pointer for pointer, _ in note_times(notes)] == ["/action/note/0/time", "/action/note/1/time"]
    assert note_times(None) == []
    assert [error.pointer for error in future_errors(note_times(notes), NOW)] == ["/action/note/1/time"]


@pytest.mark.parametrize(("text", "before"), [
    ("1961-03-30", True), ("1961-03", False), ("1961-04", False), ("1961", False), ("1950", True),
    ("1961-04-01T23:00:00-10:00", False), ("1961-04-01T21:30:00Z", False), ("1961-04-01T09:00:00Z", True),
])  # fmt: skip
def test_the_whole_of_a_time_must_lie_before_birth_to_be_refused(text: str, *, before: bool) -> None:
    errors = birth_errors(EnvelopeFactory.create(), "/a", ClinicalTime(text))
    assert [error.code for error in errors] == (["before-birth"] if before else [])


def test_without_a_birth_date_nothing_lies_before_it() -> None:
    patient = patient_json(birthDate=ABSENT, identifier={"system": "urn:mrn", "value": "1"})
    assert birth_errors(EnvelopeFactory.create(patient=patient), "/a", ClinicalTime("1800")) == []


def test_an_encounter_is_named_by_its_own_id() -> None:
    assert encounter_errors(EnvelopeFactory.create()) == []
    assert encounter_errors(EnvelopeFactory.create(encounter={"reference": "Encounter/e1"})) == []
    (error,) = encounter_errors(EnvelopeFactory.create(encounter={"display": "the visit"}))
    assert error.pointer == "/encounter/reference"


def test_a_target_of_ours_has_no_type_to_check() -> None:
    action = vital_reading_json(operation="retract")
    ours = {"command": "5f0c1f1e-63a3-4f7e-9a58-0f2f6c7d1f10"}
    assert target_type_errors(EnvelopeFactory.create(action=action, target=ours), {"Observation"}) == []
    wrong = EnvelopeFactory.create(action=action, target={"reference": "Condition/c1", "versionId": "1"})
    assert [error.detail for error in target_type_errors(wrong, {"Observation"})] == ["one of: Observation"]
