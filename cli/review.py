"""`writeback review …`: the review queue at a terminal. A case is decided on what was shown, as on the pages."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from canonical import exact_json
from canonical.review_desk import Verb
from canonical.reviewer import Pool
from cli.board_words import print_board
from cli.errors import CannotDo
from cli.picks import parts, picks, typed
from cli.review_words import effects, print_case, print_found, print_queue
from cli.service_client import PersonToken, Profile, ServiceClient
from cli.submit import PROFILE, ProfileOption, print_served, succeeded
from cli.terminal import notes, results, say

review = typer.Typer(
    no_args_is_help=True,
    help="Work the review queue: list, search, show, claim, release and decide cases, and see the board.",
)

_AS_JSON = {"Content-Type": "application/json"}
CaseArgument = Annotated[int, typer.Argument(min=1, help="The case's number, from the list.")]
TokenOption = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        envvar="WRITEBACK_TOKEN_FILE",
        help="File with the access token of whoever reviews. Without it the app of the profile asks: it may only look.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the document as served.")]


@review.command("list")
def list_cases(
    pool: Annotated[Pool | None, typer.Option(help="Only this queue, of those that are yours.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only this kind of case.")] = None,
    connection: Annotated[str | None, typer.Option(help="Only this EHR connection.")] = None,
    action: Annotated[str | None, typer.Option(help="Only this action, such as MedicationChange.")] = None,
    severity: Annotated[int | None, typer.Option(min=1, max=4, help="Only this severity; 1 is now.")] = None,
    cursor: Annotated[str | None, typer.Option(help="Go on where a page ended.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100)] = 50,
    profile: ProfileOption = PROFILE,
    token_file: TokenOption = None,
    *,
    mine: Annotated[bool, typer.Option("--mine", help="Only what you have claimed.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List open cases, most severe first and then by due time."""
    asked = {
        "pool": pool.value if pool is not None else None,
        "kind": kind,
        "connection": connection,
        "actionType": action,
        "severity": severity,
        "cursor": cursor,
        "limit": limit,
        "mine": "true" if mine else None,
    }
    with open_client(profile, token_file) as client:
        answer = succeeded(client.request("GET", "/v1/cases", params={k: v for k, v in asked.items() if v is not None}))
    if as_json:
        print_served(answer)
    else:
        print_queue(results(), exact_json.parse(answer.content))


