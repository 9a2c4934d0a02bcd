"""What a model wrote is told to every EHR that takes a Provenance, in the form in which it takes one, and to no other."""

from __future__ import annotations

import pytest

from adapters import adapters
from adapters.r4.provenance import with_provenance
from adapters.site import Site
from canonical.compound import first_plan
from canonical.outcome import Outcome, ProbeVerdict
from canonical.ports import Interaction, Operation
from tests.adapters.commands import WEIGHT, command
from tests.conformance.connection import connection_of, opened, play
from tests.conformance.desk import TRACE
from tests.sandbox_fixture import RunningSandbox

ENTRY = Operation(
    interaction=Interaction.CREATE, resource_type="Observation", body=b"{}", mark="urn:m|1", mapping_version="m/1"
)


@pytest.mark.parametrize("key", sorted(adapters()))
def test_a_provenance_is_taken_kept_and_found_again_or_never_sent(sandbox_server: RunningSandbox, key: str) -> None:
    adapter = adapters()[key]
    asking = Site(base_url=sandbox_server.url, options={"provenance": "ai"})
    sent = command(WEIGHT, ai={"model": "scribe", "version": "3", "sourceFacts": ["DocumentReference/n1"]})
    operations = with_provenance(sent, [ENTRY], adapter.capabilities, asking)
    takes_one = connection_of(key).takes_provenance
    assert len(operations) == 1 + takes_one
    if not takes_one:
        return
    play(sandbox_server, key)
    plan = first_plan(operations).after("Observation/o1", proven=True, version="1")
    with opened(sandbox_server, adapter) as ehr:
        assert ehr.probe(plan.next, TRACE).verdict is ProbeVerdict.NOT_APPLIED
        settled = ehr.send(plan.next, TRACE)
        assert settled.outcome is Outcome.APPLIED, settled
        assert settled.reference is not None
        stored = ehr.fetch(settled.reference, TRACE).resource
        assert stored is not None
        assert ehr.differences(plan.next, stored) == ()
        assert ehr.twins(plan.next, TRACE) == ()
        found = ehr.probe(plan.next, TRACE)
    assert (found.verdict, found.reference) == (ProbeVerdict.APPLIED, settled.reference)
    assert len(sandbox_server.resources("Provenance")) == 1
