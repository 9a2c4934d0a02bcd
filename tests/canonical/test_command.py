from __future__ import annotations

from canonical.lifecycle import State
from tests.factories import CommandFactory, EnvelopeFactory, medication_change_json, vital_reading_json


def test_a_command_knows_its_action_s_specification_and_rule() -> None:
    command = CommandFactory.create(envelope=EnvelopeFactory.create(action=medication_change_json("retract")))
    assert command.spec.type == "MedicationChange"
    assert command.rule.takes_back
    assert command.takes_back
    assert command.target_reference == "MedicationStatement/m3"


def test_evolving_makes_another_command_and_leaves_this_one() -> None:
    command = CommandFactory.create()
    later = command.evolve(state=State.SENDING, attempts=1)
    assert (later.id, later.state, later.attempts) == (command.id, State.SENDING, 1)
    assert (command.state, command.attempts) == (State.READY, 0)


def test_a_create_is_its_own_root() -> None:
    command = CommandFactory.create(envelope=EnvelopeFactory.create(action=vital_reading_json()))
    assert command.root == command.id
    assert command.subject == str(command.id)
    assert command.target_reference is None
