"""What goes wrong between us and each EHR, at one operation of each kind that it takes.

All operations are ``python -m bench.conformance``'s.
"""

from __future__ import annotations

import pytest

from adapters import adapters
from canonical.capabilities import Capabilities, within_contract
from tests.conformance import faults
from tests.conformance.connection import options_of
from tests.conformance.desk import Desks


def _declared(adapter: str) -> Capabilities:
    return within_contract(adapters()[adapter].capabilities, options_of(adapters()[adapter]))


CASES = [(key, *case) for key in sorted(adapters()) for case in faults.cases(_declared(key))]


@pytest.mark.parametrize(
    ("adapter", "scenario", "action", "operation"),
    CASES,
    ids=[f"{key}-{action}.{operation}-{scenario.name.replace(' ', '-')}" for key, scenario, action, operation in CASES],
)
def test_write_is_there_once_or_not_at_all_and_its_state_says_which(
    desks: Desks, adapter: str, scenario: faults.Scenario, action: str, operation: str
) -> None:
    faults.play(desks.at(adapters()[adapter]), scenario, action, operation)


@pytest.mark.parametrize("adapter", sorted(adapters()))
def test_every_adapter_meets_every_scenario_that_can_befall_it(adapter: str) -> None:
    met = {scenario.name for key, scenario, _, _ in CASES if key == adapter}
    assert met >= {scenario.name for scenario, _, _ in faults.cases(_declared(adapter), every_operation=True)}
    assert len(met) >= 8


def test_every_scenario_of_the_list_is_played() -> None:
    """The list that a new adapter must pass; success, change and taking back are the matrix's."""
    assert {item.name for item in faults.SCENARIOS} >= {
        "stale version",
        "lost answer after commit",
        "lost answer before commit",
        "success status with failure inside",
        "accepted but not visible",
        "throttled",
        "locked",
        "unknown error code",
        "capability missing",
    }
