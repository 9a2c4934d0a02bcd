from typing import Any

import pytest

from adapters.r4 import natural_key
from adapters.wire import Answer
from canonical import exact_json
from canonical.capabilities import Interaction
from canonical.errors import NeedsPersonError
from canonical.outcome import ProbeVerdict
from canonical.ports import Operation, Resource

CREATE = Operation(
    interaction=Interaction.CREATE,
    resource_type="Observation",
    body=b'{"resourceType":"Observation"}',
    mark="urn:fhir-writeback:command|1",
    mapping_version="1",
)
UPDATE = Operation(
    interaction=Interaction.UPDATE,
    resource_type="Observation",
    reference="Observation/o1",
    body=b'{"resourceType":"Observation"}',
    mark="urn:fhir-writeback:change|1",
    if_match="3",
    mapping_version="1",
)
OURS: dict[str, Any] = {"resourceType": "Observation", "id": "o1", "meta": {"versionId": "1"}, "same": True}
OTHER: dict[str, Any] = {"resourceType": "Observation", "id": "o2"}


def differs(resource: Resource) -> list[str]:
    return [] if resource.get("same") else ["value"]


def bundle(*resources: dict[str, Any], **more: Any) -> Answer:
    entries = [{"resource": item} for item in resources]
    body = {"resourceType": "Bundle", "type": "searchset", "entry": entries, **more}
    return Answer(status=200, body=exact_json.dumps(body).encode())


NO_COMPLETE_ANSWERS = [
    Answer(status=404, body=b""),
    Answer(status=200, body=b"<html>"),
    Answer(status=200, body=b'{"resourceType":"OperationOutcome"}'),
    bundle(OURS, link=[{"relation": "next", "url": "https://ehr.example/fhir/2"}]),
]


def test_reading_is_searched_for_by_patient_code_and_time() -> None:
    resource = {
        "resourceType": "Observation",
        "subject": {"reference": "Patient/p/1"},
        "code": {"coding": [{"display": "no code"}, {"system": "http://loinc.org", "code": "29463-7"}]},
        "effectiveDateTime": "2026-11-22T08:15:00+02:00",
    }
    assert natural_key.natural_path(resource) == (
        "Observation?patient=p%2F1&code=http%3A%2F%2Floinc.org%7C29463-7&date=2026-11-22T08%3A15%3A00%2B02%3A00"
    )


def test_what_has_no_key_of_its_own_is_searched_for_among_all_of_the_patient() -> None:
    resource = {"resourceType": "AllergyIntolerance", "patient": {"reference": "Patient/p1"}}
    assert natural_key.natural_path(resource) == "AllergyIntolerance?patient=p1"


def test_element_that_is_not_there_narrows_nothing() -> None:
    resource = {"resourceType": "Observation", "subject": {"reference": "Patient/p1"}, "code": {"text": "weight"}}
    assert natural_key.natural_path(resource) == "Observation?patient=p1"


def test_only_what_says_the_same_is_a_twin() -> None:
    assert natural_key.twins(bundle(OTHER, OURS), differs) == ("Observation/o1",)
    assert natural_key.twins(bundle(OTHER), differs) == ()


@pytest.mark.parametrize("answer", NO_COMPLETE_ANSWERS)
def test_twins_that_cannot_be_looked_for_are_not_taken_for_none(answer: Answer) -> None:
    with pytest.raises(NeedsPersonError) as raised:
        natural_key.twins(answer, differs)
    assert raised.value.kind == "not_readable"


@pytest.mark.parametrize(
    ("found", "hidden", "verdict"),
    [
        ([OURS], False, ProbeVerdict.APPLIED),
        ([OURS, OTHER], True, ProbeVerdict.APPLIED),
        ([OURS, {**OURS, "id": "o3"}], False, ProbeVerdict.CANNOT_TELL),
        ([OTHER], False, ProbeVerdict.NOT_APPLIED),
        ([], False, ProbeVerdict.NOT_APPLIED),
        ([OTHER], True, ProbeVerdict.CANNOT_TELL),
        ([], True, ProbeVerdict.CANNOT_TELL),
    ],
)
def test_create_is_proven_by_the_one_entry_that_says_the_same(
    found: list[dict[str, Any]],
    hidden: bool,  # noqa: FBT001 - a parametrised value
    verdict: ProbeVerdict,
) -> None:
    result = natural_key.read_created(CREATE, bundle(*found), differs, hidden=hidden)
    assert result.verdict is verdict
    assert (result.reference == "Observation/o1") is (verdict is ProbeVerdict.APPLIED)


@pytest.mark.parametrize("answer", NO_COMPLETE_ANSWERS)
def test_incomplete_search_proves_nothing_of_a_create(answer: Answer) -> None:
    assert natural_key.read_created(CREATE, answer, differs, hidden=False).verdict is ProbeVerdict.CANNOT_TELL


def test_update_is_proven_by_content_and_disproven_only_by_the_version_it_was_written_on() -> None:
    assert natural_key.read_updated(UPDATE, OURS, "4", differs).verdict is ProbeVerdict.APPLIED
    assert natural_key.read_updated(UPDATE, OTHER, "3", differs).verdict is ProbeVerdict.NOT_APPLIED
    assert natural_key.read_updated(UPDATE, OTHER, "4", differs).verdict is ProbeVerdict.CANNOT_TELL
    assert natural_key.read_updated(UPDATE, OTHER, None, differs).verdict is ProbeVerdict.CANNOT_TELL


def coded(*codings: tuple[str, str], time: str = "2026-11-22") -> dict[str, Any]:
    found = [{"system": system, "code": code} for system, code in codings]
    return {"resourceType": "Observation", "code": {"coding": found}, "effectiveDateTime": time}


def test_codes_of_two_systems_tell_nothing_apart_and_a_time_does() -> None:
    ours, theirs = coded(("loinc", "1")), coded(("own", "77"))
    assert natural_key.telling(ours, theirs) == {"effectiveDateTime"}
    assert natural_key.telling(ours, coded(("own", "77"), ("loinc", "2"))) == {"code", "effectiveDateTime"}
    assert natural_key.telling(ours, {**theirs, "code": {"text": "pulse"}}) == {"effectiveDateTime"}
    assert natural_key.telling(ours, {"resourceType": "Observation"}) == {"code", "effectiveDateTime"}
