"""`writeback switch on|off KIND KEY`: hold back or let go what a switch governs; nothing that was sent is undone."""

import getpass
from typing import Annotated, Literal

import typer

from cli.here import settings_here
from cli.terminal import say


def switch(
    to: Annotated[Literal["on", "off"], typer.Argument(help="on lets commands go, off holds them back.")],
    kind: Annotated[
        Literal["service", "tenant", "connection", "app", "action"], typer.Argument(help="What it governs.")
    ],
    key: Annotated[str, typer.Argument(help="Which one; '*' for the service.")],
    reason: Annotated[str, typer.Option(help="Why; kept with the switch.")],
    tenant: Annotated[str, typer.Option(help="Whose; not needed for the service.")] = "*",
) -> None:
    """Turn a kill switch; it holds with the next claim, and commands wait until it is on again."""
    from config.operator import open_doors

    if (tenant == "*") != (kind == "service"):
        raise typer.BadParameter("name the tenant for every kind but 'service'", param_hint="--tenant")
    with open_doors(settings_here()) as doors:
        note = doors.switches.turn(
            tenant, kind=kind, key=key, on=to == "on", reason=reason, by=f"operator:{getpass.getuser()}"
        )
    said = (
        "goes on with the next claim"
        if to == "on"
        else "is held back from the next claim on; requests on their way are not"
    )
    say(f"{kind} {key} is {to}: what it governs {said}.{f' {note}' if note else ''}")
