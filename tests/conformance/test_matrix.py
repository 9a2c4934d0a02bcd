"""Every operation of every action at every adapter of the registry, and the page that tells how each came to its end."""

from __future__ import annotations

import pytest

from adapters import adapters
from canonical.action import action_specs
from canonical.capabilities import Way
from canonical.judgement import check_content
from tests.conformance import cell, examples
from tests.conformance.connection import connection_of
from tests.conformance.desk import Desks
from tests.conformance.page import COMMAND, PATH, matrix, page
from tests.factories import NOW, EnvelopeFactory

Cell = tuple[str, str, str]
#: By adapter, so that the sandbox changes what it plays as seldom as can be.
CELLS: list[Cell] = [(key, *operation) for key in sorted(adapters()) for operation in examples.operations()]
_OUTCOMES: dict[Cell, Way] = {}


@pytest.mark.parametrize(("adapter", "action", "operation"), CELLS, ids=[".".join(item) for item in CELLS])
def test_operation_ends_as_the_adapter_declares(desks: Desks, adapter: str, action: str, operation: str) -> None:
    assert _outcome(desks, (adapter, action, operation)) in set(Way)


def _outcome(desks: Desks, case: Cell) -> Way:
    """Return how a cell ended, run once in a session."""
    if case not in _OUTCOMES:
        adapter, action, operation = case
        _OUTCOMES[case] = cell.run(desks.at(adapters()[adapter]), action, operation)
    return _OUTCOMES[case]


def test_every_adapter_has_a_row_and_every_action_a_column(desks: Desks) -> None:
    outcomes = {case: _outcome(desks, case) for case in CELLS}
    head, _, *rows = matrix(outcomes, sorted(adapters())).splitlines()
    assert [f"`{name}`" in head for name in action_specs()] == [True] * len(action_specs())
    assert [row.split("`")[1] for row in rows] == sorted(adapters())
    assert all(part.strip() for row in rows for part in row.strip("|").split("|")), "a cell is not tested"


def test_the_page_is_what_was_found(desks: Desks) -> None:
    outcomes = {case: _outcome(desks, case) for case in CELLS}
    assert PATH.read_text("utf-8") == page(outcomes, adapters()), f"docs/conformance.md is out of date: {COMMAND}"


def test_every_operation_has_an_example_and_every_example_an_operation() -> None:
    for action, operation in examples.operations():
        made = examples.example(action, operation, connection_of("fhir_r4"))
        assert (made["type"], made["operation"]) == (action, operation)
    assert set(examples.MAKERS) == set(action_specs()), "an example of an action that there is not"


@pytest.mark.parametrize("adapter", sorted(adapters()))
def test_every_example_is_what_the_door_accepts(adapter: str) -> None:
    for action, operation in examples.operations():
        envelope = EnvelopeFactory(action=examples.example(action, operation, connection_of(adapter)))
        check_content(envelope, NOW)


def test_an_operation_without_an_example_is_named() -> None:
    with pytest.raises(KeyError, match=r"no example of Fasting\.begin"):
        examples.example("Fasting", "begin", connection_of("fhir_r4"))


@pytest.mark.parametrize("adapter", sorted(adapters()))
def test_every_normalisation_cites_the_vendors_fact(adapter: str) -> None:
    for change in adapters()[adapter].capabilities.known_changes:
        assert len(change.source) > 10, (change.resource_type, change.element)
        assert change.what
