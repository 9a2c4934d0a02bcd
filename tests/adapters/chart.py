"""An EHR of ours opened on a running sandbox, with the one patient whom the commands of this room name."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from adapters import open_ehr
from adapters.ehr import RestEhr
from canonical.command import Command
from canonical.ports import ConnectionSettings, Fetched, Operation, Proof, Surrounding, Timings, Trace
from tests.adapters.commands import COMMAND_ID, START, command
from tests.sandbox_fixture import RunningSandbox

#: Our identifier in what the test command created.
MARK = {"system": "urn:fhir-writeback:command", "value": str(COMMAND_ID)}
POST_FAULT = {"method": "POST"}
PUT_FAULT = {"method": "PUT"}
TRACE = Trace(
    correlation_id="corr-1",
    request_id="req-1",
    traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
)
TIMINGS = Timings(request=timedelta(seconds=1.5), send_within=timedelta(seconds=1))
PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p1",
    "birthDate": "1961-04-02",
    "name": [{"family": "Lopez"}],
}


def settings(url: str, **over: Any) -> ConnectionSettings:
    values = {"tenant": "t1", "name": "north", "adapter": "fhir_r4", "base_url": url, "timings": TIMINGS, **over}
    return ConnectionSettings(**values)


@contextmanager
def opened(url: str, **over: Any) -> Iterator[RestEhr]:
    ehr = open_ehr(settings(url, **over))
    assert isinstance(ehr, RestEhr)
    try:
        yield ehr
    finally:
        ehr.close()


@contextmanager
def at(sandbox: RunningSandbox, *, proof: Proof = Proof.READ_BACK) -> Iterator[RestEhr]:
    """Open the sandbox with the patient and a practitioner in its chart."""
    sandbox.seed([PATIENT, {"resourceType": "Practitioner", "id": "n1"}])
    with opened(sandbox.url, proof=proof) as ehr:
        yield ehr


def plan(ehr: RestEhr, command: Command) -> Operation:
    """The one operation of ``command`` against the chart as it is now."""
    current: Fetched | None = None
    if not command.rule.creates and command.target_reference is not None:
        current = ehr.fetch(command.target_reference, TRACE)
    (operation,) = ehr.plan(command, Surrounding(current=current))
    return operation


def writes(sandbox: RunningSandbox) -> list[tuple[str, int | str]]:
    """Method and status of every write the sandbox was sent."""
    return [(entry["method"], entry["status"]) for entry in sandbox.requests() if entry["method"] in {"POST", "PUT"}]


def marked(sandbox: RunningSandbox, type: str = "Observation") -> list[dict[str, Any]]:
    return [item for item in sandbox.resources(type) if MARK in item.get("identifier", [])]


def entry_in_chart(sandbox: RunningSandbox, ehr: RestEhr) -> str:
    settled = ehr.send(plan(ehr, command(START)), TRACE)
    assert settled.reference is not None
    return settled.reference


def hold(reference: str, version: str = "1", **over: Any) -> dict[str, Any]:
    return {"target": {"reference": reference, "versionId": version, "seen": {"status": "active"}, **over}}
