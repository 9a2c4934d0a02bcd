"""What Epic answers about a record that was merged into another: never taken for one that is not there."""

import pytest

from canonical import exact_json
from canonical.errors import NeedsPersonError
from canonical.patient_trail import MergeStep, ToldBy, TrailEnd
from tests.adapters.chart import PATIENT, TRACE, opened
from tests.adapters.raw_server import RawServer, Script, answering, http

CODES = "urn:oid:1.2.840.114350.1.13.0.1.7.2.657369"


def told(code: str) -> bytes:
    """Return an ``OperationOutcome`` with a number of the vendor's."""
    details = {"coding": [{"system": CODES, "code": code}]}
    issue = {"severity": "fatal", "code": "invalid", "details": details}
    return exact_json.dumps({"resourceType": "OperationOutcome", "issue": [issue]}).encode()


@pytest.mark.parametrize(("code", "kind"), [("4107", "merged_patient"), ("4118", "not_readable")])
def test_a_record_that_was_merged_is_told_from_one_that_may_not_be_read(code: str, kind: str) -> None:
    refusal = http("403 Forbidden", body=told(code))
    with RawServer(answering(refusal)) as server, opened(server.url, adapter="epic") as ehr:
        with pytest.raises(NeedsPersonError) as caught:
            ehr.fetch("Patient/p1", TRACE)
        assert caught.value.kind == kind
        assert "p1" not in str(caught.value)


def test_a_merged_record_is_no_record_that_is_not_there() -> None:
    bodies = [told(code) for code in ("4107", "4103")]
    scripts = [answering(http("404 Not Found", body=body)) for body in bodies]
    with RawServer(*scripts) as server, opened(server.url, adapter="epic") as ehr:
        with pytest.raises(NeedsPersonError):
            ehr.fetch("Patient/p1", TRACE)
        assert ehr.fetch("Patient/p1", TRACE).resource is None


def refusal(code: str, location: str) -> Script:
    return answering(http("404 Not Found", f"Location: {location}", body=told(code)))


def record(identity: str) -> Script:
    return answering(http("200 OK", body=exact_json.dumps({**PATIENT, "id": identity}).encode()))


def test_the_code_leads_to_the_record_that_the_answer_names() -> None:
    with RawServer(refusal("4107", "Patient/p1"), record("p1")) as server, opened(server.url, adapter="epic") as ehr:
        found = ehr.trail_of("Patient/p2", TRACE)
    assert found.steps == (MergeStep(patient="Patient/p2", into="Patient/p1", told_by=ToldBy.REDIRECT),)
    assert found.survivor == "Patient/p1"


@pytest.mark.parametrize(
    ("code", "location", "end"),
    [
        ("4107", "", TrailEnd.NAMELESS),
        ("4107", "https://other.example/fhir/Patient/p1", TrailEnd.NAMELESS),
        ("4103", "Patient/p1", TrailEnd.UNREAD),
    ],
)
def test_a_refusal_that_names_no_record_of_this_ehr_leads_nowhere(code: str, location: str, end: TrailEnd) -> None:
    with RawServer(refusal(code, location)) as server, opened(server.url, adapter="epic") as ehr:
        found = ehr.trail_of("Patient/p2", TRACE)
    assert (found.end, found.steps) == (end, ())
