"""What a model wrote is visible as such in the chart: who decided it, what wrote it, what it read, and who approved it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest

from adapters import open_ehr
from canonical.ports import ConnectionSettings, Ehr, Proof
from canonical.review_desk import Verb
from store.intake import Accepted
from tests.factories import concept, medication_change_json
from tests.faults.proxy import Cut
from tests.interop.station import TIMINGS
from tests.reconcile.review.bench import PHARMACIST, RXNORM, ReviewBench
from tests.sandbox_fixture import ADMIN_TOKEN

AI: dict[str, Any] = {
    "model": "scribe",
    "version": "3",
    "sourceFacts": ["DocumentReference/n1"],
    "approvedBy": {"value": "dr-up"},
}
MORE: dict[str, Any] = {
    "ai": AI,
    "author": {"role": "pharmacist", "reference": "Practitioner/n1"},
    "onBehalfOf": {"value": "dr-b"},
    "source": {"derivedFrom": ["Observation/o9"]},
    "attestation": [{"who": {"value": "nu-1"}, "role": "nurse", "time": "2026-11-22T12:00:00Z"}],
}
NUMBER = iter(range(70_000, 80_000))


def started(bench: ReviewBench, **more: Any) -> Accepted:
    """Submit what a model wrote: a medication to be started, which a person must approve."""
    number = next(NUMBER)
    action = medication_change_json("start", medication=concept(RXNORM, str(number), f"medicine {number}"))
    usual = {**MORE, "new": {"approval_required": True, "approval_reason": "ai-authored"}}
    return bench.station.ward.submit(action, **{**usual, **more})


def approve(bench: ReviewBench, accepted: Accepted) -> None:
    case = bench.case_of(accepted.command_id)
    bench.decide(PHARMACIST, bench.desk.open(PHARMACIST, case), Verb.APPROVE)


def told_of(bench: ReviewBench, accepted: Accepted) -> list[dict[str, Any]]:
    """Return the chart's Provenance of what a command wrote."""
    entries = [item["id"] for item in bench.station.marked(accepted.command_id, "MedicationStatement")]
    targets = {f"MedicationStatement/{name}" for name in entries}
    return [
        item
        for item in bench.station.server.all("Provenance")
        if any(target["reference"].partition("/_history/")[0] in targets for target in item["target"])
    ]


