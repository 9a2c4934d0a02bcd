"""The command `writeback`: its list of commands and how its failures are told; no command's own work.

Also runs from a checkout as `python -m cli.main`.
"""

import importlib
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from canonical.errors import WritebackError
from cli.terminal import say
from processes.errors import ProcessTrouble

#: Command → module with the function or the group of that name, in the order in which `writeback --help` lists them.
COMMANDS = {
    "up": "cli.up",
    "demo": "cli.demo.command",
    "preview": "cli.preview",
    "submit": "cli.submit",
    "show": "cli.show",
    "explain": "cli.explain",
    "acknowledge": "cli.acknowledge",
    "review": "cli.review",
    "replay": "cli.replay",
    "balance": "cli.balance",
    "incident": "cli.incident",
    "switch": "cli.switch",
    "doctor": "cli.doctor",
    "migrate": "cli.roles",
    "api": "cli.roles",
    "worker": "cli.roles",
    "scheduler": "cli.roles",
    "poller": "cli.roles",
    "flower": "cli.roles",
    "sandbox": "cli.roles",
}


class Sentences(TyperGroup):
    """Turns the failures we foresee into their sentence and exit status 1."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (WritebackError, ProcessTrouble) as error:
            say(str(error))
            raise typer.Exit(1) from None


def make_app(names: Iterable[str] = COMMANDS) -> typer.Typer:
    """Return the application with these commands; only their modules are imported."""
    app = typer.Typer(
        cls=Sentences,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        help="Writes clinical actions back to a hospital's EHR: once, on the right patient, and with proof.",
    )
    for name in names:
        made = getattr(importlib.import_module(COMMANDS[name]), name)
        if isinstance(made, typer.Typer):
            app.add_typer(made, name=name)
        else:
            app.command(name)(made)
    app.callback()(_no_options)
    return app


def _no_options() -> None:
    # With a callback Typer keeps the name of a command even where it is the only one.
    return


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit with its status; a failure nobody foresaw is named by kind and place, never by content."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    # Each of the product's processes is one of these commands and should not pay for the modules of the others.
    named = words[:1] if words and words[0] in COMMANDS else COMMANDS
    try:
        make_app(named)(args=words, prog_name="writeback")
    except Exception as error:  # noqa: BLE001 - the last line of defence: exception texts may hold clinical content
        say(f"{_unforeseen(error)} What was accepted is kept in the database; please report this line.")
        sys.exit(1)


def _unforeseen(error: Exception) -> str:
    trace, place = error.__traceback__, "an unknown place"
    while trace is not None:
        place = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return f"The command stopped at something unforeseen ({type(error).__name__} at {place})."


if __name__ == "__main__":
    main()
