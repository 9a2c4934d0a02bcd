"""Transactions and batches posted to the base."""

import base64
import json
from typing import Any

import httpx
import pytest
from fhir.resources.R4B.bundle import Bundle

from tests.sandbox.resources import identified, observation
from tests.sandbox_fixture import RunningSandbox

URN = "urn:uuid:0c1a2b3c-0000-4000-8000-000000000001"


def entry(resource: dict[str, Any] | None, method: str, url: str, *, full_url: str | None = None, **more: str) -> Any:
    return {
        **({"fullUrl": full_url} if full_url else {}),
        **({"resource": resource} if resource else {}),
        "request": {"method": method, "url": url, **more},
    }


def bundle(kind: str, *entries: Any) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def provenance(target: str) -> dict[str, Any]:
    return {
        "resourceType": "Provenance",
        "target": [{"reference": target}],
        "recorded": "2026-03-01T10:00:00Z",
        "agent": [{"who": {"display": "somebody"}}],
    }


def statuses(answer: httpx.Response) -> list[str]:
    return [it["response"]["status"][:3] for it in answer.json()["entry"]]


def test_a_transaction_resolves_what_its_entries_call_each_other(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    answer = fhir.post(
        "",
        json=bundle(
            "transaction",
            entry(provenance(URN), "POST", "Provenance"),
            entry(observation(), "POST", "Observation", full_url=URN),
            entry(None, "GET", "Observation?patient=p1"),
        ),
    )
    assert answer.status_code == 200
    Bundle.model_validate(answer.json())
    assert answer.json()["type"] == "transaction-response"
    assert statuses(answer) == ["201", "201", "200"]
    made = answer.json()["entry"][1]["resource"]
    assert sandbox.resources("Provenance")[0]["target"] == [{"reference": f"Observation/{made['id']}"}]
    assert answer.json()["entry"][1]["response"]["location"] == f"{sandbox.url}/Observation/{made['id']}/_history/1"
    assert answer.json()["entry"][2]["resource"]["total"] == 1


def test_a_transaction_is_done_whole_or_not_at_all(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    foreign = observation(subject={"reference": "Patient/nobody"})
    entries = [entry(observation(), "POST", "Observation"), entry(foreign, "POST", "Observation")]
    answer = fhir.post("", json=bundle("transaction", *entries))
    assert answer.status_code == 422
    assert sandbox.resources("Observation") == []
    assert statuses(fhir.post("", json=bundle("batch", *entries))) == ["201", "422"]
    assert len(sandbox.resources("Observation")) == 1


def test_a_conditional_create_in_a_transaction_finds_what_is_there(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    condition = {"ifNoneExist": "identifier=urn:test|a"}
    first = fhir.post("Observation", json=identified("a")).json()
    posted = bundle(
        "transaction",
        entry(identified("a"), "POST", "Observation", full_url=URN, **condition),
        entry(provenance(URN), "POST", "Provenance"),
    )
    answer = fhir.post("", json=posted)
    assert statuses(answer) == ["200", "201"]
    assert len(sandbox.resources("Observation")) == 1
    assert sandbox.resources("Provenance")[0]["target"] == [{"reference": f"Observation/{first['id']}"}]


def test_a_stale_update_in_a_transaction_takes_the_rest_with_it(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    made = fhir.post("Observation", json=observation()).json()
    path = f"Observation/{made['id']}"
    posted = bundle(
        "transaction",
        entry(observation(), "POST", "Observation"),
        entry({**made, "status": "amended"}, "PUT", path, ifMatch='W/"7"'),
    )
    assert fhir.post("", json=posted).status_code == 412
    assert len(sandbox.resources("Observation")) == 1


def test_a_patch_travels_as_a_binary(fhir: httpx.Client) -> None:
    made = fhir.post("Observation", json=observation()).json()
    steps = json.dumps([{"op": "replace", "path": "/status", "value": "amended"}]).encode()
    binary = {
        "resourceType": "Binary",
        "contentType": "application/json-patch+json",
        "data": base64.b64encode(steps).decode(),
    }
    answer = fhir.post("", json=bundle("transaction", entry(binary, "PATCH", f"Observation/{made['id']}")))
    assert statuses(answer) == ["200"]
    assert answer.json()["entry"][0]["resource"]["status"] == "amended"


@pytest.mark.parametrize(
    "entries",
    [
        [entry(identified("a"), "POST", "Observation", ifNoneExist="identifier=urn:test|a")] * 2,
        [entry(observation(), "POST", "Observation", full_url=URN)] * 2,
        [entry(None, "DELETE", "Patient/p1")] * 2,
        [{"resource": observation()}],
        [entry(None, "GET", "metadata")],
        [entry({"resourceType": "Binary"}, "PATCH", "Patient/p1")],
    ],
)
def test_a_transaction_that_makes_no_sense_is_refused(
    fhir: httpx.Client, sandbox: RunningSandbox, entries: list[Any]
) -> None:
    assert fhir.post("", json=bundle("transaction", *entries)).status_code == 400
    assert sandbox.resources("Observation") == []


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"resourceType": "Bundle", "type": "collection"}'])
def test_only_bundles_of_requests_are_posted_to_the_base(fhir: httpx.Client, body: bytes) -> None:
    assert fhir.post("", content=body).status_code == 400


def test_an_ehr_may_refuse_bundles(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.settings(bundles="refuse")
    posted = bundle("batch", entry(observation(), "POST", "Observation"))
    assert fhir.post("", json=posted).status_code == 422
    assert sandbox.resources("Observation") == []


def test_a_bundle_that_was_dropped_after_its_commit_is_there(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.faults({"fault": "commit_then_drop", "match": {"interaction": "transaction"}})
    with pytest.raises(httpx.TransportError):
        fhir.post("", json=bundle("transaction", entry(observation(), "POST", "Observation")))
    assert len(sandbox.resources("Observation")) == 1
    assert sandbox.requests()[-1]["interaction"] == "transaction"
