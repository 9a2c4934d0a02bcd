"""The two ways out of the command line: results on stdout, everything else on stderr; not what is said on them."""

import sys

from rich.console import Console
from rich.table import Table

from processes.child_spec import ChildStatus

#: Columns where there is no terminal that has a width of its own: logs and pipes.
_WIDTH = 120


def results() -> Console:
    """Return the console for what was asked for; made anew, since tests and pipes change stdout."""
    return Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _WIDTH)


def notes() -> Console:
    """Return the console for progress, explanations and failures."""
    return Console(stderr=True, highlight=False, soft_wrap=True, width=None if sys.stderr.isatty() else _WIDTH)


def say(sentence: str) -> None:
    """Tell the person at the terminal something that is not the result; the text is not read as markup."""
    notes().print(sentence, markup=False)


def plain_table(*columns: str, title: str | None = None) -> Table:
    """Return an empty table in the look of all our tables."""
    table = Table(*columns, title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    table.title_style = "bold"
    return table


def status_table(children: list[ChildStatus]) -> Table:
    """Return what the supervised processes are doing."""
    table = plain_table("process", "state", "pid", "restarts", "log")
    for child in children:
        table.add_row(child.name, child.state, str(child.pid or "-"), str(child.restarts), str(child.log_path))
    return table
