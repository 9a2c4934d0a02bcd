"""A proxy that compresses or caches may weaken or rewrite an ETag on its way: the version is what the resource says."""

import json

import pytest

from adapters.r4.answers import classify
from adapters.wire import Answer
from canonical.outcome import Outcome
from canonical.ports import Interaction, Operation
from tests.adapters.chart import TRACE, opened
from tests.adapters.commands import NOW
from tests.adapters.raw_server import RawServer, answering, http

UPDATE = Operation(
    interaction=Interaction.UPDATE,
    resource_type="Observation",
    reference="Observation/o1",
    body=b"{}",
    mark="urn:fhir-writeback:change|1",
    if_match="3",
    mapping_version="x",
)
BODY = json.dumps({"resourceType": "Observation", "id": "o1", "meta": {"versionId": "4"}}).encode()
REWRITTEN = ['W/"4-gzip"', '"4--br"', 'W/"4"', '"4"', "4"]


@pytest.mark.parametrize("etag", REWRITTEN)
def test_what_is_read_is_at_the_version_that_the_resource_states(etag: str) -> None:
    raw = http("200 OK", f"ETag: {etag}", "Content-Type: application/fhir+json", body=BODY)
    with RawServer(answering(raw)) as server, opened(server.url) as ehr:
        assert ehr.fetch("Observation/o1", TRACE).version == "4"


@pytest.mark.parametrize("etag", REWRITTEN)
def test_what_was_written_is_at_the_version_that_the_answer_states(etag: str) -> None:
    settled = classify(UPDATE, Answer(status=200, headers={"etag": etag}, body=BODY), now=NOW)
    assert (settled.outcome, settled.version) == (Outcome.APPLIED, "4")
