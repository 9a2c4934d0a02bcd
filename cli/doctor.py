"""`writeback doctor`: is everything there that the service needs, and what to do where it is not."""

from contextlib import suppress

import typer

from canonical.errors import ConfigurationError
from cli.here import settings_here
from cli.terminal import plain_table, results


def doctor() -> None:
    """Check settings, PostgreSQL, Redis, and each EHR's capabilities and granted scopes; exit 1 if anything fails."""
    from config.checks import checks

    with suppress(ConfigurationError):
        # What is wrong with a setting is the first thing that the checks tell.
        settings_here()
    table, failed = plain_table("", "check", "what to do"), 0
    for check in checks():
        failed += not check.ok
        table.add_row("[green]ok[/]" if check.ok else "[red]no[/]", check.name, check.detail)
    console = results()
    console.print(table)
    console.print("All is well." if not failed else f"{failed} of these must be put right.")
    if failed:
        raise typer.Exit(1)
