"""`writeback preview FILE`: what would become of a command, in words; nothing is sent and nothing is stored."""

from pathlib import Path
from typing import Annotated, Any

import typer

from canonical import exact_json
from cli.errors import CannotDo
from cli.service_client import Profile, ServiceClient
from cli.submit import PROFILE, ProfileOption, read_lines, told
from cli.terminal import plain_table, results


def preview(
    file: Annotated[Path, typer.Argument(help="One envelope a line, as 'writeback submit' takes them.")],
    profile: ProfileOption = PROFILE,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the documents as served, one a line.")] = False,
) -> None:
    """Show what each command of a file would send and change, and all that speaks against it; exit 1 if anything does."""
    held = 0
    with ServiceClient(Profile.read(profile)) as client:
        for line in read_lines(file):
            content = exact_json.dumps(line.command).encode()
            headers = {"Content-Type": "application/json"}
            answer = client.request("POST", "/v1/commands:preview", content=content, headers=headers)
            if not answer.is_success:
                raise CannotDo(f"Line {line.number}: {told(answer.content)}")
            found = exact_json.parse(answer.content)
            held += not found["accepted"] or found["stop"] is not None
            if as_json:
                print(answer.text)  # noqa: T201 - the result
            else:
                _print(line.number, found)
    if held:
        raise typer.Exit(1)


def _print(number: int, found: dict[str, Any]) -> None:
    console = results()
    console.print(f"Line {number}: {_verdict(found)}", style="bold", markup=False)
    for line in found["says"]:
        console.print(f"  {line['label']}: {line['text']}", markup=False)
    for refusal in found["refusals"]:
        console.print(f"  Refused: {refusal['detail']}", markup=False)
        for error in refusal["errors"]:
            console.print(f"    {error['pointer']}: {error['detail']}", markup=False)
    for finding in found["findings"]:
        console.print(f"  A case beside it: {finding['detail']}", markup=False)
    if found["sentAs"]:
        console.print(f"  {found['sentAsSentence']}", markup=False)
    if found["dependents"]:
        console.print(f"  Commands that build on the same entry: {', '.join(found['dependents'])}", markup=False)
    for way in found["compensation"][:1]:
        console.print(f"  Undone afterwards ({way['degree']}): {way['sentence']}", markup=False)
    for request in found["requests"]:
        _print_request(request)


def _verdict(found: dict[str, Any]) -> str:
    if not found["accepted"]:
        return "it would be refused, and nothing would be stored"
    if found["stop"] is not None:
        return f"it would be taken, and then wait: {found['stop']['detail']}"
    if found["approvalReason"]:
        return f"it would be taken, and sent once a person approves ({found['approvalReason']})"
    return "it would be taken and sent"


def _print_request(request: dict[str, Any]) -> None:
    console = results()
    console.print(f"  {request['method']} {request['url']}", markup=False)
    console.print(f"  Guard: {request['precondition']}", markup=False)
    table = plain_table("field", "in the chart now", "then")
    for effect in request["effects"]:
        table.add_row(effect["field"], _short(effect["now"]), _short(effect["then"]))
    console.print(table)


def _short(value: Any) -> str:
    return "" if value is None else exact_json.dumps(value)
