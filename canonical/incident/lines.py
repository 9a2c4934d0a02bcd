"""The three sides of one command in one order: our log, the chart, and what people and alarms did. Pure.

Our log and the audit have one clock, the database's, and the log its numbers. A version of the chart stands behind the request
that made it; one by somebody else between the versions around it, and only within those by the EHR's clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from canonical.event_words import ATTEMPT_WORDS, event_words
from canonical.incident.report import (
    ChartEntry,
    ChartSide,
    ChartVersion,
    CommandRecord,
    JudgedCommand,
    RecordedAttempt,
    RecordedCase,
    RecordedDecision,
    RecordedEvent,
)
from canonical.incident.traces import CLAIMS, SEND, is_known, traces
from canonical.plain_values import words


class Side(StrEnum):
    """Who says it."""

    LOG = "log"
    CHART = "chart"
    AUDIT = "audit"


@dataclass(frozen=True, kw_only=True)
class Line:
    """One thing that one side says; ``at`` (UTC) by its own clock. ``code`` names its kind, ``who`` acted.

    ``seq`` is the event's number, ``attempt`` the request's, ``entry`` the label of an entry and ``version`` its version.
    """

    side: Side
    at: datetime | None
    code: str
    text: str
    who: str | None = None
    seq: int | None = None
    attempt: int | None = None
    entry: str | None = None
    version: str | None = None


def side_by_side(judged: JudgedCommand) -> tuple[Line, ...]:
    """Return the lines of one command in their order."""
    chart, lines = judged.chart, list(_by_our_clock(judged.record))
    made = {id(version): n for trace in traces(judged.record, chart) for version, n in trace.all}
    for entry in chart.entries:
        _insert(lines, entry, made, chart)
    return tuple(lines)


def _by_our_clock(record: CommandRecord) -> Iterator[Line]:
    """Yield what one clock orders, events by their number, none before the one that led to it."""
    told: list[tuple[datetime, int, Line]] = []
    latest: datetime | None = None
    left: dict[int | None, datetime] = {}
    for event in record.events:
        latest = max(latest, event.at) if latest is not None else event.at
        told.append((latest, 1, _event(event)))
        if event.trigger in CLAIMS:
            left[event.attempt] = latest
    for item in record.attempts:
        # A request is journaled in the commit of its claim, and a moment before that by the clock.
        claimed = left.get(item.n, item.claimed_at) if item.kind == SEND else item.claimed_at
        told.append((max(claimed, item.claimed_at), 2, _attempt(item)))
    told += [(item.at, 0, _decision(item)) for item in record.decisions]
    told += [(line.at, 3, line) for case in record.cases for line in case_lines(case) if line.at is not None]
    yield from (line for _, _, line in sorted(told, key=lambda item: item[:2]))


def _insert(lines: list[Line], entry: ChartEntry, made: dict[int, int | None], chart: ChartSide) -> None:
    """Put the versions of an entry among ``lines``, in the EHR's order."""
    after = 0
    for version in entry.versions:
        line = _version(entry, version, ours=version.is_ours or is_known(version, chart))
        place = _behind_request(lines, made.get(id(version)))
        if place is None:
            place = _by_clock(lines, version.at, after, _next_of_ours(lines, entry, version, made))
        after = max(after, place) + 1
        lines.insert(after - 1, line)


def _next_of_ours(lines: list[Line], entry: ChartEntry, version: ChartVersion, made: dict[int, int | None]) -> int:
    """Return the place before which ``version`` must stand: behind the request of the next version that is ours."""
    for later in entry.versions[entry.versions.index(version) + 1 :]:
        place = _behind_request(lines, made.get(id(later)))
        if place is not None:
            return place
    return len(lines)


def _behind_request(lines: list[Line], attempt: int | None) -> int | None:
    if attempt is None:
        return None
    found = [at for at, line in enumerate(lines) if line.code == SEND and line.attempt == attempt]
    return found[-1] + 1 if found else None


