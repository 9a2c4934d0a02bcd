"""A command whose EHR cannot take it as it is, from claim to proof: in words, once, and never mistaken for the entry."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from adapters.ehr import RestEhr
from adapters.fhir_r4 import ADAPTER
from adapters.r4.adapter import R4Adapter
from adapters.r4.support import refused
from adapters.site import Site
from adapters.tokens import NoTokens
from adapters.wire import Wire
from canonical.errors import UnsupportedActionError
from canonical.ports import Proof, Surrounding
from tests.adapters.chart import PATIENT, TIMINGS
from tests.adapters.commands import START, WEIGHT, command, medication
from tests.sandbox_fixture import RunningSandbox
from tests.tasks.ward import Ward

assert isinstance(ADAPTER, R4Adapter)
NO_LIST = refused("MedicationChange", dict.fromkeys(("start", "hold", "retract"), "It keeps no list of medicines."))
CAPABILITIES = dataclasses.replace(
    ADAPTER.capabilities,
    supports={**ADAPTER.capabilities.supports, **NO_LIST},
    fallbacks={"message": ("CareMessage", "send"), "task": ("CareTask", "create")},
)
LISTLESS = dataclasses.replace(ADAPTER, key="listless", capabilities=CAPABILITIES)
TO = {"fallback_to": {"message": "Practitioner/n1"}}


@pytest.fixture
def ehr(sandbox: RunningSandbox) -> Iterator[RestEhr]:
    sandbox.seed([PATIENT, {"resourceType": "Practitioner", "id": "n1"}])
    made = RestEhr(
        adapter=LISTLESS,
        site=Site(base_url=sandbox.url, options=TO),
        wire=Wire(sandbox.url, max_connections=2),
        tokens=NoTokens(),
        timings=TIMINGS,
        proof=Proof.ANSWER,
        clock=lambda: datetime.now(UTC),
    )
    yield made
    made.close()


def test_without_leave_of_the_command_nothing_is_planned(ehr: RestEhr) -> None:
    with pytest.raises(UnsupportedActionError, match="keeps no list"):
        ehr.plan(command(START), Surrounding())


def test_what_the_ehr_takes_goes_as_it_is_whatever_the_command_allows(ehr: RestEhr) -> None:
    (operation,) = ehr.plan(command(WEIGHT, fallback=["message"]), Surrounding())
    assert (operation.resource_type, operation.sent_as) == ("Observation", None)


def test_change_goes_as_a_message_that_names_the_entry(ehr: RestEhr) -> None:
    held = command(
        medication("hold"),
        target={"reference": "MedicationStatement/m1", "versionId": "3", "seen": {"status": "active"}},
        fallback=["task", "message"],
    )
    (operation,) = ehr.plan(held, Surrounding())
    assert (operation.resource_type, operation.sent_as, operation.if_match) == ("Communication", "message", None)
    assert b"MedicationStatement/m1" in operation.body


def test_command_is_in_the_chart_as_a_message_once_and_says_so(
    ward: Ward, ehr: RestEhr, sandbox: RunningSandbox
) -> None:
    accepted = ward.submit(START, key="in-words", fallback=["message"])
    ward.run(accepted.lane_id, ward.turn(chart=ehr))
    (message,) = sandbox.resources("Communication")
    assert "metformin" in message["payload"][0]["contentString"]
    assert sandbox.resources("MedicationStatement") == []
    assert ward.events(accepted.command_id) == ["received", "accepted", "claimed", "answered_proven"]
    assert ward.state(accepted.command_id) == "verified"
    assert ward.submit(START, key="in-words", fallback=["message"]).command_id == accepted.command_id
    sql = "SELECT sent_as FROM commands WHERE id = %(id)s"
    assert ward.query(sql, id=accepted.command_id) == [{"sent_as": "message"}]


def test_message_about_a_retraction_takes_nothing_back(ward: Ward, ehr: RestEhr, sandbox: RunningSandbox) -> None:
    first = ward.submit(START)
    ward.run(first.lane_id, ward.turn(chart=_with_list(ehr)))
    retraction = ward.submit(medication("retract"), target={"command": str(first.command_id)}, fallback=["message"])
    ward.run(retraction.lane_id, ward.turn(chart=ehr))
    assert ward.state(retraction.command_id) == "verified"
    assert ward.state(first.command_id) == "verified"
    assert len(sandbox.resources("Communication")) == 1


def _with_list(ehr: RestEhr) -> RestEhr:
    """Return the same EHR as it was when it still took medicines."""
    able = RestEhr.__new__(RestEhr)
    able.__dict__ |= ehr.__dict__ | {"_adapter": ADAPTER, "capabilities": ADAPTER.capabilities}
    return able
