"""What of ours was sent after a divergence, and which of that made it worse. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from canonical.incident.report import Act, ActKind, ChartSide, ChartVersion, CommandRecord, RecordedEvent
from canonical.incident.traces import CLAIMS, SEND, traces
from canonical.lifecycle import Trigger
from canonical.outcome import Outcome

#: What such a request left, nobody knows.
_OPEN = frozenset({None, Outcome.UNKNOWN.value, Outcome.APPLIED_UNVERIFIED.value})


def acts_after(
    record: CommandRecord, anchor: RecordedEvent | None, chart: ChartSide, replays: Iterable[CommandRecord]
) -> tuple[Act, ...]:
    """Return what was sent again, replayed or merged after ``anchor``, in the order of events."""
    if anchor is None:
        return ()
    own = _own(record, anchor, chart)
    anew = (act for replay in replays if replay.replay_of == record.id for act in _given_anew(replay, anchor, chart))
    return tuple(sorted([*own, *anew], key=lambda act: act.event.id))


def worst_of(acts: Iterable[Act]) -> Act | None:
    """Return the act that made it worse: the first that left something in the chart, else the first of which nobody knows."""
    told = list(acts)
    left = (act for act in told if act.left)
    return next(left, None) or next((act for act in told if act.outcome in _OPEN), None)


def _own(record: CommandRecord, anchor: RecordedEvent, chart: ChartSide) -> Iterator[Act]:
    """Yield the requests of the command itself: a first one is no resend, but it may carry a merge."""
    led_to: list[RecordedEvent] = []
    for event in record.events:
        if event.seq <= anchor.seq:
            continue
        if event.trigger not in CLAIMS:
            led_to.append(event)
            continue
        kind = _kind(led_to)
        led_to = []
        again = event.trigger == Trigger.CLAIMED and (kind is ActKind.MERGE or (event.attempt or 0) > 1)
        if again:
            yield _act(kind, record, event, chart)


def _kind(led_to: list[RecordedEvent]) -> ActKind:
    """Return what a request is by what led to it."""
    if any(event.replay is not None for event in led_to):
        return ActKind.REPLAY
    return ActKind.MERGE if any(event.trigger == Trigger.REBASED for event in led_to) else ActKind.RESEND


def _given_anew(replay: CommandRecord, anchor: RecordedEvent, chart: ChartSide) -> Iterator[Act]:
    claims = (event for event in replay.events if event.trigger in CLAIMS and event.id > anchor.id)
    first = next(claims, None)
    if first is not None:
        yield _act(ActKind.REPLAY, replay, first, chart)


def _act(kind: ActKind, record: CommandRecord, event: RecordedEvent, chart: ChartSide) -> Act:
    sent = (item for item in record.attempts if item.kind == SEND and item.n == event.attempt)
    attempt = next(sent, None)
    return Act(
        kind=kind,
        command=record.id,
        event=event,
        attempt=event.attempt,
        outcome=attempt.outcome if attempt is not None else None,
        left=tuple(_left(record, event.attempt, chart)),
    )


def _left(record: CommandRecord, attempt: int | None, chart: ChartSide) -> Iterator[ChartVersion]:
    for trace in traces(record, chart):
        for version, n in trace.all:
            if n is not None and n == attempt:
                yield version
