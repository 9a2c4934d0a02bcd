from __future__ import annotations

import pytest
from fhir.resources.R4B import get_fhir_model_class

from canonical.action import ActionSpec, action_specs
from canonical.fhir_types import types_of


@pytest.mark.parametrize("spec", action_specs().values(), ids=lambda spec: spec.type)
def test_a_type_that_is_told_is_one_of_r4_and_can_stand_in_a_parameter(spec: ActionSpec) -> None:
    can = {name.removeprefix("value") for name in get_fhir_model_class("ParametersParameter").model_fields}
    told = types_of(spec.model)
    assert {kind[0].upper() + kind[1:] for kind in told.values()} <= {
        name.title().replace("_", "") for name in can
    } | can


def test_what_has_a_type_of_ours_has_none_of_r4_s() -> None:
    assert "reaction" not in types_of(action_specs()["AllergyUpdate"].model)
    medication = types_of(action_specs()["MedicationChange"].model)
    assert (medication["dosage"], medication["dateAsserted"], medication["isOtc"]) == ("Dosage", "dateTime", "boolean")
