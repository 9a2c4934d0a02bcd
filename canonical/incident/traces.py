"""Which versions of the chart are which request's: told by marks and versions, not by clocks. Pure; it judges nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from canonical.incident.report import (
    ChartEntry,
    ChartSide,
    ChartVersion,
    CommandRecord,
    RecordedAttempt,
    RecordedEvent,
    RecordedOperation,
)
from canonical.lifecycle import Trigger
from canonical.outcome import Outcome

#: Events by which a request leaves.
CLAIMS = frozenset({Trigger.CLAIMED.value, Trigger.CONTINUED.value})
SEND = "send"
_IN_DOUBT = frozenset({None, Outcome.UNKNOWN.value})


@dataclass(frozen=True, kw_only=True)
class Trace:
    """What one operation left in the chart: ``kept`` is what the record knows of, ``stray`` is what it does not.

    Each version comes with the number of the attempt that made it, ``None`` where there is none.
    """

    operation: RecordedOperation
    kept: tuple[ChartVersion, int | None] | None
    stray: tuple[tuple[ChartVersion, int | None], ...]

    @property
    def all(self) -> tuple[tuple[ChartVersion, int | None], ...]:
        """Everything that it left."""
        return (*((self.kept,) if self.kept is not None else ()), *self.stray)


def traces(record: CommandRecord, chart: ChartSide) -> tuple[Trace, ...]:
    """Return what each operation of ``record`` left in the chart."""
    return tuple(_trace(record, operation, chart) for operation in record.operations)


def claim_of(record: CommandRecord, attempt: int | None) -> RecordedEvent | None:
    """Return the event by which the attempt number ``attempt`` left, ``None`` where the record has none."""
    found = (event for event in record.events if event.trigger in CLAIMS and event.attempt == attempt)
    return next(found, None) if attempt is not None else None


def following(record: CommandRecord, event: RecordedEvent | None) -> tuple[RecordedEvent, ...]:
    """Return the events after ``event`` by their number; all of them where there is none."""
    return tuple(item for item in record.events if event is None or item.seq > event.seq)


def entry_of(chart: ChartSide, reference: str | None) -> ChartEntry | None:
    """Return an entry that was read."""
    return next((entry for entry in chart.entries if entry.reference == reference), None)


def is_known(version: ChartVersion, chart: ChartSide) -> bool:
    """Whether some operation of ours accounts for ``version``: by its mark, or by the version that it is known to have made."""
    return any(
        (write.mark == version.mark)
        or (write.reference == version.reference and write.version is not None and write.version == version.version)
        for write in chart.writes
    )


def _trace(record: CommandRecord, operation: RecordedOperation, chart: ChartSide) -> Trace:
    stored = [item for entry in chart.entries for item in _stored(record, operation, entry, chart)]
    at_home = [item for item in stored if item.reference == operation.reference]
    named = (item for item in at_home if item.version == operation.version)
    kept = next(named, None) or next(iter(at_home), None)
    sends = [item for item in record.attempts if item.kind == SEND and item.operation == operation.seq]
    kept_n = _attempt_of(record, operation, sends) if kept is not None else None
    strays = [item for item in stored if item is not kept]
    return Trace(
        operation=operation,
        kept=(kept, kept_n) if kept is not None else None,
        stray=tuple(zip(strays, _attempts_of(strays, sends, kept_n), strict=True)),
    )


def _stored(
    record: CommandRecord, operation: RecordedOperation, entry: ChartEntry, chart: ChartSide
) -> Iterator[ChartVersion]:
    """Yield the versions of ``entry`` that ``operation`` made."""
    mine = [item for item in entry.versions if _is_of(record, operation, item, chart)]
    yield from mine
    if not mine:
        return
    sent = sum(item.kind == SEND and item.operation == operation.seq for item in record.attempts)
    later = entry.versions[entry.versions.index(mine[-1]) + 1 :]
    # The same request once more on an EHR without a guard: stored again, with the mark that stood there, on nobody's word.
    again = [item for item in later if item.changes is False and not item.is_named and not is_known(item, chart)]
    yield from again[: max(0, sent - len(mine))]


def _is_of(record: CommandRecord, operation: RecordedOperation, version: ChartVersion, chart: ChartSide) -> bool:
    if version.mark is not None:
        return version.mark == operation.mark and not _is_anothers(record, operation, version, chart)
    at_home = version.reference == operation.reference
    return at_home and version.version is not None and version.version == operation.version


def _is_anothers(record: CommandRecord, operation: RecordedOperation, version: ChartVersion, chart: ChartSide) -> bool:
    """Whether another command that was sent with the same bytes, and so the same mark, made it: a replay and its original."""
    if (operation.reference, operation.version) == (version.reference, version.version):
        return False
    others = [item for item in chart.writes if item.mark == operation.mark and item.command != record.id]
    if any(item.reference == version.reference and item.version in {version.version, None} for item in others):
        return True
    is_away = operation.reference is not None and version.reference != operation.reference
    return is_away and any(item.reference is None for item in others)


def _attempt_of(record: CommandRecord, operation: RecordedOperation, sends: list[RecordedAttempt]) -> int | None:
    """Return the attempt that made what the record knows of: the one whose answer, or whose probe, named it."""
    told = [
        item.n
        for item in record.attempts
        if item.operation == operation.seq
        and item.reference == operation.reference
        and operation.version in {item.version, None}
    ]
    return told[0] if told else next((item.n for item in reversed(sends)), None)


def _attempts_of(
    strays: Iterable[ChartVersion], sends: list[RecordedAttempt], kept: int | None
) -> Iterator[int | None]:
    """Yield the attempt that made each version the record does not know: first those of which it knows no outcome."""
    left = sorted((item for item in sends if item.n != kept), key=lambda item: (item.outcome not in _IN_DOUBT, item.n))
    for at, _ in enumerate(strays):
        if at < len(left):
            yield left[at].n
        else:
            yield kept if kept is not None else next((item.n for item in reversed(sends)), None)
