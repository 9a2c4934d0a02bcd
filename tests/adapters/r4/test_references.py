import pytest

from adapters.r4.references import local, reference_of

BASE = "https://ehr.example/fhir/"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Patient/p1", "Patient/p1"),
        ("Patient/p1/_history/2", "Patient/p1"),
        ("https://ehr.example/fhir/Patient/p1", "Patient/p1"),
        ("https://other.example/fhir/Patient/p1", "https://other.example/fhir/Patient/p1"),
        ("https://ehr.example/fhir/x/Patient/p1", "https://ehr.example/fhir/x/Patient/p1"),
        ("#p1", "#p1"),
        ("urn:uuid:1", "urn:uuid:1"),
    ],
)
def test_only_references_to_this_ehr_become_local(text: str, expected: str) -> None:
    assert local(text, BASE) == expected


def test_element_without_a_literal_reference_names_nobody() -> None:
    assert reference_of({"identifier": {"value": "p1"}}, BASE) is None
    assert reference_of(None, BASE) is None
    assert reference_of("Patient/p1", BASE) is None