def agents(provenance: dict[str, Any]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for agent in provenance["agent"]:
        found.setdefault(agent["type"]["coding"][0]["code"], []).append(agent["who"])
    return found


def test_what_a_model_wrote_and_a_pharmacist_approved_is_in_the_chart_once_with_all_who_made_it(
    bench: ReviewBench,
) -> None:
    ward, accepted = bench.station.ward, started(bench)
    bench.station.run(accepted.lane_id)
    assert (ward.attempts(accepted.command_id), told_of(bench, accepted)) == ([], [])
    assert bench.station.marked(accepted.command_id, "MedicationStatement") == []
    approve(bench, accepted)
    bench.station.run(accepted.lane_id)
    assert ward.state(accepted.command_id) == "verified", ward.cases(accepted.command_id)
    (entry,) = bench.station.marked(accepted.command_id, "MedicationStatement")
    (provenance,) = told_of(bench, accepted)
    assert provenance["target"] == [
        {"reference": f"MedicationStatement/{entry['id']}/_history/{entry['meta']['versionId']}"}
    ]
    assert agents(provenance) == {
        "author": [{"reference": "Practitioner/n1"}],
        "assembler": [{"type": "Device", "display": "scribe 3"}],
        "attester": [{"identifier": {"value": "nu-1"}}, {"identifier": {"value": "dr-up"}}],
        "verifier": [{"identifier": {"value": PHARMACIST.subject}, "display": PHARMACIST.name}],
    }
    assert provenance["agent"][0]["onBehalfOf"] == {"identifier": {"value": "dr-b"}}
    assert [(item["role"], item["what"].get("reference")) for item in provenance["entity"]] == [
        ("source", None),
        ("derivation", "Observation/o9"),
        ("source", "DocumentReference/n1"),
    ]
    (decision,) = ward.query("SELECT at FROM decisions WHERE command_id = %(id)s", id=accepted.command_id)
    assert provenance["recorded"][:19] == decision["at"].isoformat()[:19]
    assert "scribe" not in str(entry)


def test_what_was_approved_is_the_entry_and_the_provenance_follows_from_it(bench: ReviewBench) -> None:
    ward, accepted = bench.station.ward, started(bench)
    approve(bench, accepted)
    bench.station.run(accepted.lane_id)
    (decision,) = ward.query("SELECT payload_digest FROM decisions WHERE command_id = %(id)s", id=accepted.command_id)
    (command,) = ward.query("SELECT approval_payload FROM commands WHERE id = %(id)s", id=accepted.command_id)
    assert decision["payload_digest"] == command["approval_payload"]
    assert ward.events(accepted.command_id)[-3:] == ["claimed", "continued", "answered_proven"]


@pytest.mark.parametrize("cut", [Cut.AFTER, Cut.BEFORE])
def test_a_lost_answer_to_the_provenance_leaves_one_of_it_and_the_entry_untouched(bench: ReviewBench, cut: Cut) -> None:
    ward, accepted = bench.station.ward, started(bench)
    approve(bench, accepted)
    bench.station.proxy.cut("lost", b"POST /fhir/Provenance", cut=cut)
    bench.station.run(accepted.lane_id)
    assert ward.state(accepted.command_id) == "unknown"
    (entry,) = bench.station.marked(accepted.command_id, "MedicationStatement")
    assert entry["meta"]["versionId"] == "1"
    ward.let_time_pass(accepted.lane_id)
    bench.station.run(accepted.lane_id)
    assert ward.state(accepted.command_id) in {"verified", "applied"}
    assert len(told_of(bench, accepted)) == 1
    assert bench.station.marked(accepted.command_id, "MedicationStatement") == [entry]
    bodies = (
        "SELECT DISTINCT body_digest FROM attempts WHERE command_id = %(id)s AND kind = 'send' AND operation_seq = 2"
    )
    assert len(ward.query(bodies, id=accepted.command_id)) == 1


@contextmanager
def refusing(bench: ReviewBench, status: int) -> Iterator[None]:
    """Have the EHR refuse every Provenance for a while."""
    rule = {"fault": "error_before_commit", "match": {"path": "/Provenance"}, "parameters": {"status": status}}
    with httpx.Client(headers={"Authorization": f"Bearer {ADMIN_TOKEN}"}) as admin:
        address = urljoin(bench.station.server.url, "/admin/faults")
        admin.put(address, json=[rule]).raise_for_status()
        try:
            yield
        finally:
            admin.put(address, json=[]).raise_for_status()


def connected(bench: ReviewBench, asks: str) -> Ehr:
    """Open the chart by a connection that asks for Provenance as ``asks`` says."""
    station = bench.station
    return open_ehr(
        ConnectionSettings(
            tenant="t1",
            name="north",
            adapter="fhir_r4",
            base_url=station.proxy.url(station.server.url),
            timings=TIMINGS,
            proof=Proof.ANSWER,
            options={"provenance": asks},
        )
    )


def run_with(bench: ReviewBench, accepted: Accepted, ehr: Ehr) -> None:
    ward = bench.station.ward
    ward.run(accepted.lane_id, ward.turn(chart=ehr))
    ehr.close()


def test_a_provenance_that_is_refused_leaves_the_entry_in_the_chart_and_a_case(bench: ReviewBench) -> None:
    ward, accepted = bench.station.ward, started(bench)
    approve(bench, accepted)
    with refusing(bench, 422):
        bench.station.run(accepted.lane_id)
    assert ward.state(accepted.command_id) == "incomplete"
    assert ward.cases(accepted.command_id) == ["awaiting_approval", "rejected_payload"]
    assert len(bench.station.marked(accepted.command_id, "MedicationStatement")) == 1
    assert told_of(bench, accepted) == []
    states = "SELECT resource_type, state FROM operations WHERE command_id = %(id)s ORDER BY seq"
    assert [tuple(row.values()) for row in ward.query(states, id=accepted.command_id)] == [
        ("MedicationStatement", "verified"),
        ("Provenance", "incomplete"),
    ]


def test_what_a_person_wrote_has_none_unless_the_connection_asks_for_all(bench: ReviewBench) -> None:
    unasked = started(bench, ai=None, new={})
    bench.station.run(unasked.lane_id)
    assert bench.station.ward.state(unasked.command_id) == "verified"
    assert told_of(bench, unasked) == []
    asked = started(bench, ai=None, new={})
    run_with(bench, asked, connected(bench, "all"))
    assert bench.station.ward.state(asked.command_id) == "verified"
    (provenance,) = told_of(bench, asked)
    assert agents(provenance).keys() == {"author", "attester"}


def test_a_connection_that_asks_for_none_writes_the_entry_alone_and_the_record_keeps_the_model(
    bench: ReviewBench,
) -> None:
    accepted = started(bench)
    approve(bench, accepted)
    run_with(bench, accepted, connected(bench, "none"))
    assert bench.station.ward.state(accepted.command_id) == "verified"
    assert told_of(bench, accepted) == []
    assert len(bench.station.marked(accepted.command_id, "MedicationStatement")) == 1


def test_the_case_says_what_the_chart_will_name(bench: ReviewBench) -> None:
    accepted = started(bench)
    page = bench.desk.open(PHARMACIST, bench.case_of(accepted.command_id))
    assert page.proposal is not None
    told = dict(page.proposal.ai)["The chart"]
    assert told == "names the model scribe 3 as its source, and whoever approves it, in a Provenance beside the entry"
