"""`writeback explain ID`: what one command was meant to do, what happened to it, and what the chart says now."""

from typing import Annotated, Any

import typer

from canonical import exact_json
from cli.service_client import Profile, ServiceClient
from cli.submit import PROFILE, ProfileOption, print_served, succeeded
from cli.terminal import results

_QUESTIONS = (
    ("intended", "What was intended"),
    ("happened", "What happened"),
    ("now", "What is authoritative now"),
)


def explain(
    id: Annotated[str, typer.Argument(help="The command's id, from its receipt.")],
    profile: ProfileOption = PROFILE,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the document as served.")] = False,
) -> None:
    """Explain one command: what was intended, what happened, and what the chart says now, read live."""
    with ServiceClient(Profile.read(profile)) as client:
        answer = succeeded(client.request("GET", f"/v1/commands/{id}/explanation"))
    if as_json:
        print_served(answer)
    else:
        _print(exact_json.parse(answer.content))


def _print(explanation: dict[str, Any]) -> None:
    console = results()
    console.print(explanation["what"], style="bold", markup=False)
    console.print(f"{explanation['safe']}\nNext: {explanation['next']}", markup=False)
    for name, question in _QUESTIONS:
        answer = explanation[name]
        console.print(f"\n{question}", style="bold", markup=False)
        if answer["trouble"]:
            console.print(f"  {answer['trouble']}", markup=False)
        for line in answer["lines"]:
            console.print(f"  {line['label']}: {line['text']}", markup=False)
