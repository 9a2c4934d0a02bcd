from __future__ import annotations

from pathlib import Path

from canonical.lifecycle import TRANSITIONS, State
from canonical.lifecycle_diagram import diagram, moves, page, states

PAGE = Path(__file__).parents[2] / "docs" / "lifecycle.md"


def test_the_page_in_the_docs_is_the_table_in_the_code() -> None:
    told = "docs/lifecycle.md is not what the table says: python -m canonical.lifecycle_diagram > docs/lifecycle.md"
    assert PAGE.read_text("utf-8") == page(), told


def test_every_move_is_drawn_and_listed() -> None:
    for (state, trigger), end in TRANSITIONS.items():
        drawn = [line for line in diagram().splitlines() if line.strip().startswith(f"{state} --> {end}: ")]
        assert len(drawn) == 1
        assert trigger in drawn[0]
        assert f"| `{state}` | `{trigger}` | `{end}` |" in moves()


def test_every_state_has_one_row() -> None:
    assert [line.split("`")[1] for line in states().splitlines()[2:]] == list(State)
