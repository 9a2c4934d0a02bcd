"""Parts of a command of several operations: which action each of them is, and how each stands in the chart. It reads nothing."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from canonical.action import spec_for
from canonical.compound import part_urn
from canonical.lifecycle import State
from canonical.part_ends import REMOVED, TAKEN_BACK_BY
from canonical.provenance import PROVENANCE

if TYPE_CHECKING:
    from canonical.command import Command
    from canonical.envelope import Envelope
    from canonical.ports import Operation


class Standing(StrEnum):
    """How a part stands, as our record and the chart say together."""

    #: The chart has it, read just now, as it was written and in the version that was written.
    AS_WRITTEN = "asWritten"
    #: The chart has it, and somebody changed it since.
    CHANGED = "changed"
    #: It was written, and the chart has it no more.
    GONE = "gone"
    #: It was written, and is marked as an error in the chart.
    IN_ERROR = "inError"
    #: A later command took it out, proven.
    TAKEN_BACK = "takenBack"
    #: A later command made up for it, proven.
    MADE_UP_FOR = "madeUpFor"
    #: Somebody took it out in the EHR, as a look at the chart showed.
    REMOVED = "removed"
    #: It was sent, and is not in the chart.
    NOT_THERE = "notThere"
    #: It was never sent.
    NOT_SENT = "notSent"
    #: It was sent, and nobody can say that it is not there.
    MAYBE_THERE = "maybeThere"
    #: The chart could not be read.
    NOT_READ = "notRead"


#: In the chart, by what was read just now.
STANDS = frozenset({Standing.AS_WRITTEN, Standing.CHANGED})
#: Written by us, and out of the chart by what was read just now: somebody did it in the EHR.
REMOVED_NOW = frozenset({Standing.GONE, Standing.IN_ERROR})
#: What our record says alone: how an operation ended → how it stands.
RECORDED: Mapping[str, Standing] = MappingProxyType(
    {
        TAKEN_BACK_BY[True]: Standing.TAKEN_BACK,
        TAKEN_BACK_BY[False]: Standing.MADE_UP_FOR,
        REMOVED: Standing.REMOVED,
        "planned": Standing.NOT_SENT,
    }
)
#: States of a command whose parts are shown one by one.
IN_PARTS = frozenset({State.INCOMPLETE, State.TAKING_BACK, State.PARTLY_TAKEN_BACK})

STANDING_WORDS: Mapping[Standing, str] = MappingProxyType(
    {
        Standing.AS_WRITTEN: "In the chart, as it was written",
        Standing.CHANGED: "In the chart, and changed there since it was written",
        Standing.GONE: "It was written, and is not in the chart any more: somebody removed it in the EHR",
        Standing.IN_ERROR: "It was written, and is marked as an error in the chart: somebody did so in the EHR",
        Standing.TAKEN_BACK: "Taken out of the chart again, and that was proven",
        Standing.MADE_UP_FOR: "Made up for by a later change, and that was proven; what it said stays in the entry's history",
        Standing.REMOVED: "It was written, and somebody took it out in the EHR",
        Standing.NOT_THERE: "Not in the chart: the EHR did not take it",
        Standing.NOT_SENT: "Not in the chart: it was never sent",
        Standing.MAYBE_THERE: "Not known: it was sent, and may be in the chart or come there. Look in the EHR",
        Standing.NOT_READ: "Written, and the chart could not be read just now",
    }
)


def part_of(command: Command, operation: Operation) -> Envelope | None:
    """Return the envelope of what ``operation`` is: the command's own, or that of a part of it, as it would be alone.

    ``None`` for what only goes along: a change that the own entry entails, the chart's record of who made it, and all of a
    command that went as a message, a note or a task.
    """
    if operation.resource_type == PROVENANCE or command.sent_as is not None:
        return None
    if operation.is_primary:
        return command.envelope
    # What is sent in place of another command has the bytes, and so the placeholders, of that one.
    planned_for = command.sends_stored_of or command.id
    parts = spec_for(command.envelope.action).parts(command.envelope)
    return next(
        (part for number, part in enumerate(parts, 1) if part_urn(planned_for, number) == operation.placeholder), None
    )


def is_record_of_makers(operation: Operation) -> bool:
    """Whether it says who made an entry, and is none itself: that stays true, and is never taken back."""
    return operation.resource_type == PROVENANCE
