"""How Epic says that a record was merged into another: told from one that may not be read, and from one that is not there."""

import pytest

from canonical import exact_json
from canonical.errors import NeedsPersonError
from tests.adapters.chart import TRACE, opened
from tests.adapters.raw_server import RawServer, answering, http
from tests.adapters.test_epic import LICENSED, issue


@pytest.mark.parametrize(("code", "kind"), [("4107", "merged_patient"), ("4118", "not_readable")])
def test_a_record_that_was_merged_is_told_from_one_that_may_not_be_read(code: str, kind: str) -> None:
    refusal = http("403 Forbidden", body=exact_json.dumps(issue(code)).encode())
    with RawServer(answering(refusal)) as server, opened(server.url, adapter="epic", options=LICENSED) as ehr:
        with pytest.raises(NeedsPersonError) as caught:
            ehr.fetch("Patient/p1", TRACE)
        assert caught.value.kind == kind
        assert "p1" not in str(caught.value)


def test_a_merged_record_is_no_record_that_is_not_there() -> None:
    bodies = [exact_json.dumps(issue(code)).encode() for code in ("4107", "4103")]
    scripts = [answering(http("404 Not Found", body=body)) for body in bodies]
    with RawServer(*scripts) as server, opened(server.url, adapter="epic", options=LICENSED) as ehr:
        with pytest.raises(NeedsPersonError):
            ehr.fetch("Patient/p1", TRACE)
        assert ehr.fetch("Patient/p1", TRACE).resource is None
