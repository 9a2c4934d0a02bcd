"""The past of an entry: whole or said not to be, refusals by a code, an EHR that is away by an error, patients never by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from adapters import open_ehr
from canonical.errors import EhrUnavailableError
from canonical.outcome import Outcome
from canonical.ports import ConnectionSettings, Ehr, Operation, Surrounding
from tests.adapters.chart import TIMINGS, TRACE
from tests.adapters.commands import WEIGHT, command
from tests.sandbox_fixture import RunningSandbox, sandbox, sandbox_server

__all__ = ["sandbox", "sandbox_server"]
PATIENT = {"resourceType": "Patient", "id": "p1", "birthDate": "1961-04-02", "name": [{"family": "Lopez"}]}


def opened(sandbox: RunningSandbox, **options: Any) -> Ehr:
    return open_ehr(
        ConnectionSettings(
            tenant="t1", name="north", adapter="fhir_r4", base_url=sandbox.url, timings=TIMINGS, options=options
        )
    )


@pytest.fixture
def ehr(sandbox: RunningSandbox) -> Iterator[Ehr]:
    sandbox.seed([PATIENT])
    found = opened(sandbox)
    yield found
    found.close()


def written(ehr: Ehr) -> tuple[Operation, str]:
    (operation,) = ehr.plan(command(WEIGHT).evolve(id=uuid4()), Surrounding())
    settled = ehr.send(operation, TRACE)
    assert settled.outcome is Outcome.APPLIED
    assert settled.reference is not None
    return operation, settled.reference


def entry(sandbox: RunningSandbox, reference: str) -> dict[str, Any]:
    return dict(next(it for it in sandbox.resources("Observation") if f"Observation/{it['id']}" == reference))


def test_versions_come_in_the_ehrs_order_each_with_whose_it_is(sandbox: RunningSandbox, ehr: Ehr) -> None:
    operation, reference = written(ehr)
    sandbox.edit(entry(sandbox, reference) | {"language": "en"})
    sandbox.delete(reference)
    shown = ehr.history(reference, TRACE)
    told = [(item.version, item.is_ours, item.mark, item.resource is None) for item in shown.versions]
    assert told == [("1", True, operation.mark, False), ("2", False, None, False), ("3", False, None, True)]
    assert shown.is_whole
    assert all(item.at is not None for item in shown.versions)


@pytest.mark.parametrize(
    ("by", "author"),
    [
        ({"name": "Dr A. Ruiz", "reference": "Practitioner/d1"}, "Dr A. Ruiz"),
        ({"name": "Ana Lopez", "role": "patient"}, "patient"),
        ({"name": "Ana Lopez"}, "a person"),
    ],
    ids=["staff", "whoever says what they are", "whoever may be the patient"],
)
def test_only_staff_are_named(sandbox: RunningSandbox, ehr: Ehr, by: dict[str, str], author: str) -> None:
    _, reference = written(ehr)
    sandbox.edit(entry(sandbox, reference) | {"language": "en"}, by=by)
    last = ehr.history(reference, TRACE).versions[-1]
    assert (last.author, last.is_named) == (author, True)


def test_a_version_through_another_system_has_somebody_who_stands_for_it(sandbox: RunningSandbox, ehr: Ehr) -> None:
    _, reference = written(ehr)
    sandbox.edit(entry(sandbox, reference) | {"language": "en"}, system="urn:example:engine")
    assert ehr.history(reference, TRACE).versions[-1].is_named


def test_a_history_that_is_refused_leaves_the_current_version_and_says_so(sandbox: RunningSandbox, ehr: Ehr) -> None:
    _, reference = written(ehr)
    refused: dict[str, Any] = {"fault": "error_before_commit", "parameters": {"status": 403}}
    sandbox.faults({**refused, "match": {"path": "_history"}}, {**refused, "match": {"path": "/Provenance"}})
    shown = ehr.history(reference, TRACE)
    assert (shown.is_whole, shown.troubles) == (False, ("history-http-403", "provenance-http-403"))
    assert [(item.version, item.mark) for item in shown.versions] == [("1", None)]


def test_an_ehr_that_is_away_is_no_empty_history(sandbox: RunningSandbox, ehr: Ehr) -> None:
    operation, reference = written(ehr)
    sandbox.faults({"fault": "error_before_commit", "parameters": {"status": 503}})
    with pytest.raises(EhrUnavailableError, match="outage"):
        ehr.history(reference, TRACE)
    with pytest.raises(EhrUnavailableError, match="outage"):
        ehr.copies(operation, TRACE)


def test_a_server_that_has_no_history_to_offer_is_not_away(sandbox: RunningSandbox, ehr: Ehr) -> None:
    _, reference = written(ehr)
    sandbox.faults({"fault": "error_before_commit", "parameters": {"status": 501}, "match": {"path": "_history"}})
    shown = ehr.history(reference, TRACE)
    assert (shown.is_whole, shown.troubles, len(shown.versions)) == (False, ("history-http-501",), 1)


def test_every_copy_of_a_create_is_found_and_nothing_beside_it(sandbox: RunningSandbox, ehr: Ehr) -> None:
    operation, reference = written(ehr)
    written(ehr)
    sandbox.edit({**entry(sandbox, reference), "id": "again"})
    assert set(ehr.copies(operation, TRACE)) == {reference, "Observation/again"}


def test_what_this_service_is_known_to_act_as_is_ours_without_a_mark(sandbox: RunningSandbox, ehr: Ehr) -> None:
    _, reference = written(ehr)
    sandbox.edit(entry(sandbox, reference) | {"language": "en"}, by={"name": "wb", "reference": "Practitioner/wb"})
    own = opened(sandbox, acts_as=["Practitioner/wb"])
    assert own.history(reference, TRACE).versions[-1].is_ours
    assert not ehr.history(reference, TRACE).versions[-1].is_ours
    own.close()
