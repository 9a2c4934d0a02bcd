"""Whatever an app sends is refused or judged; nothing it sends makes the judging fail."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from canonical import exact_json
from canonical.action import spec_for
from canonical.envelope import parse_envelope
from canonical.errors import RefusedError
from canonical.idempotency import derived_key, fingerprint
from tests.compound_factories import GAP, care_gap_closure_json, listed_change_json, medication_reconciliation_json
from tests.factories import (
    NOW,
    Json,
    as_bytes,
    care_message_json,
    care_task_json,
    clinical_note_json,
    component_json,
    decimal,
    dosage_json,
    envelope_json,
    medication_change_json,
    quantity,
    vital_reading_json,
)
from tests.list_factories import allergy_update_json, problem_update_json, reaction_json
from tests.record_factories import (
    immunization_record_json,
    order_request_json,
    patient_reported_outcome_json,
    score_json,
    self_harm_json,
)

FULL_DOSAGE = dosage_json(
    sequence=1,
    asNeededBoolean=False,
    doseAndRate=[{"doseRange": {"low": quantity("1", "tablet"), "high": quantity("2", "tablet")}}],
    timing={
        "repeat": {"frequency": 1, "period": decimal("4.0"), "periodMax": 6, "periodUnit": "h", "dayOfWeek": ["mon"]}
    },
    maxDosePerPeriod={"numerator": quantity("4", "tablet"), "denominator": quantity("24", "h")},
)
ACTIONS: dict[str, Json] = {
    "weight": vital_reading_json(confirmed={"by": {"value": "n"}, "when": "2026-03-10T14:45:00Z"}),
    "pressure": vital_reading_json(
        "blood-pressure", component=[component_json("systolic"), component_json("diastolic")]
    ),
    "bmi": vital_reading_json("body-mass-index"),
    "oxygen": vital_reading_json(
        "oxygen-saturation", oxygen={"flow": quantity("2.0", "L/min", "L/min")}, bodySite={"text": "x"}
    ),
    "retraction": vital_reading_json(operation="retract"),
    "start": medication_change_json(dosage=[dosage_json(), FULL_DOSAGE]),
    "hold": medication_change_json("hold", expectedResume="2026-04", effectivePeriod={"start": "2020", "end": "2027"}),
    "allergy": allergy_update_json(
        onsetAge=quantity("3", "years", "a"),
        reaction=[reaction_json(onset="2024", note=[{"text": "x", "time": "2024"}])],
    ),
    "nothing known": allergy_update_json("assertNoneKnown"),
    "problem": problem_update_json(bodySite=[{"text": "left knee"}], evidence=[{"code": [{"text": "x"}]}]),
    "resolved": problem_update_json("resolve", abatementPeriod={"start": "2020", "end": "2021"}),
    "message": care_message_json(category=[{"text": "x"}], about=[{"reference": "Observation/o1"}], sent="2026-03"),
    "task": care_task_json("complete", output=[{"type": {"text": "x"}, "valueQuantity": quantity("2.0", "calls")}]),
    "note": clinical_note_json(observations=[vital_reading_json("heart-rate")], period={"start": "2026"}),
    "answers": patient_reported_outcome_json(
        item=[self_harm_json(answer=[{"valueCoding": {"code": "x"}, "item": [self_harm_json()]}])], score=[score_json()]
    ),
    "vaccination": immunization_record_json(
        expirationDate="2027-01-01",
        doseQuantity=quantity("0.5", "mL", "mL"),
        performer=[{"actor": {"reference": "Practitioner/n1"}}],
        protocolApplied=[{"doseNumberPositiveInt": 2, "seriesDosesPositiveInt": 3}],
        reaction=[{"date": "2026-03-10", "reported": True}],
    ),
    "proposal": order_request_json(
        occurrenceTiming={"repeat": {"frequency": 1, "period": decimal("3.0"), "periodUnit": "mo"}},
        quantityQuantity=quantity("2", "kits"),
    ),
    "closure": care_gap_closure_json(
        gapIdentifier=GAP, evidenceReference=[{"reference": "Observation/o1"}], note=[{"text": "x", "time": "2026"}]
    ),
    "review": medication_reconciliation_json(
        changes=[listed_change_json("hold")], informationSource={"reference": "Patient/p1"}
    ),
    "correct": medication_change_json("correct", prescriber=None, note=[{"text": "x", "time": "2026"}]),
}
ODD: list[Any] = [
    None, True, 0, -1, 10**19, decimal("0.00"), decimal("-0.5"), decimal("1e-9"), decimal("1e19"), "", " ", "0001", "9999-12-31",
    "2026-03-10T15:00:00+14:00", "0001-01-01T00:00:00+14:00", "kg", "[degF]", "U", "1/0 tablet every 0 hours", "a", "wk",
    "29463-7", "85354-9", "39156-5", "6851", "http://loinc.org", "http://unitsofmeasure.org", [], {}, [{}], {"text": "x"},
    {"coding": [{"code": "x"}]}, {"reference": "Observation/1"}, {"value": 1}, [None], "\u0130", "x" * 300,
]  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of everything inside ``value``."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [inner for name, item in members for inner in ((*path, name), *places(item, (*path, name)))]


def changed(value: Any, path: tuple[Any, ...], odd: Any) -> Any:
    """Return a copy of ``value`` with ``odd`` at ``path``; a path that an earlier change took away changes nothing."""
    other = copy.deepcopy(value)
    at = other
    for step in path[:-1]:
        try:
            at = at[step]
        except (KeyError, IndexError, TypeError):
            return other
    if isinstance(at, dict) or (isinstance(at, list) and isinstance(path[-1], int) and path[-1] < len(at)):
        at[path[-1]] = odd
    return other


def judge(body: Json) -> str:
    """Do all that a door does with content, and say whether it was refused."""
    try:
        envelope = parse_envelope(as_bytes(body))
        assert derived_key(envelope, "visits").startswith("derived:")
    except RefusedError:
        return "refused"
    spec = spec_for(envelope.action)
    wrong = spec.check(envelope, NOW)
    assert all(error.pointer.startswith("/") for error in wrong)
    spec.confirmations(envelope, NOW)
    spec.findings(envelope, NOW)
    spec.marks(envelope, NOW)
    spec.clinical_time(envelope.action)
    assert len(fingerprint(envelope)) == 32
    assert envelope.as_text() == exact_json.dumps(envelope.as_json())
    assert parse_envelope(envelope.as_text()) == envelope
    return "wrong" if wrong else "accepted"


@pytest.mark.parametrize("name", ACTIONS)
def test_one_odd_value_anywhere_is_judged(name: str) -> None:
    body = envelope_json(ACTIONS[name])
    assert judge(body) == "accepted"
    ends = {judge(changed(body, path, odd)) for path in places(body) for odd in ODD}
    assert ends == {"refused", "wrong", "accepted"}


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_several_odd_values_together_are_judged(data: st.DataObject) -> None:
    body = envelope_json(data.draw(st.sampled_from(list(ACTIONS.values()))))
    paths = places(body)
    for _ in range(data.draw(st.integers(2, 5))):
        body = changed(body, data.draw(st.sampled_from(paths)), data.draw(st.sampled_from(ODD)))
    assert judge(body) in {"refused", "wrong", "accepted"}
