import pytest

from adapters.r4.patients import patient_element, patient_reference

BASE = "https://ehr.example/fhir"


@pytest.mark.parametrize(
    ("resource_type", "element"),
    [("Observation", "subject"), ("Condition", "subject"), ("AllergyIntolerance", "patient"), ("Task", "for")],
)
def test_each_type_names_its_patient_in_one_element(resource_type: str, element: str) -> None:
    assert patient_element(resource_type) == element
    elsewhere = {"subject": "patient", "patient": "subject", "for": "subject"}[element]
    resource = {
        "resourceType": resource_type,
        element: {"reference": f"{BASE}/Patient/p1"},
        elsewhere: {"reference": "Patient/p2"},
    }
    assert patient_reference(resource, BASE) == "Patient/p1"
    del resource[element]
    assert patient_reference(resource, BASE) is None


def test_a_patient_of_another_server_is_not_taken_for_ours() -> None:
    stranger = {"resourceType": "Condition", "subject": {"reference": "https://other.example/fhir/Patient/p1"}}
    assert patient_reference(stranger, BASE) != "Patient/p1"
