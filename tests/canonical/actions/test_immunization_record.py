from __future__ import annotations

from typing import Any

import pytest

from canonical.action import action_specs
from canonical.idempotency import derived_key
from tests.canonical.checked import confirmations, findings, parsed, refusals, through_the_wire
from tests.factories import ABSENT, RXNORM, SNOMED_CT, Json, concept, quantity, target_json
from tests.record_factories import CVX, NDC, immunization_record_json, vaccine_code

SPEC = action_specs()["ImmunizationRecord"]
OPERATIONS = ["record", "recordNotDone", "correct", "retract"]
#: Field → something an author may say there.
SAID: Json = {
    "vaccineCode": vaccine_code(),
    "occurrenceDateTime": "2026-03-10",
    "primarySource": True,
    "statusReason": {"text": "the patient refused"},
    "lotNumber": "AB1234",
    "expirationDate": "2026-09",
    "manufacturer": {"display": "A maker"},
    "site": concept(SNOMED_CT, "368208006", "left upper arm"),
    "route": concept(SNOMED_CT, "78421000", "intramuscular"),
    "doseQuantity": quantity("0.50", "mL", "mL"),
    "performer": [{"function": {"text": "administering provider"}, "actor": {"reference": "Practitioner/n1"}}],
    "fundingSource": {"text": "public"},
    "programEligibility": [{"text": "uninsured"}],
    "protocolApplied": [{"series": "2-dose", "doseNumberPositiveInt": 1, "seriesDosesPositiveInt": 2}],
    "reaction": [{"date": "2026-03-10", "detail": {"reference": "Observation/o1"}, "reported": True}],
    "reasonCode": [{"text": "travel"}],
    "recorded": "2026-03-10T10:31:00-04:00",
    "note": [{"text": "second try"}],
    "changeReason": "given to somebody else",
}
OF_A_DOSE = {"lotNumber", "expirationDate", "manufacturer", "site", "route", "doseQuantity", "reaction"}
MAY: dict[str, set[str]] = {
    "record": set(SAID) - {"statusReason", "changeReason"},
    "recordNotDone": set(SAID) - {"changeReason", "reasonCode", "fundingSource"} - OF_A_DOSE,
    "correct": set(SAID) - {"changeReason", "recorded"},
    "retract": {"vaccineCode", "changeReason", "note"},
}
REPORTED: Json = {"primarySource": False, "reportOrigin": {"text": "the patient's own record"}}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_each_operation_with_what_it_needs_is_accepted_silently(operation: str) -> None:
    action = immunization_record_json(operation)
    assert (refusals(action), confirmations(action), findings(action)) == ({}, {}, [])


@pytest.mark.parametrize("operation", OPERATIONS)
def test_each_operation_takes_all_that_it_may_say_and_nothing_else(operation: str) -> None:
    full = immunization_record_json(operation, **{name: SAID[name] for name in MAY[operation]})
    assert refusals(full) == {}
    assert parsed(full).action.as_json() == through_the_wire(full), "every digit and every time as written"
    for name in sorted(set(SAID) - MAY[operation]):
        wrong = refusals(immunization_record_json(operation, **{name: SAID[name]}))
        assert wrong == {f"/action/{name}": "not-for-this-operation"}


@pytest.mark.parametrize(
    ("operation", "name"),
    [
        ("record", "vaccineCode"),
        ("record", "primarySource"),
        ("recordNotDone", "vaccineCode"),
        ("recordNotDone", "statusReason"),
        ("retract", "changeReason"),
    ],
)
def test_what_an_operation_cannot_do_without_is_asked_for(operation: str, name: str) -> None:
    assert refusals(immunization_record_json(operation, **{name: ABSENT})) == {f"/action/{name}": "required"}


def test_a_vaccination_says_when_in_one_form() -> None:
    wrong = refusals(immunization_record_json("recordNotDone", occurrenceDateTime=ABSENT))
    assert wrong == {"/action/occurrenceDateTime": "required"}
    both = immunization_record_json(occurrenceString="this morning")
    assert refusals(both) == {"/action/occurrenceString": "one-of"}


