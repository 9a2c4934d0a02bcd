"""Provenance beside what was written: what it names, how it is known again, and how the EHR's own way of taking it is kept."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters import fhir_r4
from adapters.r4 import provenance
from adapters.site import Site
from adapters.wire import Answer
from canonical import exact_json
from canonical.capabilities import Attribution, ProvenanceWrite, provenance_asked
from canonical.command import Approval, OperationProgress
from canonical.compound import digest_of, first_plan, plan_of_rest
from canonical.outcome import ProbeVerdict
from canonical.ports import Operation, Surrounding
from canonical.provenance import Asked, check_asked
from tests.adapters.commands import COMMAND_ID, WEIGHT, command
from tests.adapters.r4.test_care_gap import CLOSE

SITE = Site(base_url="https://ehr.example/fhir")
AI = {"model": "scribe", "version": "3"}
#: An EHR that takes one target, shows no versions, and does not state what it keeps.
ONE_EACH = replace(
    fhir_r4.CAPABILITIES,
    provenance_write=ProvenanceWrite(one_target=True, confirmed=False),
    attribution=Attribution(),
)
APPROVED = Approval(person="ada", name="Ada Chen", at=datetime(2026, 11, 22, 13, 5, tzinfo=UTC))


def planned(**more: Any) -> tuple[Operation, Operation]:
    entry, told = fhir_r4.ADAPTER.plan(command(WEIGHT, ai=AI, **more), Surrounding(), SITE)
    return entry, told


def said(operation: Operation) -> dict[str, Any]:
    parsed: dict[str, Any] = exact_json.parse(operation.body)
    return parsed


def test_every_entry_of_a_compound_is_named_in_the_version_that_was_written() -> None:
    sent = command(CLOSE, ai=AI)
    *entries, told = fhir_r4.ADAPTER.plan(sent, Surrounding(), SITE)
    assert len(entries) > 1
    assert [item.seq for item in (*entries, told)] == list(range(1, len(entries) + 2))
    plan = first_plan([*entries, told])
    for number, _ in enumerate(entries):
        plan = plan.after(f"Observation/{number}", proven=True, version=str(number + 7))
    assert said(plan.next)["target"] == [
        {"reference": f"Observation/{number}/_history/{number + 7}"} for number, _ in enumerate(entries)
    ]
    assert not told.is_primary


def test_the_rest_of_a_command_names_what_was_written_before_it_was_interrupted() -> None:
    entry, told = planned()
    done = OperationProgress(
        seq=1, state="applied", placeholder=entry.placeholder, reference="Observation/o1", version="4"
    )
    left = replace(command(WEIGHT, ai=AI), operations=(done, OperationProgress(seq=2, state="planned")))
    plan = plan_of_rest(left, [entry, told])
    assert said(plan.next)["target"] == [{"reference": "Observation/o1/_history/4"}]
    unversioned = replace(left, operations=(replace(done, version=None), left.operations[1]))
    assert said(plan_of_rest(unversioned, [entry, told]).next)["target"] == [{"reference": "Observation/o1"}]


def test_an_ehr_that_takes_one_target_gets_one_for_each_entry_and_only_where_the_connection_asks() -> None:
    sent, can = command(CLOSE, ai=AI), ONE_EACH
    entries = fhir_r4.ADAPTER.plan(sent, Surrounding(), Site(base_url=SITE.base_url, options={"provenance": "none"}))
    assert provenance.with_provenance(sent, entries, can, SITE) == list(entries)
    asking = Site(base_url=SITE.base_url, options={"provenance": "ai"})
    told = provenance.with_provenance(sent, entries, can, asking)[len(entries) :]
    assert [len(said(item)["target"]) for item in told] == [1] * len(entries)
    assert len({item.mark for item in told}) == len(entries)
    assert not any("#written" in item.body.decode() for item in told), "it shows no versions"


def test_who_approved_is_named_and_the_digest_they_approved_stays_the_same() -> None:
    unapproved = fhir_r4.ADAPTER.plan(command(WEIGHT, ai=AI), Surrounding(), SITE)
    approved = fhir_r4.ADAPTER.plan(command(WEIGHT, ai=AI).evolve(approvals=(APPROVED,)), Surrounding(), SITE)
    assert digest_of(unapproved) == digest_of(approved) == digest_of(approved[:1])
    assert said(approved[1])["recorded"] == "2026-11-22T13:05:00.000Z"
    assert said(approved[1])["agent"][-1]["who"] == {"identifier": {"value": "ada"}, "display": "Ada Chen"}


@pytest.mark.parametrize(
    ("options", "ai", "told"),
    [({}, AI, 1), ({}, None, 0), ({"provenance": "all"}, None, 1), ({"provenance": "none"}, AI, 0)],
)
def test_a_connection_says_of_what_it_wants_one(options: dict[str, Any], ai: Any, told: int) -> None:
    operations = fhir_r4.ADAPTER.plan(
        command(WEIGHT, ai=ai), Surrounding(), Site(base_url=SITE.base_url, options=options)
    )
    assert len(operations) == 1 + told


def test_what_is_asked_for_by_a_word_that_means_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="none, ai, all"):
        check_asked({"provenance": "sometimes"})
    assert provenance_asked(ONE_EACH, {}) is Asked.NONE


def bundle(*resources: dict[str, Any], url: str = "Provenance?target=Observation/o1", more: str = "self") -> Answer:
    body = {
        "resourceType": "Bundle",
        "link": [{"relation": more, "url": url}],
        "entry": [{"resource": item} for item in resources],
    }
    return Answer(status=200, headers={}, body=exact_json.dumps(body).encode())


STRANGER = {"resourceType": "Provenance", "id": "x", "recorded": "2020-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (lambda _ours: bundle(), ProbeVerdict.NOT_APPLIED),
        (lambda _ours: bundle(STRANGER), ProbeVerdict.NOT_APPLIED),
        (lambda ours: bundle(STRANGER, ours), ProbeVerdict.APPLIED),
        (lambda ours: bundle(ours, {**ours, "id": "b"}), ProbeVerdict.CANNOT_TELL),
        (lambda ours: bundle({**ours, "entity": []}), ProbeVerdict.CANNOT_TELL),
        (lambda _ours: bundle(url="Provenance?_count=20"), ProbeVerdict.CANNOT_TELL),
        (lambda _ours: bundle(more="next"), ProbeVerdict.CANNOT_TELL),
        (lambda _ours: Answer(status=403, headers={}, body=b""), ProbeVerdict.CANNOT_TELL),
    ],
    ids=["nothing", "another's", "ours", "ours twice", "mark dropped", "not by target", "cut short", "refused"],
)
def test_only_a_whole_search_without_our_mark_says_that_it_was_not_written(found: Any, verdict: ProbeVerdict) -> None:
    plan = first_plan(planned()).after("Observation/o1", proven=True, version="1")
    ours = {**said(plan.next), "id": "a"}
    asked = fhir_r4.ADAPTER.probe(plan.next, SITE)
    assert asked.path == "Provenance?target=Observation%2Fo1"
    result = fhir_r4.ADAPTER.read_probe(plan.next, found(ours), SITE)
    assert result.verdict is verdict
    assert (result.reference == "Provenance/a") == (verdict is ProbeVerdict.APPLIED)
    assert str(COMMAND_ID) in plan.next.mark
