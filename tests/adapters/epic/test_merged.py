"""What Epic answers about a record that was merged into another: never taken for one that is not there."""

import pytest

from canonical import exact_json
from canonical.errors import NeedsPersonError
from tests.adapters.chart import TRACE, opened
from tests.adapters.raw_server import RawServer, answering, http

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
