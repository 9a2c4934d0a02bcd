"""`writeback balance`: is everything that came in accounted for; by day, by connection, and in all."""

import json
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from canonical.unfit import UNFIT_WORDS
from cli.here import settings_here
from cli.terminal import plain_table, results

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from config.settings import Settings

#: As many commands are named at most: more would be read by nobody.
_NAMED = 1000
#: Member of the document → heading.
COLUMNS = {
    "received": "came in",
    "inChart": "in chart",
    "takenBack": "taken back",
    "partlyTakenBack": "partly",
    "inFlight": "in flight",
    "ready": "ready",
    "waiting": "waiting",
    "parked": "parked",
    "needsPerson": "person",
    "ended": "ended",
}


def balance(
    tenant: Annotated[str | None, typer.Option(help="Only this tenant.")] = None,
    connection: Annotated[str | None, typer.Option(help="Only this connection.")] = None,
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Only received since this day (UTC).")
    ] = None,
    *,
    unacknowledged: Annotated[
        bool, typer.Option("--unacknowledged", help="Name the commands whose authors nobody is known to have told.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Print the balance: what was received, and where all of it is; exit 1 if it does not close."""
    day = since.date() if since else None
    said = balance_of(settings_here(), tenant=tenant, connection=connection, since=day)
    if unacknowledged:
        said |= {"unacknowledgedCommands": owed_of(settings_here(), tenant=tenant, connection=connection, since=day)}
    if as_json:
        print(json.dumps(said))  # noqa: T201 - the result
    else:
        _print(said)
    if not said["closes"]:
        raise typer.Exit(1)


def balance_of(
    settings: "Settings", *, tenant: str | None = None, connection: str | None = None, since: date | None = None
) -> dict[str, Any]:
    """Return the balance as a document: counts in all, by day, and the commands that fit nowhere.

    Raises:
        StoreUnavailableError: the database does not answer; nothing can be said.
    """
    from config.operator import open_doors

    with open_doors(settings) as doors:
        sheet = doors.balances.sheet(tenant=tenant, connection=connection, since=since)
        owed = doors.acknowledgements.figures(tenant=tenant, connection=connection, since=since)
    days = {day.isoformat(): _counts(counts) for day, counts in sheet.days.items()}
    connections = [
        {"tenant": owner, "connection": name, **_counts(counts)} for (owner, name), counts in sheet.connections.items()
    ]
    unfit = [{"id": str(one.id), "reason": one.why} for one in sheet.unfit]
    return {
        **_counts(sheet.total),
        "closes": sheet.closes,
        "days": days,
        "connections": connections,
        "unfit": unfit,
        "unacknowledged": {"count": owed.count, "oldestSeconds": int(owed.oldest.total_seconds())},
    }


def owed_of(
    settings: "Settings", *, tenant: str | None = None, connection: str | None = None, since: date | None = None
) -> list[dict[str, Any]]:
    """Return the commands that no app confirmed to have shown to their authors, what is owed longest first, as documents.

    Raises:
        StoreUnavailableError: the database does not answer; nothing can be said.
    """
    from config.operator import open_doors

    with open_doors(settings) as doors:
        found = doors.acknowledgements.open(limit=_NAMED, tenant=tenant, connection=connection, since=since)
    return [
        {
            "id": str(one.id),
            "tenant": one.tenant,
            "connection": one.connection,
            "state": one.state.value,
            "owedAt": one.owed_at.isoformat(),
            "dueAt": one.due_at.isoformat(),
            "fallback": one.fallback,
        }
        for one in found
    ]


def _print_owed(console: "Console", said: dict[str, Any]) -> None:
    """Print of how many of these commands it is not known that their author was told: part of the sum, no place of its own."""
    owed = said["unacknowledged"]
    if owed["count"]:
        console.print(
            f"Of these, {owed['count']} ended other than in the chart or wait too long, and no app confirmed that their "
            f"author saw it (the first for {owed['oldestSeconds']} s)."
        )
    for it in said.get("unacknowledgedCommands", ()):
        done = f", {it['fallback']}" if it["fallback"] else ""
        console.print(f"{it['id']} {it['state']}, due {it['dueAt']}{done}", markup=False)


def _counts(counts: Any) -> dict[str, int]:
    return {name: getattr(counts, _snake(name)) for name in COLUMNS}


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def table_of(lines: dict[str, dict[str, int]], *, title: str | None = None) -> "Table":
    """Return counts as a table, one line each, by what it is called."""
    table = plain_table("", *COLUMNS.values(), title=title)
    for name, counts in lines.items():
        table.add_row(name, *(str(counts[member]) for member in COLUMNS))
    return table


def _print(said: dict[str, Any]) -> None:
    console = results()
    console.print(table_of({**said["days"], "total": said}))
    if len(said["connections"]) > 1:
        console.print()
        console.print(table_of({f"{one['tenant']}/{one['connection']}": one for one in said["connections"]}))
    for it in said["unfit"]:
        console.print(f"{it['id']} fits nowhere: {UNFIT_WORDS[it['reason']]}", style="red", markup=False)
    _print_owed(console, said)
    if said["closes"]:
        console.print("It closes: everything received is accounted for.")
    else:
        console.print(
            "It does not close. That is a defect of the system, not of the data: "
            "docs/runbooks/balance-does-not-close.md says what to do."
        )
