"""What happened to a command: every event, every request with what came of it, every decision, by the clock. No chart."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, tzinfo
from typing import Any

from canonical.event_words import ATTEMPT_WORDS, event_words
from canonical.explanation import Answer, HappenedRecord
from canonical.plain_times import moment_in_words
from canonical.plain_values import words
from canonical.plain_words import Line

#: Of one moment: what a person decided comes before what moved by it, and a request after the claim that journaled it.
_DECISION, _EVENT, _ATTEMPT = range(3)


def happened(record: HappenedRecord, *, shows: bool, zone: tzinfo) -> Answer:
    """Return the answer, oldest first; not ``shows``: without the names of entries."""
    told = [
        *((item["at"], _DECISION, _decision(item)) for item in record.decisions),
        *((at, _EVENT, _event(item)) for at, item in _in_order(record.events)),
        *((item["at"], _ATTEMPT, _attempt(item, shows=shows, zone=zone)) for item in record.attempts),
    ]
    return Answer(lines=tuple(_line(at, text, zone) for at, _, text in sorted(told, key=lambda item: item[:2])))


def _in_order(events: tuple[dict[str, Any], ...]) -> Iterator[tuple[datetime, dict[str, Any]]]:
    """Yield events by their number, none before the one that led to it: those of one commit have no order by the clock."""
    latest = None
    for event in events:
        latest = max(latest, event["at"]) if latest is not None else event["at"]
        yield latest, event


def _line(at: datetime, text: str, zone: tzinfo) -> Line:
    return Line(label=moment_in_words(at, zone), text=text)


def _event(event: dict[str, Any]) -> str:
    reason, trigger = event["reason"], event["trigger"]
    why = f" ({_spoken(reason)})" if reason and _spoken(reason) != _spoken(trigger) else ""
    became = f": now {_spoken(event['target'])}" if event["target"] != event["source"] else ""
    return f"{event_words(trigger)}{why}{became}. By {event['actor']}."


def _attempt(attempt: dict[str, Any], *, shows: bool, zone: tzinfo) -> str:
    did = ATTEMPT_WORDS.get(attempt["kind"], attempt["kind"])
    return f"Request {attempt['n']} of part {attempt['operation']}, {did}: {'; '.join(_outcome(attempt, shows, zone))}."


def _outcome(attempt: dict[str, Any], shows: bool, zone: tzinfo) -> Iterator[str]:  # noqa: FBT001 - one caller
    if attempt["precondition"] and shows:
        yield f"guarded by {attempt['precondition']}"
    settled, status, code = attempt["outcome"], attempt["status"], attempt["vendor_code"]
    answered = f" (status {status}{f', code {code}' if code else ''})" if status is not None else ""
    yield f"{_spoken(settled)}{answered}" if settled else "no outcome yet"
    if attempt["version"]:
        where = f" of {attempt['reference']}" if shows and attempt["reference"] else ""
        yield f"it became version {attempt['version']}{where}"
    if attempt["late_outcome"]:
        yield f"a late answer came at {moment_in_words(attempt['late_at'], zone)}: {_spoken(attempt['late_outcome'])}"
    if attempt["mapping_version"]:
        yield f"mapping {attempt['mapping_version']}"


def _decision(decision: dict[str, Any]) -> str:
    parts = [
        _spoken(decision["reason"]) if decision["reason"] else "",
        f"on version {decision['base_version']} of the entry" if decision["base_version"] else "",
        "not as it was proposed" if decision["changed"] else "",
        f"under policy {decision['policy_version']}" if decision["policy_version"] else "",
    ]
    told = "; ".join(part for part in parts if part)
    return f"{decision['person']} decided: {words(decision['verb'])}{f' ({told})' if told else ''}."


def _spoken(name: str) -> str:
    return words(name.replace("-", " ").replace("_", " "))
