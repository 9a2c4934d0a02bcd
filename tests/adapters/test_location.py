import pytest

from adapters.location import Located, located, parse_location
from adapters.wire import Answer


@pytest.mark.parametrize(
    ("value", "reference", "version"),
    [
        ("https://ehr.example/fhir/r4/Observation/123/_history/1", "Observation/123", "1"),
        ("https://ehr.example/fhir/r4/Observation/123", "Observation/123", None),
        ("http://internal:8080/fhir/Observation/a-b.C/_history/10-1", "Observation/a-b.C", "10-1"),
        ("Observation/123", "Observation/123", None),
        ("Observation/123/_history/0", "Observation/123", "0"),
        ("/Observation/123", "Observation/123", None),
        ("/interconnect/api/FHIR/R4/Observation/123/", "Observation/123", None),
        ("//other.example/fhir/Observation/123?x=1#y", "Observation/123", None),
        (" Observation/123 ", "Observation/123", None),
        (
            "Observation/123/_history/4f1c9a2e-0b1d-4a57-9f5e-3d2c1b0a9f8e",
            "Observation/123",
            "4f1c9a2e-0b1d-4a57-9f5e-3d2c1b0a9f8e",
        ),
        ("Observation/123/_history/W%2F%221%22", "Observation/123", 'W/"1"'),
        ("https://ehr.example/fhir/Patient/Observation/Observation/7", "Observation/7", None),
    ],
)
def test_every_shape_names_the_same_resource(value: str, reference: str, version: str | None) -> None:
    assert parse_location(value) == Located(reference=reference, version=version)


@pytest.mark.parametrize(
    "value",
    ["", "https://ehr.example/", "Observation", "Observation/", "observation/1", "Observation/a b", "http://[", "/1/2"],
)
def test_what_names_no_resource_is_none(value: str) -> None:
    assert parse_location(value) is None


def test_content_location_serves_where_there_is_no_location() -> None:
    answer = Answer(status=200, headers={"content-location": "Observation/5"})
    assert located(answer) == Located(reference="Observation/5")
    assert located(Answer(status=200, headers={"location": "/login", "content-location": "Observation/5"})) == Located(
        reference="Observation/5"
    )
    assert located(Answer(status=200)) is None
