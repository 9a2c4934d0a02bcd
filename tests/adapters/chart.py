"""An EHR of ours opened on a running sandbox, with the one patient whom the commands of this room name."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from adapters import open_ehr
from adapters.ehr import RestEhr
from canonical.command import Command
from canonical.ports import ConnectionSettings, Fetched, Operation, Proof, Timings, Trace
from tests.sandbox_fixture import RunningSandbox

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
    (operation,) = ehr.plan(command, current)
    return operation


def writes(sandbox: RunningSandbox) -> list[tuple[str, int | str]]:
    """Method and status of every write the sandbox was sent."""
    return [(entry["method"], entry["status"]) for entry in sandbox.requests() if entry["method"] in {"POST", "PUT"}]
