"""A chart that says one thing else than what was written is noticed, at every EHR for every entry that it takes.

What is compared is what the EHR really gives back of the entry, with one step changed in it: no declared change may hide it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from adapters import adapters
from canonical.action import action_specs
from canonical.capabilities import Capabilities, Way, within_contract
from canonical.ports import Operation, Resource
from store.intake import Accepted
from tests.conformance import examples
from tests.conformance.connection import options_of
from tests.conformance.desk import Desk, Desks

Mutation = Callable[[Resource], Iterator[Resource]]


def _quantities(value: Any) -> Iterator[dict[str, Any]]:
    """Return every quantity in a resource, so that it can be changed in place."""
    if isinstance(value, dict):
        if "value" in value and ("unit" in value or "code" in value):
            yield value
        for item in value.values():
            yield from _quantities(item)
    if isinstance(value, list):
        for item in value:
            yield from _quantities(item)


def _each_quantity(change: Callable[[dict[str, Any]], None]) -> Mutation:
    def mutated(stored: Resource) -> Iterator[Resource]:
        for at in range(len(list(_quantities(stored)))):
            other = copy.deepcopy(stored)
            change(list(_quantities(other))[at])
            yield other

    return mutated


def _one_more(quantity: dict[str, Any]) -> None:
    quantity["value"] = quantity["value"] + Decimal(1)


def _another_unit(quantity: dict[str, Any]) -> None:
    unit = "[lb_av]" if quantity.get("code") not in {"[lb_av]", "[oz_av]"} else "kg"
    quantity |= {"unit": unit, "code": unit}


def _another_patient(stored: Resource) -> Iterator[Resource]:
    for name in ("subject", "patient", "for", "sender"):
        if str(stored.get(name, {}).get("reference", "")).startswith("Patient/"):
            yield {**stored, name: {"reference": "Patient/somebody-else"}}


#: status as stored → the next one to it that means something else.
_NEXT = {
    "active": "stopped",
    "amended": "final",
    "cancelled": "completed",
    "completed": "not-done",
    "corrected": "preliminary",
    "current": "superseded",
    "final": "preliminary",
    "not-taken": "active",
    "on-hold": "active",
    "requested": "completed",
    "stopped": "active",
    "superseded": "current",
}
_NEXT_CLINICAL = {"active": "resolved", "inactive": "active", "resolved": "active"}


def _another_status(stored: Resource) -> Iterator[Resource]:
    if stored.get("status") in _NEXT:
        yield {**stored, "status": _NEXT[stored["status"]]}
    for coding in stored.get("clinicalStatus", {}).get("coding", []):
        other = {**coding, "code": _NEXT_CLINICAL[coding["code"]]}
        yield {**stored, "clinicalStatus": {"coding": [other]}}


def _negated(stored: Resource) -> Iterator[Resource]:
    """What is said becomes not said, or said not to be so."""
    if stored["resourceType"] in {"AllergyIntolerance", "Condition"}:
        system = stored["resourceType"].lower().replace("intolerance", "intolerance-verification")
        system = "condition-ver-status" if stored["resourceType"] == "Condition" else system
        for code in ("refuted", "entered-in-error"):
            coding = {"system": f"http://terminology.hl7.org/CodeSystem/{system}", "code": code}
            if code not in str(stored.get("verificationStatus")):
                yield {**stored, "verificationStatus": {"coding": [coding]}}
    elif stored.get("status") != "entered-in-error":
        yield {**stored, "status": "entered-in-error"}
    if stored.get("doNotPerform") is not True and stored["resourceType"] in {"MedicationRequest", "Task"}:
        yield {**stored, "modifierExtension": [{"url": "urn:example:not", "valueBoolean": True}]}


MUTATIONS: dict[str, Mutation] = {
    "value": _each_quantity(_one_more),
    "unit": _each_quantity(_another_unit),
    "patient": _another_patient,
    "status": _another_status,
    "negation": _negated,
}


def _entries() -> list[tuple[str, str]]:
    """Return every (adapter, action) of which the EHR takes new entries itself."""
    found: list[tuple[str, str]] = []
    for key, adapter in sorted(adapters().items()):
        declared = within_contract(adapter.capabilities, options_of(adapter))
        found += [(key, action) for action in action_specs() if _takes_new(declared, action)]
    return found


def _takes_new(declared: Capabilities, action: str) -> bool:
    return declared.support(action, examples.creating(action)).way in {Way.DIRECT, Way.REVIEW}


ENTRIES = _entries()


@pytest.mark.parametrize(("adapter", "action"), ENTRIES, ids=[".".join(item) for item in ENTRIES])
def test_one_step_of_difference_is_noticed(desks: Desks, adapter: str, action: str) -> None:
    desk = desks.at(adapters()[adapter])
    accepted, stored = _written(desk, action)
    operation = _own(desk, accepted)
    assert desk.ehr.differences(operation, stored) == ()
    noticed = 0
    for name, mutation in MUTATIONS.items():
        for other in mutation(stored):
            assert other != stored
            assert desk.ehr.differences(operation, other), f"another {name} is not noticed"
            noticed += 1
    assert noticed >= 2, "there is nothing to mutate in it"


def _own(desk: Desk, accepted: Accepted) -> Operation:
    """Return the operation that wrote the command's own entry."""
    (operation,) = (item for item in desk.operations(accepted.command_id) if item.is_primary)
    return operation


def _written(desk: Desk, action: str) -> tuple[Accepted, Resource]:
    """Return a command that wrote an entry, and the entry as the EHR shows it."""
    patient = desk.admit()
    accepted = desk.submit(patient, examples.example(action, examples.creating(action), desk.connection))
    desk.drive(accepted)
    desk.accept(patient)
    assert desk.operations(accepted.command_id), desk.told(accepted.command_id)
    found = desk.probe(_own(desk, accepted))
    reference = found.reference or desk.reference(accepted.command_id)
    return accepted, desk.stored(reference)
