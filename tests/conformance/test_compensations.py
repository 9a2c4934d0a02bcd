"""What the catalogue says makes up for a change is taken by the sandbox of every EHR that declares it."""

from __future__ import annotations

import pytest

from adapters import adapters
from canonical.action import action_specs
from canonical.capabilities import Way
from canonical.compensation_catalogue import Means, ways_to_undo
from tests.conformance.desk import Desks

Pair = tuple[str, str, str, str]


def _pairs() -> list[Pair]:
    """Return (EHR, action, operation, what undoes it): taking back has a cell of the matrix of its own."""
    return [
        (key, spec.type, operation, way.operation)
        for key, adapter in sorted(adapters().items())
        for spec in action_specs().values()
        for operation in spec.operations
        if adapter.capabilities.support(spec.type, operation).way is Way.DIRECT
        for way in ways_to_undo(adapter.capabilities, spec.type, operation)
        if way.means in {Means.CORRECTIVE_ENTRY, Means.SUPERSEDING_DOCUMENT}
        # What undoes itself has a cell of the matrix, too.
        and way.operation not in {None, operation}
    ]


@pytest.mark.parametrize("pair", _pairs(), ids=".".join)
def test_what_is_said_to_make_up_for_a_change_is_written_and_proven(desks: Desks, pair: Pair) -> None:
    key, action, operation, undoing = pair
    desk = desks.at(adapters()[key])
    patient = desk.admit()
    rule = action_specs()[action].operations[operation]
    root = desk.made(patient, action, undoing if rule.creates else operation)
    if not rule.creates:
        done = desk.change(patient, root, action, operation)
        assert desk.drive(done) == "verified", desk.told(done.command_id)
        root = done if rule.own_entry else root
    undone = desk.change(patient, root, action, undoing)
    desk.drive(undone)
    assert desk.ward.state(undone.command_id) == "verified", desk.told(undone.command_id)
