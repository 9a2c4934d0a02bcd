"""Which action each operation of a command is: by its place among the parts, whoever's bytes it has."""

from __future__ import annotations

from dataclasses import replace

from canonical.command import Command
from canonical.compound import part_urn
from canonical.parts import RECORDED, STANDING_WORDS, Standing, is_record_of_makers, part_of
from canonical.ports import Interaction, Operation
from tests.compound_factories import care_gap_closure_json
from tests.factories import CommandFactory, EnvelopeFactory, new_id, vital_reading_json

READINGS = [vital_reading_json(), vital_reading_json("heart-rate")]
COMMAND: Command = CommandFactory.create(
    envelope=EnvelopeFactory.create(action=care_gap_closure_json(evidence=READINGS))
)


def operation(placeholder: str | None = None, *, is_primary: bool = False, type_: str = "Observation") -> Operation:
    return Operation(
        interaction=Interaction.CREATE,
        resource_type=type_,
        body=b"{}",
        mark="m",
        mapping_version="1",
        placeholder=placeholder,
        is_primary=is_primary,
    )


def named(command: Command, found: Operation) -> str | None:
    envelope = part_of(command, found)
    return f"{envelope.action.type}.{envelope.action.operation}" if envelope is not None else None


def test_a_part_is_the_command_that_it_would_be_alone_and_the_own_entry_is_the_command() -> None:
    second = part_of(COMMAND, operation(part_urn(COMMAND.id, 2)))
    assert second is not None
    assert second.action.as_json()["code"] == READINGS[1]["code"]
    assert named(COMMAND, operation(part_urn(COMMAND.id, 1))) == "VitalReading.record"
    assert named(COMMAND, operation(is_primary=True, type_="Task")) == "CareGapClosure.close"


def test_what_goes_along_is_no_action_of_its_own() -> None:
    assert named(COMMAND, operation()) is None
    record = operation(is_primary=True, type_="Provenance")
    assert (named(COMMAND, record), is_record_of_makers(record)) == (None, True)
    assert named(COMMAND.evolve(sent_as="message"), operation(is_primary=True)) is None


def test_what_is_sent_in_place_of_another_has_the_places_of_that_one() -> None:
    first = new_id()
    instead = COMMAND.evolve(sends_stored_of=first)
    assert named(instead, operation(part_urn(first, 1))) == "VitalReading.record"
    assert named(instead, operation(part_urn(COMMAND.id, 1))) is None
    assert named(replace(instead, sends_stored_of=None), operation(part_urn(first, 1))) is None


def test_every_standing_has_words_and_what_the_record_says_is_one() -> None:
    assert set(STANDING_WORDS) == set(Standing)
    assert set(RECORDED.values()) < set(Standing)
