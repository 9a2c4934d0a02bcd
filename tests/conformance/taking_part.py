"""Which EHRs two clinicians can meet at on one patient's lists, derived from what the adapters declare. It runs nothing."""

from __future__ import annotations

from adapters import adapters
from canonical.action import action_specs
from canonical.capabilities import Way, within_contract
from tests.conformance import examples
from tests.conformance.connection import options_of

LISTS = ("ProblemUpdate", "AllergyUpdate", "MedicationChange")


def _takes(key: str, action: str, operation: str) -> bool:
    adapter = adapters()[key]
    declared = within_contract(adapter.capabilities, options_of(adapter))
    return declared.support(action, operation).way in {Way.DIRECT, Way.REVIEW}


def changing(key: str, action: str) -> str | None:
    """Return an operation by which an EHR takes a change of an entry that is there: rather one that does not take it back."""
    rules = action_specs()[action].operations
    taken = [name for name, rule in rules.items() if not rule.creates and _takes(key, action, name)]
    return min(taken, key=lambda name: rules[name].takes_back, default=None)


def creating(key: str, action: str) -> str | None:
    """Return the operation by which an EHR takes a new entry of a list."""
    operation = examples.creating(action)
    return operation if _takes(key, action, operation) else None


def taken_by(key: str) -> frozenset[tuple[str, str]]:
    """Return the operations on lists that an EHR takes part with: of each list the one that adds and the one that changes."""
    named = [(action, found(key, action)) for action in LISTS for found in (creating, changing)]
    return frozenset((action, name) for action, name in named if name is not None)


KEYS = sorted(adapters())
PROBLEMS = [key for key in KEYS if _takes(key, "ProblemUpdate", "update")]
CHANGES = [(key, action, name) for key in KEYS for action in LISTS if (name := changing(key, action)) is not None]
BESIDE = [key for key in KEYS if creating(key, "AllergyUpdate") and creating(key, "MedicationChange")]
MEDICATIONS = [key for key in BESIDE if changing(key, "MedicationChange")]
