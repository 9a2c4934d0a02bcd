from __future__ import annotations

from typing import Any

import pytest

from canonical.action import action_specs, spec_for
from canonical.actions.medication_change import MedicationChange
from canonical.errors import RefusedError
from tests.canonical.checked import confirmations, findings, parsed, refusals
from tests.factories import (
    ABSENT,
    RXNORM,
    Json,
    concept,
    dosage_json,
    envelope_json,
    medication_change_json,
    quantity,
    target_json,
)

OPERATIONS = ["start", "changeDose", "hold", "resume", "stop", "notTaking", "correct", "retract"]
REASON = [{"text": "x"}]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_each_operation_with_what_it_needs_is_accepted_silently(operation: str) -> None:
    action = medication_change_json(operation)
    assert refusals(action) == {}
    assert confirmations(action) == {}
    assert findings(action) == []


def test_there_are_exactly_these_eight_operations() -> None:
    assert list(action_specs()["MedicationChange"].operations) == OPERATIONS


def test_a_change_with_everything_on_it_is_accepted() -> None:
    action = medication_change_json(
        category="community",
        medicationTermType="SCD",
        ingredient=[concept(RXNORM, "29046", "lisinopril")],
        isOtc=False,
        effectivePeriod={"start": "2025-11", "end": "2026-12-31"},
        reasonCode=[concept("http://snomed.info/sct", "38341003", "hypertension")],
        reasonReference=[{"reference": "Condition/c1"}],
        informationSource={"reference": "Patient/p1"},
        informationSourceRole="pharmacyFill",
        prescriber={"identifier": {"system": "http://hl7.org/fhir/sid/us-npi", "value": "1234567893"}},
        derivedFrom=[{"reference": "MedicationDispense/d1"}],
        basedOn=[{"reference": "MedicationRequest/r1"}],
        replaces={"reference": "MedicationStatement/m1"},
        note=[{"text": "brought the bottle", "time": "2026-03-10"}],
    )
    assert refusals(action) == {}


PRESCRIBING = [
    "dispense", "dispenseRequest", "refills", "numberOfRepeatsAllowed", "substitution", "quantity", "expectedSupplyDuration",
    "intent", "requester", "validityPeriod",
]  # fmt: skip


@pytest.mark.parametrize("name", PRESCRIBING)
@pytest.mark.parametrize("operation", ["start", "stop"])
def test_whatever_would_prescribe_is_refused_by_that_name(name: str, operation: str) -> None:
    assert refusals(medication_change_json(operation, **{name: 1})) == {f"/action/{name}": "not-prescribing"}


def test_the_receipt_says_that_nothing_was_prescribed() -> None:
    note = action_specs()["MedicationChange"].receipt_note
    assert note == "Recorded on the medication list; the prescription and the pharmacy were not changed."


@pytest.mark.parametrize("operation", ["hold", "stop", "notTaking", "correct", "retract"])
def test_a_reason_is_required_where_something_ends_or_was_wrong(operation: str) -> None:
    assert refusals(medication_change_json(operation, statusReason=ABSENT)) == {"/action/statusReason": "required"}


@pytest.mark.parametrize("operation", ["start", "changeDose"])
def test_a_dosage_is_required_where_one_is_meant(operation: str) -> None:
    assert refusals(medication_change_json(operation, dosage=ABSENT)) == {"/action/dosage": "required"}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_medicine_is_always_named(operation: str) -> None:
    assert refusals(medication_change_json(operation, medication=ABSENT)) == {"/action/medication": "missing"}


MISPLACED: list[tuple[str, str, Any]] = [
    *((operation, "dosage", [dosage_json()]) for operation in ("hold", "resume", "stop", "notTaking", "retract")),
    *(
        (operation, "expectedResume", "2026-04-01")
        for operation in ("start", "changeDose", "resume", "stop", "notTaking")
    ),
    *((operation, "replaces", {"reference": "MedicationStatement/m1"}) for operation in ("changeDose", "hold", "stop")),
    *(
        ("retract", name, value)
        for name, value in (("isOtc", True), ("category", "community"), ("dateAsserted", "2026"))
    ),
]