@review.command()
def search(
    kind: Annotated[str | None, typer.Option(help="Only this kind of case.")] = None,
    severity: Annotated[int | None, typer.Option(min=1, max=4, help="Only this severity; 1 is now.")] = None,
    pool: Annotated[Pool | None, typer.Option(help="Only this queue, of those that are yours.")] = None,
    connection: Annotated[str | None, typer.Option(help="Only this EHR connection.")] = None,
    state: Annotated[str, typer.Option(help="open, closed or any.")] = "open",
    older_than: Annotated[int | None, typer.Option("--older-than", min=0, help="Opened so many minutes ago.")] = None,
    correlation_id: Annotated[str | None, typer.Option(help="The app's correlation id.")] = None,
    vendor_code: Annotated[str | None, typer.Option(help="A code that the EHR answered with.")] = None,
    cursor: Annotated[str | None, typer.Option(help="Go on where a page ended.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100)] = 50,
    profile: ProfileOption = PROFILE,
    token_file: TokenOption = None,
    *,
    patient: Annotated[bool, typer.Option("--patient", help="Ask for a patient: Patient/id or system|value.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Find cases, open or closed, newest first. A patient is asked for, so that no list of commands names one."""
    asked = {
        "kind": kind,
        "severity": severity,
        "pool": pool.value if pool is not None else None,
        "connection": connection,
        "state": state,
        "olderThanMinutes": older_than,
        "correlationId": correlation_id,
        "patient": typer.prompt("Patient", err=True) if patient else None,
        "vendorCode": vendor_code,
        "cursor": cursor,
        "limit": limit,
    }
    content = exact_json.dumps({name: value for name, value in asked.items() if value is not None})
    with open_client(profile, token_file) as client:
        answer = succeeded(client.request("POST", "/v1/cases/_search", content=content, headers=_AS_JSON))
    if as_json:
        print_served(answer)
    else:
        print_found(results(), exact_json.parse(answer.content))


@review.command()
def board(profile: ProfileOption = PROFILE, token_file: TokenOption = None, *, as_json: JsonOption = False) -> None:
    """Show the figures of the queue: how old it is, what becomes of writes, what reviewing costs."""
    with open_client(profile, token_file) as client:
        answer = succeeded(client.request("GET", "/v1/board"))
    if as_json:
        print_served(answer)
    else:
        print_board(results(), exact_json.parse(answer.content))


@review.command()
def show(
    case: CaseArgument,
    profile: ProfileOption = PROFILE,
    token_file: TokenOption = None,
    break_glass: Annotated[
        str | None, typer.Option(help="Why you must see a patient of a restricted class; @FILE reads it from a file.")
    ] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Show one case with the chart as it is now, what may be decided, and what each decision does."""
    with open_client(profile, token_file) as client:
        answer = _opened(client, case, break_glass)
    _print_page(answer, as_json=as_json)


@review.command()
def claim(
    case: CaseArgument, profile: ProfileOption = PROFILE, token_file: TokenOption = None, *, as_json: JsonOption = False
) -> None:
    """Take a case for yourself for some minutes, and show it."""
    with open_client(profile, token_file) as client:
        answer = succeeded(client.request("POST", f"/v1/cases/{case}:claim"))
    _print_page(answer, as_json=as_json)


@review.command()
def release(case: CaseArgument, profile: ProfileOption = PROFILE, token_file: TokenOption = None) -> None:
    """Give a case back."""
    with open_client(profile, token_file) as client:
        succeeded(client.request("POST", f"/v1/cases/{case}:release"))
    say(f"Case {case} is not with you.")


@review.command()
def decide(
    case: CaseArgument,
    verb: Annotated[Verb, typer.Option(help="What is decided; 'show' lists what there is to decide.")],
    field: Annotated[list[str] | None, typer.Option(help="NAME=chart or NAME=proposal; once for each field.")] = None,
    value: Annotated[
        list[str] | None, typer.Option(help="NAME=JSON: another value; @FILE reads it from a file.")
    ] = None,
    part: Annotated[
        list[str] | None,
        typer.Option(
            help="SEQ=WAY: a part to take back, and by which of its ways; once for each part. The others stay."
        ),
    ] = None,
    reason: Annotated[str, typer.Option(help="A code of the choice's reasons.")] = "",
    text: Annotated[str, typer.Option(help="Your question, or how you know; @FILE reads it from a file.")] = "",
    view: Annotated[str | None, typer.Option(help="Decide on what 'show' showed you under this name.")] = None,
    profile: ProfileOption = PROFILE,
    token_file: TokenOption = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; needs --view.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Decide a case: show it, say what will happen, ask, and send the decision on exactly what was shown.

    With --view nothing is shown again; if the chart moved since, nothing is changed and the answer says so.
    """
    if yes and view is None:
        raise CannotDo(
            "--yes needs --view: a decision rests on what you saw. Run 'writeback review show' and name what it says "
            "after 'Seen as'. Nothing was sent."
        )
    body = {
        "verb": verb.value,
        "fields": picks(field or (), value or ()),
        "parts": parts(part or ()),
        "reason": reason,
        "text": typed(text),
    }
    with open_client(profile, token_file) as client:
        seen = view or _shown(client, case, verb)
        if not yes:
            _confirm(case, body)
        content = exact_json.dumps({"view": seen, **body})
        headers = {"Content-Type": "application/json"}
        answer = succeeded(client.request("POST", f"/v1/cases/{case}:decide", content=content, headers=headers))
    if as_json:
        print_served(answer)
    else:
        results().print(exact_json.parse(answer.content)["sentence"], markup=False)


def _shown(client: ServiceClient, case: int, verb: Verb) -> str:
    """Show the case, and what the decision does, to whoever is asked to confirm it; return the view."""
    page = exact_json.parse(_opened(client, case, None).content)
    console = notes()
    print_case(console, page)
    choice = next((item for item in page["choices"] if item["verb"] == verb), None)
    if choice is None:
        raise CannotDo(f"'{verb}' cannot be decided of this case as it is now. Nothing was changed.")
    if choice["closedTo"]:
        raise CannotDo(f"{choice['closedTo']} Nothing was changed.")
    console.print(f"\nYou are about to decide: {choice['label']}", style="bold", markup=False)
    for line in effects(choice):
        console.print(f"  {line}", markup=False)
    return str(page["view"])


def _confirm(case: int, body: dict[str, Any]) -> None:
    """Ask whoever is at the terminal; nobody there is a no."""
    for name, pick in body["fields"].items():
        kept = exact_json.dumps(pick["value"]) if "value" in pick else f"as in the {pick['pick']}"
        say(f"  {name}: {kept}")
    for place, way in body["parts"].items():
        say(f"  part {place}: {way}")
    if not typer.confirm(f"Decide case {case} so?", err=True):
        raise CannotDo("Nothing was changed.")


def _opened(client: ServiceClient, case: int, break_glass: str | None) -> httpx.Response:
    if break_glass is None:
        return succeeded(client.request("GET", f"/v1/cases/{case}"))
    content = exact_json.dumps({"breakGlass": typed(break_glass)})
    headers = {"Content-Type": "application/json"}
    return succeeded(client.request("POST", f"/v1/cases/{case}:open", content=content, headers=headers))


@contextmanager
def open_client(profile: Path, token_file: Path | None) -> Iterator[ServiceClient]:
    """Yield the way to the service as whoever the token is of, or as the app alone."""
    person = PersonToken(token_file) if token_file is not None else None
    with ServiceClient(Profile.read(profile), person=person) as client:
        yield client


def _print_page(answer: httpx.Response, *, as_json: bool) -> None:
    if as_json:
        print_served(answer)
    else:
        print_case(results(), exact_json.parse(answer.content))
