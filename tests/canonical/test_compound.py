"""How the operations of a compound name each other, and how far such a command is."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canonical.command import OperationProgress
from canonical.compound import ALONE, Progress, first_plan, part_urn, plan_of_rest, progress_of, with_references
from canonical.errors import InvalidPayloadError
from canonical.ports import Interaction, Operation
from tests.factories import CommandFactory, new_id

COMMAND = UUID(int=7)


def operation(seq: int, body: str = "{}", placeholder: str | None = None) -> Operation:
    return Operation(
        seq=seq,
        interaction=Interaction.CREATE,
        resource_type="Observation",
        body=body.encode(),
        mark=f"urn:x|{seq}",
        mapping_version="test/1",
        placeholder=placeholder,
    )


@given(st.uuids(), st.uuids(), st.integers(1, 99), st.integers(1, 99))
def test_every_part_of_every_command_has_a_placeholder_of_its_own(one: UUID, other: UUID, n: int, m: int) -> None:
    assert (part_urn(one, n) == part_urn(other, m)) == ((one, n) == (other, m))


def test_what_follows_names_what_was_written_by_its_reference_and_nothing_else_changes() -> None:
    urn = part_urn(COMMAND, 1)
    first, second = operation(1, placeholder=urn), operation(2, f'{{"a":"{urn}","v":72.50,"b":"{urn}x"}}')
    plan = first_plan([first, second]).after("Observation/o1", proven=True)
    assert plan.next.body == f'{{"a":"Observation/o1","v":72.50,"b":"{urn}x"}}'.encode()
    assert plan.next.seq == 2
    assert plan.progress == Progress(before=1, after=0, proven=True)


def test_an_operation_alone_is_a_plan_of_one() -> None:
    only = operation(1)
    assert first_plan([only]).next is only
    assert first_plan([only]).progress == ALONE


@pytest.mark.parametrize("at", [1, 2])
def test_a_plan_that_refers_to_what_comes_later_is_refused(at: int) -> None:
    urn = part_urn(COMMAND, 2)
    body = f'{{"reference":"{urn}"}}'
    operations = [operation(1, body if at == 1 else "{}"), operation(2, body if at == 2 else "{}", placeholder=urn)]
    with pytest.raises(InvalidPayloadError, match="written after it"):
        first_plan(operations)


def test_one_answer_that_is_no_proof_leaves_the_whole_to_be_read_back() -> None:
    plan = first_plan([operation(1), operation(2), operation(3)])
    plan = plan.after("Observation/o1", proven=False).after("Observation/o2", proven=True)
    assert plan.progress == Progress(before=2, after=0, proven=False)


def test_the_rest_begins_with_the_first_operation_that_is_not_in_the_chart() -> None:
    urn = part_urn(COMMAND, 1)
    stored = [operation(1, placeholder=urn), operation(2, f'{{"reference":"{urn}"}}'), operation(3)]
    command = CommandFactory.create(
        id=new_id(),
        operations=(
            OperationProgress(seq=1, state="applied", placeholder=urn, reference="Observation/o1"),
            OperationProgress(seq=2, state="ready"),
            OperationProgress(seq=3, state="planned"),
        ),
    )
    plan = plan_of_rest(command, stored)
    assert plan.next.body == b'{"reference":"Observation/o1"}'
    assert plan.progress == progress_of(command, 2) == Progress(before=1, after=1, proven=False)
    assert command.partly_in_chart


def test_an_operation_without_placeholders_leaves_as_it_is() -> None:
    only = operation(1, '{"v":72.50}')
    assert with_references(only, {part_urn(COMMAND, 1): "Observation/o1"}) is only