@pytest.mark.parametrize("when", ["2019", "2019-05", "2019-05-03"])
def test_a_reported_dose_is_known_as_exactly_as_it_is(when: str) -> None:
    action = immunization_record_json(**REPORTED, occurrenceDateTime=when, lotNumber=ABSENT)
    assert (refusals(action), findings(action)) == ({}, [])
    words = immunization_record_json(**REPORTED, occurrenceDateTime=ABSENT, occurrenceString="as a child")
    assert refusals(words) == {}


def test_whoever_gave_a_dose_knows_the_day() -> None:
    day = {"/action/occurrenceDateTime": "day-required"}
    assert refusals(immunization_record_json(occurrenceDateTime="2026-03")) == day
    assert refusals(immunization_record_json(occurrenceDateTime=ABSENT, occurrenceString="in spring")) == day
    assert refusals(immunization_record_json(occurrenceDateTime="2026-03-10")) == {}


def test_a_report_says_where_it_is_from_and_a_dose_given_here_is_no_report() -> None:
    assert refusals(immunization_record_json(primarySource=False)) == {"/action/reportOrigin": "required"}
    wrong = refusals(immunization_record_json(reportOrigin={"text": "school"}))
    assert wrong == {"/action/reportOrigin": "reported-and-primary"}


def test_a_vaccine_has_a_cvx_code_and_an_ndc_may_stand_beside_it() -> None:
    def with_codes(*codings: tuple[str, str]) -> Json:
        return {"coding": [{"system": system, "code": code} for system, code in codings], "text": "a vaccine"}

    for codings, wrong in (
        ([(CVX, "207"), (NDC, "80777-0273-10")], {}),
        ([(CVX, "03"), (NDC, "80777027310")], {}),
        ([(NDC, "80777-0273-10")], {"/action/vaccineCode": "cvx-required"}),
        ([(RXNORM, "2468231")], {"/action/vaccineCode": "cvx-required"}),
        ([(CVX, "COVID")], {"/action/vaccineCode/coding/0/code": "code-syntax"}),
        ([(CVX, "207"), (NDC, "80777")], {"/action/vaccineCode/coding/1/code": "code-syntax"}),
    ):
        assert refusals(immunization_record_json(vaccineCode=with_codes(*codings))) == wrong


@pytest.mark.parametrize(
    ("amount", "member", "code"),
    [
        (quantity("0", "mL"), "value", "dose-not-positive"),
        (quantity("-0.5", "mL"), "value", "dose-not-positive"),
        ({"unit": "mL"}, "value", "required"),
        ({"value": 1}, "unit", "unit-required"),
        (quantity("5", "IU"), "unit", "unit-abbreviation"),
        (quantity("5", "u"), "unit", "unit-abbreviation"),
    ],
)
def test_an_amount_is_a_number_above_nothing_with_a_unit_that_is_not_misread(
    amount: Json, member: str, code: str
) -> None:
    wrong = refusals(immunization_record_json(doseQuantity=amount))
    assert wrong == {f"/action/doseQuantity/{member}": code}


def test_no_time_lies_ahead_but_a_lot_expires_later() -> None:
    assert refusals(immunization_record_json(expirationDate="2029-01")) == {}
    later: list[tuple[str, Any, str]] = [
        ("occurrenceDateTime", "2027-01-01", "occurrenceDateTime"),
        ("recorded", "2027", "recorded"),
        ("reaction", [{"date": "2027"}], "reaction/0/date"),
        ("note", [{"text": "x", "time": "2027"}], "note/0/time"),
    ]
    for name, said, pointer in later:
        assert refusals(immunization_record_json(**{name: said})) == {f"/action/{pointer}": "future-time"}
    before = immunization_record_json(**REPORTED, occurrenceDateTime="1950")
    assert refusals(before) == {"/action/occurrenceDateTime": "before-birth"}
    with_time = immunization_record_json(expirationDate="2029-01-01T00:00:00Z")
    assert refusals(with_time) == {"/action/expirationDate": "clinical-date"}