def _by_clock(lines: list[Line], at: datetime | None, first: int, last: int) -> int:
    """Return the place by the clock, between ``first`` and ``last``; of what has no time, the first."""
    for place in range(first, last):
        stated = lines[place].at
        if at is None or (lines[place].side is not Side.CHART and stated is not None and stated > at):
            return place
    return max(first, last)


def _event(event: RecordedEvent) -> Line:
    became = f"; now {words(event.target.replace('_', ' '))}" if event.target != event.source else ""
    said = event_words(event.trigger)
    why = f" ({words(event.reason.replace('-', ' '))})" if event.reason.replace("-", "_") != event.trigger else ""
    return Line(
        side=Side.LOG,
        at=event.at,
        code=event.trigger,
        text=f"{said}{why}{became}.",
        who=event.actor,
        seq=event.seq,
        attempt=event.attempt,
    )


def _attempt(item: RecordedAttempt) -> Line:
    did = ATTEMPT_WORDS.get(item.kind, item.kind)
    parts = [
        f"guarded by {item.precondition}" if item.precondition else "",
        f"bytes {item.digest}" if item.digest else "",
        _outcome(item),
        f"a late answer: {words(item.late_outcome.replace('_', ' '))}" if item.late_outcome else "",
        f"mapping {item.mapping_version}" if item.mapping_version else "",
    ]
    told = "; ".join(part for part in parts if part)
    text = f"Request {item.n} of part {item.operation}, {did}: {told}."
    return Line(side=Side.LOG, at=item.claimed_at, code=item.kind, text=text, attempt=item.n, version=item.version)


def _outcome(item: RecordedAttempt) -> str:
    if item.outcome is None:
        return "no outcome yet"
    code = f", code {item.vendor_code}" if item.vendor_code else ""
    status = f" (status {item.status}{code})" if item.status is not None else ""
    became = f", version {item.version}" if item.version else ""
    return f"{words(item.outcome.replace('_', ' '))}{status}{became}"


def _decision(item: RecordedDecision) -> Line:
    base = f", on version {item.base_version}" if item.base_version else ""
    why = f" ({words(item.reason.replace('-', ' '))})" if item.reason else ""
    text = f"Decided: {words(item.verb.replace('_', ' '))}{why}{base}."
    return Line(side=Side.AUDIT, at=item.at, code=f"decision.{item.verb}", text=text, who=item.person)


def case_lines(case: RecordedCase) -> Iterator[Line]:
    """Yield what became of a case: opened, alert, alert over, closed."""
    named = f"Case {case.id}, {case.kind}, severity {case.severity}"
    yield Line(side=Side.AUDIT, at=case.opened_at, code="case.opened", text=f"{named}: opened.")
    if case.alerted_at is not None:
        yield Line(side=Side.AUDIT, at=case.alerted_at, code="case.alert", text=f"{named}: an alert went out.")
    if case.alert_over_at is not None:
        yield Line(side=Side.AUDIT, at=case.alert_over_at, code="case.alert_over", text=f"{named}: the alert ended.")
    if case.closed_at is not None:
        why = f" ({words(case.closed_reason.replace('_', ' '))})" if case.closed_reason else ""
        text = f"{named}: closed{why}."
        yield Line(side=Side.AUDIT, at=case.closed_at, code="case.closed", text=text, who=case.closed_by)


def _version(entry: ChartEntry, version: ChartVersion, *, ours: bool) -> Line:
    named = f"version {version.version}" if version.version else "a version without a name"
    did = "was taken out" if version.is_removal else f"has {named}"
    parts = [
        "by this service"
        if version.is_ours
        else f"by {version.author or ('somebody' if version.is_named else 'nobody named')}",
        "meaning the same as before" if version.changes is False else "",
        "putting back what the version before had changed" if version.reverts else "",
        "" if entry.is_whole else "the current one; this EHR shows no history",
    ]
    text = f"{entry.label} {did}, {', '.join(part for part in parts if part)}."
    return Line(
        side=Side.CHART,
        at=version.at,
        code="removal" if version.is_removal else "version",
        text=text,
        who="this service" if ours else version.author,
        entry=entry.label,
        version=version.version,
    )
