"""`writeback show ID`: where one command is, in a sentence, and everything that happened to it."""

from datetime import datetime
from typing import Annotated, Any

import typer

from canonical import exact_json
from cli.service_client import Profile, ServiceClient
from cli.submit import PROFILE, ProfileOption, print_served, succeeded
from cli.terminal import plain_table, results


def show(
    id: Annotated[str, typer.Argument(help="The command's id, from its receipt.")],
    profile: ProfileOption = PROFILE,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the document as served.")] = False,
) -> None:
    """Show one command: status, sentence, next step, and its timeline."""
    with ServiceClient(Profile.read(profile)) as client:
        answer = succeeded(client.request("GET", f"/v1/commands/{id}"))
    if as_json:
        print_served(answer)
    else:
        _print(exact_json.parse(answer.content))


def _print(command: dict[str, Any]) -> None:
    console = results()
    action = command["action"]
    console.print(
        f"{action['type']}.{action['operation']} on {command['connection']}, from {command['app']}", markup=False
    )
    console.print(f"{command['status']} ({command['state']}, {command['reason']})", style="bold", markup=False)
    console.print(f"{command['sentence']}\nNext: {command['next']}\n", markup=False)
    timeline = plain_table("when (UTC)", "what", "became", "reason", "by", "attempt")
    for event in command["timeline"]:
        at = datetime.fromisoformat(event["at"]).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
        attempt = str(event["attempt"] or "")
        timeline.add_row(at, event["trigger"], event["target"], event["reason"], event["actor"], attempt)
    console.print(timeline)
    for operation in command["operations"]:
        where = (
            f"{operation['reference']} version {operation['version']}" if operation["reference"] else "not there yet"
        )
        console.print(f"\n{operation['interaction']} {operation['resourceType']}: {where}", markup=False)