@pytest.mark.parametrize(
    ("operation", "name", "value"), MISPLACED, ids=[f"{operation}-{name}" for operation, name, _ in MISPLACED]
)
def test_a_field_of_another_operation_is_refused(operation: str, name: str, value: Any) -> None:
    action = medication_change_json(operation, medicationTermType="SCD", **{name: value})
    assert refusals(action) == {f"/action/{name}": "not-for-this-operation"}


def test_a_hold_may_say_when_it_is_expected_to_end() -> None:
    assert refusals(medication_change_json("hold", expectedResume="2026-04-01")) == {}
    assert refusals(medication_change_json("hold", expectedResume="2026-04")) == {}


def test_a_stop_may_lie_ahead_and_a_start_may_not() -> None:
    friday = {"end": "2026-03-13"}
    assert refusals(medication_change_json("stop", effectivePeriod=friday)) == {}
    pointer = "/action/effectivePeriod/start"
    assert refusals(medication_change_json(effectivePeriod={"start": "2026-03-13"})) == {pointer: "future-time"}
    assert refusals(medication_change_json(dateAsserted="2026-03-13")) == {"/action/dateAsserted": "future-time"}


def test_partial_dates_stay_partial_and_begin_with_life() -> None:
    for start in ("1990", "1962-05", "1961"):
        action = parsed(medication_change_json(effectivePeriod={"start": start})).action
        assert isinstance(action, MedicationChange)
        assert refusals(medication_change_json(effectivePeriod={"start": start})) == {}
        assert action.as_json()["effectivePeriod"] == {"start": start}
    early = medication_change_json(effectivePeriod={"start": "1950"})
    assert refusals(early) == {"/action/effectivePeriod/start": "before-birth"}


def test_a_ward_s_medicines_are_not_written_from_outside() -> None:
    assert refusals(medication_change_json(category="inpatient")) == {"/action/category": "inpatient-not-accepted"}
    assert refusals(medication_change_json(category="Inpatient")) == {"/action/category": "literal-error"}


@pytest.mark.parametrize("operation", ["start", "changeDose", "correct"])
def test_a_medicine_that_comes_onto_the_list_has_an_rxnorm_code(operation: str) -> None:
    for medication in ({"text": "the blue pill"}, concept("http://hl7.org/fhir/sid/ndc", "00093-1039-01", "x")):
        action = medication_change_json(operation, medication=medication)
        assert refusals(action) == {"/action/medication": "rxnorm-required"}


@pytest.mark.parametrize("operation", ["hold", "resume", "stop", "notTaking", "retract"])
def test_an_entry_that_is_there_may_be_named_as_the_chart_names_it(operation: str) -> None:
    assert refusals(medication_change_json(operation, medication={"text": "the blue pill"})) == {}


@pytest.mark.parametrize("code", ["0", "029046", "29046x", "123456789", "RX29046"])
def test_an_rxnorm_code_is_a_number(code: str) -> None:
    assert refusals(medication_change_json(medication=concept(RXNORM, code, "x"))) == {
        "/action/medication": "rxnorm-syntax"
    }
    beside = medication_change_json(ingredient=[concept(RXNORM, "29046", "x"), concept(RXNORM, code, "y")])
    assert refusals(beside) == {"/action/ingredient/1": "rxnorm-syntax"}


def test_a_prescriber_is_named_or_said_to_be_absent_not_both() -> None:
    somebody = {"identifier": {"value": "1"}}
    for absent in ("unknown", "self"):
        assert refusals(medication_change_json(prescriberAbsent=absent)) == {}
        both = medication_change_json(prescriberAbsent=absent, prescriber=somebody)
        assert refusals(both) == {"/action/prescriberAbsent": "prescriber-contradiction"}
    assert refusals(medication_change_json(prescriber=somebody)) == {}


CLEARS: list[tuple[str, str, bool]] = [
    ("changeDose", "effectivePeriod", True),
    ("resume", "statusReason", True),
    ("resume", "expectedResume", True),
    ("correct", "reasonCode", True),
    ("correct", "prescriber", True),
    ("start", "effectivePeriod", False),
    ("changeDose", "dosage", False),
    ("correct", "dosage", False),
    ("correct", "note", False),
    ("hold", "reasonCode", False),
]


