"""Cases as a person reads them at a terminal: the queue, one case, what a decision will do. It asks and decides nothing."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from cli.terminal import plain_table

_SEVERITY = {1: "1 now", 2: "2 soon", 3: "3 today", 4: "4 routine"}


def print_queue(console: Console, queue: Mapping[str, Any]) -> None:
    """Print a page of the queue."""
    console.print(_rows(queue["rows"]))
    more = "or more " if queue["open"] >= queue["countedTo"] else ""
    console.print(f"\n{queue['open']} {more}open, {queue['overdue']} overdue.", markup=False)
    _print_cursor(console, queue)


def print_found(console: Console, found: Mapping[str, Any]) -> None:
    """Print a page of a search."""
    console.print(_rows(found["rows"]))
    _print_cursor(console, found)


def _print_cursor(console: Console, page: Mapping[str, Any]) -> None:
    if page["cursor"]:
        console.print(f"There are more: --cursor {page['cursor']}", markup=False)


def _rows(rows: Sequence[Mapping[str, Any]]) -> Table:
    table = plain_table("case", "severity", "due (UTC)", "patient", "what", "from", "EHR", "waiting", "with")
    for row in rows:
        due = datetime.fromisoformat(row["dueAt"]).strftime("%Y-%m-%d %H:%M")
        what = row["headline"] or row["kindWords"]
        table.add_row(
            str(row["id"]),
            _SEVERITY.get(row["severity"], str(row["severity"])),
            f"{due} overdue" if row["isOverdue"] else due,
            row["patient"] or "",
            what + _beside(row),
            row["sender"],
            row["ehr"],
            str(row["waiting"] or ""),
            row["claimedBy"] or "",
        )
    return table


def _beside(row: Mapping[str, Any]) -> str:
    told = [f"{row['together']} of one cause: {row['cause']}"] if row["cause"] and row["together"] > 1 else []
    told += ["its author was asked"] if row["asked"] else []
    return f" ({'; '.join(told)})" if told else ""


def print_case(console: Console, page: Mapping[str, Any]) -> None:
    """Print one case in the order in which it is read."""
    row = page["row"]
    console.print(f"Case {row['id']}: {row['kindWords']}", style="bold", markup=False)
    for text in _about(page):
        console.print(text, markup=False)
    if page["fields"]:
        console.print(_fields(page))
    for text in _parts(page):
        console.print(text, markup=False)
    for text in _evidence(page):
        console.print(text, markup=False)
    for choice in page["choices"]:
        console.print(f"\n{choice['verb']}: {choice['label']}", style="bold", markup=False)
        for text in effects(choice):
            console.print(f"  {text}", markup=False)
    if page["view"]:
        console.print(f"\nSeen as {page['view']}", markup=False)


def effects(choice: Mapping[str, Any]) -> Iterator[str]:
    """Return what a choice does, line by line."""
    yield choice["result"]
    yield from filter(None, (choice["undo"], choice["behind"]))
    if choice["reasons"]:
        yield "Reasons: " + "; ".join(f"{item['code']} ({item['words']})" for item in choice["reasons"])
    if choice["textRequired"]:
        yield "Needs --text."
    if choice["closedTo"]:
        yield f"Not for you: {choice['closedTo']}"


def _about(page: Mapping[str, Any]) -> Iterator[str]:
    banner = page["banner"]
    if banner is not None:
        yield ", ".join(banner[name] for name in ("name", "birth", "sex", "recordNumber", "place") if banner[name])
        yield f"Allergies: {banner['allergies']}"
        if banner["identityInQuestion"]:
            yield "The question is whether this is the right patient."
    if page.get("successor") is not None:
        names = ("name", "birth", "sex", "recordNumber")
        yield f"The record in its place: {', '.join(page['successor'][name] for name in names)}"
    if page["breakGlass"]:
        yield "This patient is in a restricted class: give the reason why you must see it with --break-glass."
    yield from filter(None, (page["question"], page["closed"], page["status"], page["news"], page["needsSecond"]))


def _fields(page: Mapping[str, Any]) -> Any:
    table = plain_table("field", "as its author saw it", "in the chart now", "proposed", "")
    for field in page["fields"]:
        said = "; ".join(filter(None, (field["direction"], field["fixed"])))
        seen = "not seen" if field["seen"] is None else field["seen"]
        table.add_row(field["name"], seen, field["chart"], field["proposed"], said)
    return table


def _parts(page: Mapping[str, Any]) -> Iterator[str]:
    """Return what of it is in the chart, part by part, and how each could be taken back."""
    for part in page["parts"]:
        told = ", ".join(filter(None, (part["reference"], part["version"] and f"written as version {part['version']}")))
        yield f"\nPart {part['seq']}: {part['what']}"
        yield f"  {part['sentence']}{f' ({told})' if told else ''}"
        if part["note"]:
            yield f"  {part['note']}"
        for way in part["ways"]:
            name = f"--part {part['seq']}={way['operation']}: " if way["operation"] and not way["closedTo"] else ""
            shut = way["closedTo"] if way["closedTo"] != way["sentence"] else ""
            yield f"  {name}{way['sentence']}{f' Not open to you: {shut}' if shut else ''}"


def _evidence(page: Mapping[str, Any]) -> Iterator[str]:
    if page["chartChange"] is not None:
        yield page["chartChange"]["sentence"]
    if page["proposal"] is not None:
        for line in (*page["proposal"]["lines"], *page["proposal"]["ai"]):
            yield f"{line['label']}: {line['text']}"
    for entry in page["context"]:
        yield f"{entry['title']} (read {entry['readAt']}): {'; '.join(entry['lines'])}"
    if page["waiting"]:
        yield "Waiting behind it: " + "; ".join(item["words"] for item in page["waiting"])
