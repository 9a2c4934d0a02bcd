"""The life cycle as a page for people: diagram and tables rendered from the one table of moves; nothing is drawn by hand."""

from __future__ import annotations

from canonical.lifecycle import ENDED, NEEDS_PERSON, TRANSITIONS, State
from canonical.status import STATUS_OF, explain

_HEAD = """# The life of a command

Rendered from `TRANSITIONS` in `canonical/lifecycle.py`; a test keeps this page equal to it. To change the page, change the
table and run `python -m canonical.lifecycle_diagram > docs/lifecycle.md`.
"""


def diagram() -> str:
    """Return the moves as a Mermaid state diagram, triggers between the same two states on one line."""
    between: dict[tuple[State, State], list[str]] = {}
    for (state, trigger), end in TRANSITIONS.items():
        between.setdefault((state, end), []).append(trigger.value)
    moves = [f"    {state} --> {end}: {', '.join(triggers)}" for (state, end), triggers in between.items()]
    endings = [f"    {state} --> [*]" for state in State if state in ENDED]
    return "\n".join(["stateDiagram-v2", f"    [*] --> {State.RECEIVED}", *moves, *endings])


def states() -> str:
    """Return every state with its public status, what it means and who must do what next."""
    rows = ["| state | status | what it means | what is next |", "|---|---|---|---|"]
    for state in State:
        said = explain(state)
        person = " (a person)" if state in NEEDS_PERSON else ""
        rows.append(f"| `{state}` | `{STATUS_OF[state]}`{person} | {said.sentence} | {said.next} |")
    return "\n".join(rows)


def moves() -> str:
    """Return every legal move; a pair that is not here is refused."""
    rows = ["| from | trigger | to |", "|---|---|---|"]
    rows += [f"| `{state}` | `{trigger}` | `{end}` |" for (state, trigger), end in TRANSITIONS.items()]
    return "\n".join(rows)


def page() -> str:
    """Return the whole page as Markdown."""
    parts = (
        _HEAD,
        "## Diagram\n",
        f"```mermaid\n{diagram()}\n```\n",
        "## States\n",
        states(),
        "",
        "## Moves\n",
        moves(),
        "",
    )
    return "\n".join(parts)


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201 - its output is the page
