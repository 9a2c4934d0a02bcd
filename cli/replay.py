"""`writeback replay …`: have commands sent again that ended without effect or stand still, and follow what becomes of each."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from canonical import exact_json
from canonical.replay import Mode, Step
from cli.errors import CannotDo
from cli.review import JsonOption, TokenOption, open_client
from cli.submit import PROFILE, ProfileOption, print_served, succeeded
from cli.terminal import plain_table, results

replay = typer.Typer(no_args_is_help=True, help="Have commands sent again: plan, start, show, pause, resume, cancel.")

IdArgument = Annotated[str, typer.Argument(help="The replay's id, from its start.")]
_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]


@replay.command()
def plan(
    reason: Annotated[str, typer.Option(help="Why: what was mended. Kept; no patient data.")],
    command: Annotated[list[str] | None, typer.Option(help="This command; once for each.")] = None,
    connection: Annotated[str | None, typer.Option(help="All that stand still on this EHR connection.")] = None,
    action: Annotated[str | None, typer.Option(help="Of this action only, such as VitalReading.")] = None,
    state: Annotated[str | None, typer.Option(help="In this state only: in_review or rejected.")] = None,
    case_kind: Annotated[str | None, typer.Option(help="With an open case of this kind only.")] = None,
    since: Annotated[datetime | None, typer.Option(formats=_FORMATS, help="Received since then (UTC).")] = None,
    until: Annotated[datetime | None, typer.Option(formats=_FORMATS, help="Received before then (UTC).")] = None,
    mode: Annotated[Mode, typer.Option(help="Which bytes: stored, pinned, or regenerated.")] = Mode.STORED,
    batch: Annotated[int | None, typer.Option(min=1, help="Items begun together.")] = None,
    rate: Annotated[int | None, typer.Option(min=1, help="Items begun in a minute, of one connection.")] = None,
    profile: ProfileOption = PROFILE,
    token_file: TokenOption = None,
    *,
    now: Annotated[bool, typer.Option("--now", help="Do it at once, without a dry run first.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Plan a replay: a dry run that moves nothing, to look at with 'show' and do with 'start'."""
    chosen = {
        "commands": command or None,
        "connection": connection,
        "actionType": action,
        "state": state,
        "caseKind": case_kind,
        "receivedFrom": _utc(since),
        "receivedTo": _utc(until),
    }
    body = {
        "selection": {name: value for name, value in chosen.items() if value is not None},
        "reason": reason,
        "mode": mode.value,
        "dryRun": not now,
        **({"batchSize": batch} if batch is not None else {}),
        **({"ratePerMinute": rate} if rate is not None else {}),
    }
    _ask("POST", "/v1/replays", profile, token_file, body=body, as_json=as_json)


@replay.command()
def show(
    id: IdArgument,
    cursor: Annotated[str | None, typer.Option(help="Go on where a page ended.")] = None,
    profile: ProfileOption = PROFILE,
    token_file: TokenOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Show a replay and what became of its items."""
    path = f"/v1/replays/{id}" + (f"?cursor={cursor}" if cursor is not None else "")
    _ask("GET", path, profile, token_file, as_json=as_json)


@replay.command()
def start(
    id: IdArgument, profile: ProfileOption = PROFILE, token_file: TokenOption = None, *, as_json: JsonOption = False
) -> None:
    """Do what a dry run looked at; every item is looked at again first."""
    _step(id, Step.START, profile, token_file, as_json=as_json)


@replay.command()
def pause(
    id: IdArgument, profile: ProfileOption = PROFILE, token_file: TokenOption = None, *, as_json: JsonOption = False
) -> None:
    """Begin no further item until it is resumed."""
    _step(id, Step.PAUSE, profile, token_file, as_json=as_json)


@replay.command()
def resume(
    id: IdArgument, profile: ProfileOption = PROFILE, token_file: TokenOption = None, *, as_json: JsonOption = False
) -> None:
    """Go on with what was not begun."""
    _step(id, Step.RESUME, profile, token_file, as_json=as_json)


@replay.command()
def cancel(
    id: IdArgument, profile: ProfileOption = PROFILE, token_file: TokenOption = None, *, as_json: JsonOption = False
) -> None:
    """Begin no further item, ever."""
    _step(id, Step.CANCEL, profile, token_file, as_json=as_json)


def _step(id: str, step: Step, profile: Path, token_file: Path | None, *, as_json: bool) -> None:
    _ask("POST", f"/v1/replays/{id}:{step}", profile, token_file, as_json=as_json)


def _utc(when: datetime | None) -> str | None:
    return f"{when.isoformat()}Z" if when is not None else None


def _ask(
    method: str,
    path: str,
    profile: Path,
    token_file: Path | None,
    *,
    body: dict[str, Any] | None = None,
    as_json: bool,
) -> None:
    if "/" in path.removeprefix("/v1/replays/").removeprefix("/v1/replays"):
        raise CannotDo("That is no id of a replay. Nothing was changed.")
    content = {"content": exact_json.dumps(body), "headers": {"Content-Type": "application/json"}} if body else {}
    with open_client(profile, token_file) as client:
        answer = succeeded(client.request(method, path, **content))
    if as_json:
        print_served(answer)
    else:
        _print(exact_json.parse(answer.content))


def _print(told: dict[str, Any]) -> None:
    console = results()
    run = ", dry run: nothing is moved" if told["dryRun"] else ""
    console.print(f"Replay {told['id']}: {told['state']}{run}", style="bold", markup=False)
    counts = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in sorted(told["counts"].items()))
    console.print(f"{told['reason']} ({told['askedBy']}). Items: {counts}", markup=False)
    if not told["items"]:
        console.print(f"See each: writeback replay show {told['id']}", markup=False)
        return
    table = plain_table("no.", "command", "result", "what it means", "given anew", "case")
    for item in told["items"]:
        waits = f"waits: {item['waitsFor']}" if item["waitsFor"] else item["state"]
        sentence = f"{item['sentence']} {item['error']}".strip()
        given, case = item["newCommand"] or "", str(item["caseId"] or "")
        table.add_row(str(item["seq"]), item["command"], item["result"] or waits, sentence, given, case)
    console.print(table)
    if told["cursor"] is not None:
        console.print(f"Go on with --cursor {told['cursor']}", markup=False)
