from typing import Any

import pytest

from adapters.fhir_r4 import ADAPTER
from adapters.r4.validity import check_valid, problems
from adapters.site import Site
from canonical import exact_json
from canonical.errors import InvalidPayloadError
from canonical.ports import Surrounding
from tests.adapters.commands import BLOOD_PRESSURE, START, WEIGHT, command

SITE = Site(base_url="https://ehr.example/fhir")


def planned(action: dict[str, Any]) -> dict[str, Any]:
    (operation,) = ADAPTER.plan(command(action), Surrounding(), SITE)
    resource: dict[str, Any] = exact_json.parse(operation.body)
    return resource


@pytest.mark.parametrize("action", [WEIGHT, BLOOD_PRESSURE, START], ids=["weight", "pressure", "medication"])
def test_what_we_build_is_valid(action: dict[str, Any]) -> None:
    assert problems(planned(action)) == frozenset()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"status": "bogus"}, "Observation.status: code-invalid"),
        ({"status": None}, "Observation"),
        ({"valueString": "heavy"}, "Observation"),
        ({"unheardOf": 1}, "Observation.unheardOf: extra-forbidden"),
        ({"code": "x"}, "Observation.code"),
        ({"effectiveDateTime": "yesterday"}, "Observation.effectiveDateTime"),
        ({"valueQuantity": {"value": 1, "comparator": "~"}}, "Observation.valueQuantity.comparator: code-invalid"),
        ({"component": [{"valueQuantity": {"value": 1}}]}, "Observation.component[0].code: missing"),
    ],
)
def test_what_breaks_r4_is_named_by_its_element(change: dict[str, Any], problem: str) -> None:
    resource = {name: item for name, item in {**planned(WEIGHT), **change}.items() if item is not None}
    assert any(found.startswith(problem) for found in problems(resource)), problems(resource)


def test_refusal_never_repeats_a_value() -> None:
    with pytest.raises(InvalidPayloadError) as caught:
        check_valid({**planned(WEIGHT), "status": "secret-value", "effectiveDateTime": "secret-time"})
    assert "secret" not in str(caught.value)
    assert "Observation.status" in str(caught.value)


def test_required_codes_inside_data_types_are_checked() -> None:
    resource = planned(START)
    resource["dosage"][0]["timing"]["repeat"] |= {"dayOfWeek": ["mon", "someday"], "periodUnit": "day"}
    found = problems(resource)
    assert "MedicationStatement.dosage[0].timing.repeat.dayOfWeek: code-invalid" in found
    assert "MedicationStatement.dosage[0].timing.repeat.periodUnit: code-invalid" in found


def test_what_the_chart_already_had_wrong_is_no_reason_to_refuse_an_update() -> None:
    before = {**planned(WEIGHT), "vendorOwn": True}
    check_valid({**before, "status": "entered-in-error"}, before=before)
    with pytest.raises(InvalidPayloadError):
        check_valid({**before, "status": "gone"}, before=before)


def test_types_that_are_never_written_are_refused() -> None:
    with pytest.raises(InvalidPayloadError):
        check_valid({"resourceType": "MedicationRequest", "status": "active"})