@pytest.mark.parametrize(("operation", "name", "may"), CLEARS, ids=[f"{row[0]}-{row[1]}" for row in CLEARS])
def test_null_clears_only_what_may_be_cleared(operation: str, name: str, *, may: bool) -> None:
    wrong = refusals(medication_change_json(operation, **{name: None}))
    assert (wrong == {}) is may
    assert may or set(wrong.values()) <= {"not-clearable", "required"}


def test_null_is_kept_for_the_adapter() -> None:
    action = parsed(medication_change_json("resume", expectedResume=None)).action
    assert isinstance(action, MedicationChange)
    assert action.as_json()["expectedResume"] is None
    assert "effectivePeriod" not in action.as_json()


@pytest.mark.parametrize("name", ["status", "intent_", "status_reason", "MedicationCodeableConcept"])
def test_an_unknown_field_is_refused(name: str) -> None:
    assert refusals(medication_change_json(**{name: "active"})) == {f"/action/{name}": "extra-forbidden"}


def test_a_target_is_an_entry_of_a_medication_list() -> None:
    action = medication_change_json("stop")
    for kind in ("MedicationStatement", "MedicationRequest"):
        assert refusals(action, target=target_json(action, reference=f"{kind}/m1")) == {}
    wrong = refusals(action, target=target_json(action, reference="Observation/o1"))
    assert wrong == {"/target/reference": "target-type"}


def test_text_and_numbers_that_differ_are_held_for_a_person() -> None:
    action = medication_change_json(dosage=[dosage_json(), dosage_json(text="Take 2 tablets by mouth twice daily")])
    assert refusals(action) == {}
    found = findings(action)
    assert [(one.kind, one.severity, one.holds, one.pointer) for one in found] == [
        ("sig_mismatch", "high", True, "/action/dosage/1/text")
    ] * 2
    assert not any(number in one.detail for one in found for number in "0123456789")


def test_the_code_of_a_derived_key_is_the_medicine_s() -> None:
    spec = action_specs()["MedicationChange"]
    assert spec.business_code(parsed(medication_change_json()).action) == "29046"
    named = parsed(medication_change_json("stop", medication={"text": "the blue pill"})).action
    assert spec.business_code(named) == "the blue pill"


def test_the_time_spoken_of_is_when_it_was_asserted() -> None:
    spec = spec_for(medication_change_json())
    assert str(spec.clinical_time(parsed(medication_change_json()).action)) == "2026-03-10"
    assert spec.clinical_time(parsed(medication_change_json("stop")).action) is None


def test_all_that_is_wrong_is_named_at_once() -> None:
    dosage = dosage_json(route=ABSENT, doseAndRate=[{"doseQuantity": {"value": 5}}])
    action = medication_change_json(dosage=[dosage], category="inpatient", dateAsserted="2027")
    assert set(refusals(action).values()) == {
        "route-required",
        "unit-required",
        "inpatient-not-accepted",
        "future-time",
    }


def test_a_taper_is_one_field_with_several_sequences() -> None:
    steps = [
        dosage_json(
            sequence=at + 1,
            text=f"Take {dose} mg by mouth once daily",
            doseAndRate=[{"doseQuantity": quantity(dose, "mg", "mg")}],
        )
        for at, dose in enumerate(("40", "20", "10"))
    ]
    action = medication_change_json(dosage=steps)
    assert refusals(action) == {}
    assert findings(action) == []
    sent: Json = parsed(action).action.as_json()
    assert [step["sequence"] for step in sent["dosage"]] == [1, 2, 3]


def test_refusing_never_tells_the_medicine_or_the_dose() -> None:
    with pytest.raises(RefusedError) as raised:
        parsed(medication_change_json(dosage=[dosage_json(text=5, route="Zq7secret")], form="Zq7secret"))
    assert "Zq7secret" not in repr(raised.value.errors) + str(raised.value)
    assert envelope_json()["action"]["type"] == "VitalReading"