def test_a_dose_is_counted_in_one_form_and_not_beyond_its_series() -> None:
    for protocol in (
        {"series": "x"},
        {"doseNumberPositiveInt": 1, "doseNumberString": "first"},
        {"doseNumberPositiveInt": 3, "seriesDosesPositiveInt": 2},
    ):
        wrong = refusals(immunization_record_json(protocolApplied=[protocol]))
        assert wrong == {"/action/protocolApplied/0": "dose-number"}
    twice = {"doseNumberString": "booster", "seriesDosesPositiveInt": 2, "seriesDosesString": "two"}
    wrong = refusals(immunization_record_json(protocolApplied=[twice]))
    assert wrong == {"/action/protocolApplied/0": "series-doses"}


def test_whoever_gave_it_can_be_found_and_a_maker_may_be_known_by_name() -> None:
    def given_by(**actor: str) -> dict[str, str]:
        return refusals(immunization_record_json(performer=[{"actor": actor}]))

    assert given_by(display="a nurse") == {"/action/performer/0/actor": "names-nobody"}
    assert given_by(reference="Patient/p1") == {"/action/performer/0/actor": "reference-type"}
    wrong = refusals(immunization_record_json(manufacturer={"reference": "Practitioner/n1"}))
    assert wrong == {"/action/manufacturer": "reference-type"}
    assert refusals(immunization_record_json(manufacturer={"reference": "Organization/o1"})) == {}


@pytest.mark.parametrize(
    ("given", "expires", "is_seen"),
    [
        ("2026-03-10", "2026-03-10", False),
        ("2026-03-10", "2026-03", False),
        ("2026-03-10", "2026-02", True),
        ("2026-03-10", "2026-03-01", True),
        ("2026-03-10", "2027", False),
    ],
)
def test_a_dose_from_an_expired_lot_is_written_and_seen_by_a_person(*, given: str, expires: str, is_seen: bool) -> None:
    action = immunization_record_json(occurrenceDateTime=given, expirationDate=expires)
    assert refusals(action) == {}
    found = [(item.kind, item.severity, item.holds) for item in findings(action)]
    assert found == ([("expired_vaccine", "high", False)] if is_seen else [])


def test_a_dose_given_here_without_its_lot_is_written_and_asked_after() -> None:
    action = immunization_record_json(lotNumber=ABSENT)
    assert refusals(action) == {}
    assert [(item.kind, item.severity, item.holds) for item in findings(action)] == [("no_lot_number", "low", False)]


@pytest.mark.parametrize("name", sorted(MAY["correct"]))
def test_a_correction_clears_nothing_without_which_nobody_knows_what_was_given(name: str) -> None:
    kept = name in {"vaccineCode", "occurrenceDateTime", "primarySource", "statusReason", "note"}
    cleared = refusals(immunization_record_json("correct", **{name: None}))
    assert cleared == ({f"/action/{name}": "not-clearable"} if kept else {})


def test_a_correction_that_says_nothing_is_refused() -> None:
    assert refusals(immunization_record_json("correct", lotNumber=ABSENT)) == {"/action": "nothing-to-change"}


def test_two_vaccines_of_one_visit_are_two_commands() -> None:
    source = {"eventId": "visit-1"}
    actions = [immunization_record_json(), immunization_record_json(vaccineCode=vaccine_code("150", "influenza"))]
    keys = [derived_key(parsed(action, source=source), "visits") for action in [*actions, actions[0]]]
    assert keys[0] == keys[2] != keys[1]


def test_what_was_recorded_is_changed_only_by_somebody_who_saw_and_acknowledged_it() -> None:
    rules = SPEC.operations
    assert {name for name, rule in rules.items() if rule.creates} == {"record", "recordNotDone"}
    assert {name for name, rule in rules.items() if rule.high_risk and rule.needs_seen} == {"correct", "retract"}
    assert [name for name, rule in rules.items() if rule.takes_back] == ["retract"]
    action = immunization_record_json("correct")
    assert refusals(action, target=target_json(action, reference="Procedure/p1")) == {
        "/target/reference": "target-type"
    }


def test_its_clinical_time_is_when_it_was_given() -> None:
    assert (
        str(SPEC.clinical_time(parsed(immunization_record_json(occurrenceDateTime="2026-03-10")).action))
        == "2026-03-10"
    )
    assert SPEC.clinical_time(parsed(immunization_record_json("retract")).action) is None
