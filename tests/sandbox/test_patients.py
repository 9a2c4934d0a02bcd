import os
import subprocess
import sys
from typing import Any

import httpx
import pytest

from sandbox.patients import synthetic_bundle
from sandbox.references import local_reference
from tests.sandbox_fixture import ADMIN_TOKEN, RunningSandbox


@pytest.fixture(scope="module")
def bundle() -> dict[str, Any]:
    return synthetic_bundle(7, 5)


def resources(bundle: dict[str, Any], type: str | None = None) -> list[dict[str, Any]]:
    found = [entry["resource"] for entry in bundle["entry"]]
    return [it for it in found if type in {None, it["resourceType"]}]


def references(element: Any) -> list[str]:
    if isinstance(element, list):
        return [text for item in element for text in references(item)]
    if not isinstance(element, dict):
        return []
    own = [element["reference"]] if isinstance(element.get("reference"), str) else []
    return own + [text for child in element.values() for text in references(child)]


def test_the_same_seed_makes_the_same_patients(bundle: dict[str, Any]) -> None:
    assert synthetic_bundle(7, 5) == bundle
    assert synthetic_bundle(8, 5) != bundle


def test_every_reference_leads_into_the_bundle(bundle: dict[str, Any]) -> None:
    names = {(it["resourceType"], it["id"]) for it in resources(bundle)}
    found = references(resources(bundle))
    assert len(found) > 100
    assert {local_reference(text, "") for text in found} <= names
    assert len(names) == len(resources(bundle))


def test_there_is_something_of_everything(bundle: dict[str, Any]) -> None:
    assert len(resources(bundle, "Patient")) == 5
    for name in ("Encounter", "Observation", "MedicationRequest", "MedicationStatement"):
        assert resources(bundle, name), name
    requests = {it["id"]: it for it in resources(bundle, "MedicationRequest")}
    for statement in resources(bundle, "MedicationStatement"):
        request = requests[statement["basedOn"][0]["reference"].removeprefix("MedicationRequest/")]
        assert statement["subject"] == request["subject"]
        assert statement["medicationCodeableConcept"] == request["medicationCodeableConcept"]


def test_the_chart_takes_all_of_it(bundle: dict[str, Any], sandbox: RunningSandbox) -> None:
    sandbox.seed(bundle)
    assert len(sandbox.resources()) == len(resources(bundle))
    patient = resources(bundle, "Patient")[0]["id"]
    answer = httpx.get(f"{sandbox.url}/Observation", params={"patient": patient, "category": "vital-signs"})
    assert answer.json()["total"] > 5


def test_the_command_seeds_a_running_sandbox(sandbox: RunningSandbox) -> None:
    command = [sys.executable, "-m", "sandbox", "seed", "--url", sandbox.origin, "--count", "1", "--seed", "3"]
    environment = {**os.environ, "SANDBOX_ADMIN_TOKEN": ADMIN_TOKEN}
    first = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (first.returncode, len(sandbox.resources("Patient"))) == (0, 1)
    assert first.stdout == f"{len(sandbox.resources())} resources stored.\n"
    again = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert again.returncode == 1
    assert "409" in again.stderr
