"""The catalogue of compensations as a page for people, rendered from what actions and adapters declare; nothing is by hand."""

from __future__ import annotations

from collections.abc import Mapping

from adapters import adapters
from canonical.action import action_specs
from canonical.capabilities import Capabilities, Way
from canonical.compensation_catalogue import Degree, ways_to_undo

_HEAD = """# How what was written is undone

Rendered from the actions under `canonical/actions/` and the tables of the files under `adapters/`; a test keeps this page equal
to them. To change the page, change a table and run `python -m adapters.compensation_list > docs/compensation.md`.

Nothing is deleted. A compensation is a command of its own: it needs the approval that policy asks of it, names the version that
was written, is linked with the first command both ways (`compensates`, `compensatedBy`), and counts only when it was read back.
Until then the first command stays in the chart. `GET /v1/compensations?connection=…` tells the same of one connection within its
contract, `POST /v1/commands:preview` of one command before it is sent.

Of a command of several operations of which only some are in the chart, each that stands is undone by itself: a person picks them
on the command's case, what was written last is undone first, and on the version that was written. The first command counts as
taken back only when nothing of it stands; a part that cannot be undone, or was only made up for, is told and stays on record.
What only goes along (a change that an entry entails, the record of who made it) has no way back of its own.

*Reversible*: the entry counts no more. *Partly*: what counts is made right, and what was there goes on being readable as such, or
the EHR's own staff must agree. *Not*: only a person can, in the EHR. Operations that an EHR does not take as entries have no row.
"""
_DEGREES = {Degree.REVERSIBLE: "reversible", Degree.PARTLY: "partly", Degree.NOT: "not"}


def section(key: str, can: Capabilities) -> str:
    """Return the catalogue of one EHR: its operations with the ways back from each."""
    rows = [
        f"| `{spec.type}.{operation}` | {_DEGREES[ways[0].degree]} | {'<br>'.join(_cell(way.sentence) for way in ways)} |"
        for spec in action_specs().values()
        for operation in spec.operations
        if can.support(spec.type, operation).way in {Way.DIRECT, Way.REVIEW}
        for ways in [ways_to_undo(can, spec.type, operation)]
    ]
    return "\n".join([f"## `{key}`", "", "| operation | undone | how |", "| --- | --- | --- |", *rows])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def page(known: Mapping[str, Capabilities] | None = None) -> str:
    """Return the whole page as Markdown."""
    said = known or {key: adapter.capabilities for key, adapter in sorted(adapters().items())}
    sections = "\n\n".join(section(key, can) for key, can in said.items())
    return f"{_HEAD}\n{sections}\n"


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201 - its output is the page
