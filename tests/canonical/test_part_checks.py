"""What every part of a compound must keep to, whatever compound it stands in."""

from __future__ import annotations

import pytest

from tests.canonical.checked import refusals
from tests.compound_factories import care_gap_closure_json, medication_reconciliation_json
from tests.factories import Json, clinical_note_json, medication_change_json, quantity, vital_reading_json

READING = vital_reading_json("heart-rate")


@pytest.mark.parametrize(
    ("compound", "place"),
    [
        (care_gap_closure_json(evidence=[READING, READING]), "/action/evidence/1"),
        (clinical_note_json(observations=[READING, READING]), "/action/observations/1"),
        (
            medication_reconciliation_json(changes=[{"action": medication_change_json()}] * 2),
            "/action/changes/1/action",
        ),
    ],
)
def test_an_entry_that_an_earlier_part_says_already_is_refused(compound: Json, place: str) -> None:
    assert refusals(compound) == {place: "same-part-twice"}


def test_two_readings_of_one_round_are_two_parts() -> None:
    other = vital_reading_json("heart-rate", valueQuantity=quantity("73", "bpm", "/min"))
    assert refusals(care_gap_closure_json(evidence=[READING, other])) == {}
