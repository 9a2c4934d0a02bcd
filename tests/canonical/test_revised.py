"""What a reviewer's picks make of a command: only what was picked differs, and it could be sent as it is."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canonical import exact_json
from canonical.action import action_specs, spec_for
from canonical.change_list import is_written_alike
from canonical.envelope import envelope_from
from canonical.review_desk import FieldPick, Pick
from canonical.revised import Look, Place, RevisionError, decided, revised
from canonical.three_way import Comparison, compare
from tests.compound_factories import medication_reconciliation_json
from tests.conformance.examples import MAKERS
from tests.factories import (
    ABSENT,
    NOW,
    Json,
    as_bytes,
    decimal,
    dosage_json,
    envelope_json,
    medication_change_json,
    medication_seen_json,
    quantity,
    target_json,
    vital_reading_json,
)
from tests.list_factories import problem_update_json

#: An entry that a medication change, a correction of a reading or an update of a problem can be about.
ENTRY, READING, PROBLEM = "MedicationStatement/m9", "Observation/o9", "Condition/c9"
CHART, PROPOSAL = FieldPick(pick=Pick.CHART), FieldPick(pick=Pick.PROPOSAL)
REVIEWER = {"system": "https://login.example", "value": "nurse-4"}
UPDATES = [
    (spec.type, name) for spec in action_specs().values() for name, rule in spec.operations.items() if not rule.creates
]


def another(value: Any) -> FieldPick:
    return FieldPick(pick=Pick.ANOTHER, value=value)


def parsed(action: Json, **over: Any) -> Json:
    said: Json = exact_json.parse(as_bytes(envelope_json(action, **over)))
    return said


def look(seen: Mapping[str, Any], **over: Any) -> Look:
    members: Json = {
        "reference": ENTRY,
        "version": "12",
        "seen": seen or {"status": "final"},
        "at": NOW - timedelta(minutes=2),
        "decided_at": NOW,
        "reviewer": REVIEWER,
    }
    return Look(**(members | over))


def compared(original: Json, chart: Mapping[str, Any], **implied: Any) -> Comparison:
    """Compare with a chart of which the author saw nothing: all that the action states is to be decided."""
    content = {name: value for name, value in original["action"].items() if name not in {"type", "operation"}}
    groups = action_specs()[original["action"]["type"]].field_groups
    return compare(base={}, current=chart, proposed={**chart, **content, **implied}, touched=content, groups=groups)


def refused(original: Json, comparison: Comparison, picks: Mapping[str, FieldPick], **over: Any) -> RevisionError:
    before = copy.deepcopy(original)
    with pytest.raises(RevisionError) as caught:
        revised(original, comparison, picks, look({}, **over))
    assert original == before
    return caught.value


def written(action: Json, chart: Mapping[str, Any], picks: Mapping[str, FieldPick], **over: Any) -> Json:
    original = parsed(action)
    made = revised(original, compared(original, chart), picks, look(chart, **over))
    assert made is not None
    return made


DOSE = {"dosage": [dosage_json(text="Take 1 tablet by mouth at bedtime", timing=ABSENT)]}
CHANGE = medication_change_json("changeDose", effectivePeriod={"start": "2026-03-01"})
REST = dict.fromkeys(("medication", "form", "strength", "informationSourceRole", "dateAsserted"), PROPOSAL)


def test_the_reviewer_s_version_is_the_precondition_and_what_they_saw_is_the_base() -> None:
    made = written(CHANGE, DOSE, REST | {"dosage": PROPOSAL, "effectivePeriod": CHART})
    assert made["target"] == {
        "reference": ENTRY,
        "versionId": "12",
        "seen": DOSE,
        "seenAt": "2026-03-10T14:58:00Z",
        "acknowledged": {"by": REVIEWER, "when": "2026-03-10T15:00:00Z"},
    }
    assert "effectivePeriod" not in made["action"]
    assert made["action"]["dosage"] == CHANGE["dosage"]


def test_a_field_that_the_action_cannot_do_without_is_stated_as_the_chart_has_it() -> None:
    made = written(CHANGE, DOSE, REST | {"dosage": CHART, "effectivePeriod": PROPOSAL})
    assert made["action"]["dosage"] == DOSE["dosage"]
    assert made["action"]["effectivePeriod"] == {"start": "2026-03-01"}


def test_nothing_is_left_to_write_where_the_chart_keeps_everything() -> None:
    original = parsed(CHANGE)
    comparison = compared(original, DOSE)
    stated = {name: CHART for name in original["action"] if comparison.field(name)}
    assert revised(original, comparison, stated, look(DOSE)) is None


def test_a_typed_value_goes_as_it_was_typed() -> None:
    action = vital_reading_json(operation="correct")
    picks = dict.fromkeys(("code", "effectiveDateTime", "performerRole", "origin"), PROPOSAL)
    typed = quantity("73.50", "kg", "kg")
    made = written(
        action,
        {"valueQuantity": quantity("75.20", "kg", "kg")},
        picks | {"valueQuantity": another(typed)},
        reference=READING,
    )
    assert is_written_alike(made["action"]["valueQuantity"], typed)
    assert str(made["action"]["valueQuantity"]["value"]) == "73.50"


@pytest.mark.parametrize(
    "value", [{"value": decimal("73.5")}, {"value": "seventy"}, "secret-word", 3, {"nonsense": True}], ids=repr
)
def test_a_typed_value_that_the_action_may_not_have_is_refused_by_its_field_and_never_repeated(value: Any) -> None:
    original = parsed(vital_reading_json(operation="correct"))
    comparison = compared(original, {})
    error = refused(original, comparison, {"valueQuantity": another(value)}, reference=READING)
    assert (error.code, error.fields) == ("value-refused", ("valueQuantity",))
    assert "secret-word" not in str(error)
    assert "seventy" not in str(error)


def test_an_implausible_value_is_taken_once_the_reviewer_said_that_it_is_right() -> None:
    original = parsed(vital_reading_json(operation="correct"))
    comparison = compared(original, {})
    picks = {"valueQuantity": another(quantity("380.0", "kg", "kg"))}
    assert refused(original, comparison, picks, reference=READING).code == "confirmation-required"
    made = revised(original, comparison, picks, look({}, reference=READING, confirmed=True))
    assert made is not None
    assert made["action"]["confirmed"] == {"by": REVIEWER, "when": "2026-03-10T15:00:00Z"}


def test_directions_that_say_another_dose_than_the_typed_one_are_refused() -> None:
    original = parsed(CHANGE)
    typed = [dosage_json(text="Take 2 tablets by mouth once daily")]
    error = refused(original, compared(original, DOSE), REST | {"dosage": another(typed), "effectivePeriod": CHART})
    assert (error.code, error.fields) == ("value-refused", ("dosage",))


def test_every_field_that_both_changed_must_be_decided() -> None:
    original = parsed(CHANGE)
    error = refused(original, compared(original, DOSE), {"effectivePeriod": PROPOSAL})
    assert (error.code, error.fields) == ("field-missing", ("medication", "form", "strength", "dosage"))


def test_a_field_about_which_nothing_is_to_be_decided_cannot_be_picked() -> None:
    original = parsed(CHANGE)
    error = refused(original, compared(original, DOSE), {"note": PROPOSAL})
    assert (error.code, error.fields) == ("not-possible", ("note",))


def test_another_value_must_be_given() -> None:
    original = parsed(CHANGE)
    error = refused(original, compared(original, DOSE), REST | {"dosage": another(None), "effectivePeriod": CHART})
    assert (error.code, error.fields) == ("value-refused", ("dosage",))


STOP = medication_change_json("stop", note=[{"text": "she said so"}])


def test_a_status_that_follows_from_what_the_command_does_is_not_picked_apart_from_it() -> None:
    original = parsed(STOP)
    comparison = compared(original, {"status": "on-hold"}, status="stopped")
    rest: dict[str, FieldPick] = {"statusReason": PROPOSAL, "medication": PROPOSAL}
    for pick in (CHART, another("active")):
        error = refused(original, comparison, {**rest, "status": pick})
        assert (error.code, error.fields) == ("not-possible", ("status",))
    made = revised(original, comparison, {**rest, "note": CHART, "status": PROPOSAL}, look({}))
    assert made is not None
    assert set(made["action"]) == {"type", "operation", "medication", "statusReason"}


def test_what_only_follows_from_a_field_goes_with_it() -> None:
    """An onset as an age takes the place of one as a date: where the chart keeps its date, there is no age."""
    age = {"value": 40, "system": "http://unitsofmeasure.org", "code": "a"}
    original = parsed(problem_update_json("update", onsetAge=age))
    chart = {"onsetDateTime": "1990"}
    comparison = compared(original, chart, onsetDateTime=None)
    picks = {"onsetAge": CHART, "severity": PROPOSAL, "category": PROPOSAL}
    made = revised(original, comparison, picks, look(chart, reference=PROBLEM))
    assert made is not None
    assert "onsetAge" not in made["action"]
    assert decided(comparison, picks, original["action"])["onsetDateTime"] == "1990"
    kept = picks | {"onsetAge": PROPOSAL}
    assert "onsetDateTime" not in decided(comparison, kept, original["action"])


def test_a_target_that_was_named_by_a_command_is_named_by_what_the_reviewer_saw() -> None:
    command = "8b1f6f4e-0000-4000-8000-000000000001"
    action = vital_reading_json(operation="correct")
    original = parsed(action, target=target_json(action, reference=ABSENT, versionId=ABSENT, command=command))
    made = revised(
        original, compared(original, {}), {"valueQuantity": PROPOSAL}, look({}, reference=READING, version=None)
    )
    assert made is not None
    assert "command" not in made["target"]
    assert "versionId" not in made["target"]
    assert made["target"]["reference"] == READING


def test_where_the_ehr_states_no_version_none_is_stated() -> None:
    picks = dict.fromkeys((*REST, "dosage", "effectivePeriod"), PROPOSAL)
    original = parsed(CHANGE)
    assert original["target"]["versionId"]
    made = revised(original, compared(original, DOSE), picks, look(DOSE, version=None))
    assert made is not None
    assert "versionId" not in made["target"]


def test_a_new_entry_is_corrected_without_a_target() -> None:
    original = parsed(vital_reading_json())
    groups = action_specs()["VitalReading"].field_groups
    content = {name: value for name, value in original["action"].items() if name not in {"type", "operation"}}
    comparison = compare(base={}, current={}, proposed=content, touched=content, groups=groups)
    made = revised(original, comparison, {"performerRole": CHART}, look({}, reference=None))
    assert made is not None
    assert "target" not in made
    assert set(original["action"]) - set(made["action"]) == {"performerRole"}


def test_a_part_of_a_compound_is_revised_where_it_stands() -> None:
    original = parsed(medication_reconciliation_json())
    part = original["action"]["changes"][1]
    content = {name: value for name, value in part["action"].items() if name not in {"type", "operation"}}
    seen = medication_seen_json(status="active")
    groups = action_specs()["MedicationChange"].field_groups
    comparison = compare(
        base={}, current=seen, proposed={**seen, **content, "status": "on-hold"}, touched=content, groups=groups
    )
    place = Place(action=("action", "changes", 1, "action"), target=("action", "changes", 1, "target"))
    typed = another([{"text": "nausea"}])
    made = revised(
        original, comparison, {"statusReason": typed}, look(seen, reference="MedicationStatement/m3"), place=place
    )
    assert made is not None
    assert made["action"]["changes"][1]["action"]["statusReason"] == [{"text": "nausea"}]
    assert made["action"]["changes"][1]["target"]["versionId"] == "12"
    assert made["action"]["changes"][0] == original["action"]["changes"][0]
    bad = {"statusReason": another("secret-word")}
    with pytest.raises(RevisionError, match="statusReason") as caught:
        revised(original, comparison, bad, look(seen, reference="MedicationStatement/m3"), place=place)
    assert "secret-word" not in str(caught.value)


def in_chart(value: Any) -> Any:
    """Return what a chart might say in place of ``value``, valid where it would have to be stated; ``None``: nothing."""
    if isinstance(value, list):
        return [in_chart(value[0])] if in_chart(value[0]) is not None else None
    if isinstance(value, dict) and "text" in value:
        return value | {"text": f"{value['text']}, as the chart says"}
    return None


@pytest.mark.parametrize(("action", "operation"), UPDATES)
@given(data=st.data())
def test_only_what_was_picked_differs_in_the_command_that_goes(
    action: str, operation: str, data: st.DataObject
) -> None:
    original = parsed(MAKERS[action](operation))
    content = {name: value for name, value in original["action"].items() if name not in {"type", "operation"}}
    chart = {name: in_chart(value) for name, value in content.items() if in_chart(value) is not None}
    comparison = compared(original, chart)
    asked = [field.name for field in comparison.author_fields]
    picks = {name: data.draw(st.sampled_from([CHART, PROPOSAL]), name) for name in asked}
    reference = original["target"]["reference"]
    try:
        made = revised(original, comparison, picks, look(chart, reference=reference))
    except RevisionError:
        assert CHART in picks.values()
        return
    if made is None:
        assert set(picks.values()) <= {CHART}
        return
    for member in set(original) - {"action", "target"}:
        assert is_written_alike(made[member], original[member])
    for name, value in original["action"].items():
        if picks.get(name) is CHART:
            assert name not in made["action"] or is_written_alike(made["action"][name], chart[name])
        else:
            assert is_written_alike(made["action"][name], value)
    assert set(made["action"]) <= set(original["action"])
    envelope = envelope_from(exact_json.parse(as_bytes(made)))
    assert spec_for(envelope.action).check(envelope, NOW) == []


@pytest.mark.parametrize(("action", "operation"), UPDATES)
def test_a_command_of_which_everything_is_kept_goes_as_it_came(action: str, operation: str) -> None:
    original = parsed(MAKERS[action](operation))
    comparison = compared(original, {}, status="anything")
    picks = dict.fromkeys((field.name for field in comparison.author_fields), PROPOSAL)
    made = revised(original, comparison, picks, look({}, reference=original["target"]["reference"]))
    assert made is not None
    assert is_written_alike(made["action"], original["action"])
