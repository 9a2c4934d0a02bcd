"""`writeback acknowledge ID`: show where a command is, and confirm as its app that the author saw that."""

from typing import Annotated

import typer

from canonical import exact_json
from cli.service_client import Profile, ServiceClient
from cli.submit import PROFILE, ProfileOption, succeeded
from cli.terminal import results


def acknowledge(
    id: Annotated[str, typer.Argument(help="The command's id, from its receipt.")],
    profile: ProfileOption = PROFILE,
) -> None:
    """Confirm that the author saw where a command is, as it is shown here; not what it becomes meanwhile."""
    with ServiceClient(Profile.read(profile)) as client:
        command = exact_json.parse(succeeded(client.request("GET", f"/v1/commands/{id}")).content)
        seen = {"sequence": command["timeline"][-1]["seq"]}
        answer = client.request("POST", f"/v1/commands/{id}:acknowledge", json=seen)
    console = results()
    console.print(f"{command['status']}: {command['sentence']}", markup=False)
    console.print(exact_json.parse(succeeded(answer).content)["sentence"], markup=False)
