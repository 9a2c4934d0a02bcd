"""`writeback submit FILE`: give the commands of a file to the service; it may be run again at any point."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.progress import Progress

from canonical import exact_json
from cli.errors import CannotDo
from cli.service_client import Profile, ServiceClient
from cli.terminal import notes, say

PROFILE = Path(".writeback/site/ward.json")
ProfileOption = Annotated[
    Path, typer.Option("--profile", envvar="WRITEBACK_PROFILE", help="JSON: where the service is, and as which app.")
]
#: Commands of one request; the door takes up to a hundred.
AT_ONCE = 50
#: Bytes of one request, so that commands with long texts stay below the door's limit (4 MiB, as a service is set up).
AT_ONCE_BYTES = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of the file: its number from 1, its command, and its key if the service cannot derive one."""

    number: int
    command: dict[str, Any]
    key: str | None


def submit(
    file: Annotated[Path, typer.Argument(help="One envelope a line, or {'key': …, 'command': envelope}.")],
    profile: ProfileOption = PROFILE,
) -> None:
    """Submit commands from a file of JSON lines; each line's result goes to stdout.

    A line without a key and without source.eventId gets a key of its content, so the same file may be submitted again
    and nothing is written twice.
    """
    lines = list(read_lines(file))
    counted = {"accepted": 0, "known": 0, "refused": 0}
    with ServiceClient(Profile.read(profile)) as client, Progress(console=notes(), transient=True) as progress:
        bar = progress.add_task("submitting", total=len(lines))
        for batch in batches(lines):
            for line, item in zip(batch, _give(client, batch), strict=True):
                outcome = _outcome(item)
                counted[outcome] += 1
                print(json.dumps(_result(line, outcome, item)), flush=True)  # noqa: T201 - the result
            progress.advance(bar, len(batch))
    say(", ".join(f"{number} {word}" for word, number in counted.items()) + ".")
    if counted["refused"]:
        raise typer.Exit(1)


def read_lines(file: Path) -> Iterator[Line]:
    """Return the commands of a file of JSON lines; empty lines do not count.

    Raises:
        CannotDo: the file or one of its lines cannot be read; nothing was sent.
    """
    try:
        texts = file.read_bytes().decode("utf-8").split("\n")
    except (OSError, UnicodeDecodeError):
        raise CannotDo(f"{file} cannot be read as UTF-8 text; nothing was sent.") from None
    # Only \n ends a line of JSON: a text within it may hold the other characters that Unicode calls line ends.
    for number, text in enumerate(texts, 1):
        if text.strip():
            yield _line(number, text)


def batches(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """Return ``lines`` in order, in requests of at most ``AT_ONCE`` and, unless one is longer, ``AT_ONCE_BYTES``."""
    batch: list[Line] = []
    size = 0
    for line in lines:
        length = len(exact_json.dumps(line.command).encode())
        if batch and (len(batch) == AT_ONCE or size + length > AT_ONCE_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(line)
        size += length
    if batch:
        yield batch


def _line(number: int, text: str) -> Line:
    try:
        given = exact_json.parse(text)
    except exact_json.InvalidJsonError as error:
        raise CannotDo(
            f"Line {number} is {error}. Nothing was sent; mend the line and submit the file again."
        ) from None
    is_wrapped = isinstance(given, dict) and "command" in given and set(given) <= {"key", "command"}
    command, key = (given.get("command"), given.get("key")) if is_wrapped else (given, None)
    if not isinstance(command, dict) or not (key is None or isinstance(key, str)):
        raise CannotDo(f"Line {number} is not a command, nor {{'key': …, 'command': …}}. Nothing was sent.")
    source = command.get("source")
    has_event = isinstance(source, dict) and source.get("eventId") is not None
    return Line(number=number, command=command, key=key or (None if has_event else _key_of(command)))


def _key_of(command: dict[str, Any]) -> str:
    return "line:" + hashlib.sha256(exact_json.canonical_bytes(command)).hexdigest()


def _give(client: ServiceClient, batch: Sequence[Line]) -> list[dict[str, Any]]:
    items = [{"command": line.command} | ({"key": line.key} if line.key else {}) for line in batch]
    answer = client.request(
        "POST",
        "/v1/commands:batch",
        content=exact_json.dumps({"commands": items}),
        headers={"Content-Type": "application/json"},
    )
    if not answer.is_success:
        raise CannotDo(
            f"{told(answer.content)} Stopped before line {batch[0].number}: what was accepted before it is kept; "
            "submit the file again when the reason is dealt with."
        )
    found: list[dict[str, Any]] = exact_json.parse(answer.content)["items"]
    return found


def succeeded(answer: httpx.Response) -> httpx.Response:
    """Return an answer that is none of a refusal.

    Raises:
        CannotDo: the service refused; its sentence.
    """
    if not answer.is_success:
        raise CannotDo(told(answer.content))
    return answer


def print_served(answer: httpx.Response) -> None:
    """Print a document as it was served."""
    print(answer.text)  # noqa: T201 - the result


def told(body: bytes) -> str:
    """Return the sentence of a problem document, whatever came."""
    try:
        document = exact_json.parse(body)
    except exact_json.InvalidJsonError:
        document = None
    if not isinstance(document, dict):
        return "The service gave an answer that is no problem document."
    pointers = [error["pointer"] for error in document.get("errors") or []]
    where = f" ({', '.join(pointers)})" if pointers else ""
    return f"{document.get('detail') or document.get('title') or 'The service refused.'}{where}"


def _outcome(item: dict[str, Any]) -> str:
    receipt = item.get("receipt")
    if receipt is None:
        return "refused"
    return "known" if receipt["replayed"] else "accepted"


def _result(line: Line, outcome: str, item: dict[str, Any]) -> dict[str, Any]:
    receipt, problem = item.get("receipt"), item.get("problem")
    if receipt is not None:
        said = {name: receipt[name] for name in ("id", "status", "reason", "correlationId")}
    else:
        said = {name: (problem or {}).get(name) for name in ("code", "detail", "retry", "errors")}
        said["retryAfter"] = item.get("retryAfter")
    return {"line": line.number, "outcome": outcome, **said}
