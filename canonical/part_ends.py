"""How a command ends of which parts were taken back: from what became of each part to the move. Pure; nothing is looked up here.

It is never called taken back while something of it stands, or may.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from canonical.events import Move, move
from canonical.lifecycle import State, Trigger
from canonical.provenance import PROVENANCE

#: Whether what undid an operation takes entries back → what becomes of the operation.
TAKEN_BACK_BY: Mapping[bool, str] = MappingProxyType({True: "taken_back", False: "made_up_for"})
#: Somebody took it out in the EHR itself.
REMOVED = "removed"
#: Out of the chart.
OUT = frozenset({TAKEN_BACK_BY[True], REMOVED})
#: In the chart, as far as the EHR said.
IN_CHART = frozenset({"applied", "verified"})


@dataclass(frozen=True, kw_only=True)
class PartsStand:
    """What became of each operation: (place, state, FHIR type).

    ``left`` are the places of those that a person decided to leave in the chart, ``maybe`` of those that may be there, though
    nobody knows.
    """

    operations: tuple[tuple[int, str, str], ...]
    left: frozenset[int] = frozenset()
    maybe: frozenset[int] = frozenset()


@dataclass(frozen=True, kw_only=True)
class PartsEnding:
    """The move; the kind of the ``case`` that it opens to hold the command, if any; ``asks``: somebody must see what stands."""

    move: Move
    case: str | None = None
    asks: bool = False


def ending_of(stand: PartsStand) -> PartsEnding:
    """Return how it ends once nothing that takes a part of it back is under way."""
    # A Provenance says who made what was there; that stays true, and is no content of its own.
    entries = [(seq, state) for seq, state, type_ in stand.operations if type_ != PROVENANCE]
    stands = frozenset(seq for seq, state in entries if state in IN_CHART) | stand.maybe
    out = sorted(seq for seq, state in entries if state in OUT)
    made_up = sorted(seq for seq, state in entries if state == TAKEN_BACK_BY[False])
    if not out and not made_up:
        return PartsEnding(move=move(State.TAKING_BACK, Trigger.NOTHING_TAKEN_BACK), case="incomplete")
    is_all = not stands and not made_up
    step = move(
        State.TAKING_BACK,
        Trigger.PARTS_TAKEN_BACK if is_all else Trigger.PART_STANDS,
        taken_back=out,
        made_up_for=made_up,
        stands=sorted(stands),
    )
    return PartsEnding(move=step, asks=bool(stands - stand.left))
