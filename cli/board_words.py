"""The status board as a person reads it at a terminal: counts of the queue, in tables. It asks nothing."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from cli.terminal import plain_table


def print_board(console: Console, board: Mapping[str, Any]) -> None:
    """Print the figures of the queue."""
    console.print(f"{board['open']} open, {board['overdue']} overdue, as of {board['now']}.", markup=False)
    ages = plain_table("age", "severity 1", "2", "3", "4")
    for row in board["ages"]:
        ages.add_row(row["age"], *map(str, row["bySeverity"]))
    kinds = plain_table("kind", "open")
    for row in board["byKind"]:
        kinds.add_row(row["kind"], str(row["cases"]))
    outcomes = plain_table("connection", "status", "commands")
    for row in board["outcomes"]:
        outcomes.add_row(row["connection"], row["status"], str(row["commands"]))
    rates = plain_table("connection", "day", "conflicts", "of commands")
    for row in board["conflictRates"]:
        rates.add_row(row["connection"], row["day"], str(row["conflicts"]), str(row["commands"]))
    effort = plain_table("connection", "action", "closed", "minutes to look", "to decision", "moot")
    for row in board["effort"]:
        minutes = (_minutes(row["minutesToFirstLook"]), _minutes(row["minutesToDecision"]))
        effort.add_row(row["connection"], row["actionType"], str(row["closed"]), *minutes, str(row["moot"]))
    for table in (ages, kinds, outcomes, rates, effort):
        console.print("")
        console.print(table)
    for notice in board["notices"]:
        console.print(f"\n{notice}", markup=False)


def _minutes(value: Any) -> str:
    return "" if value is None else str(round(value, 1))
