"""Where record and chart of one command first come apart, and what was sent after that. Pure: it reads nothing and asks nobody.

Order is that of events and of versions. The clocks of two sides are compared only beyond ``CLOCK_TOLERANCE``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise

from canonical.incident.acts import acts_after, worst_of
from canonical.incident.report import (
    CLOCK_TOLERANCE,
    ChartEntry,
    ChartSide,
    ChartVersion,
    CommandRecord,
    Divergence,
    DivergenceKind,
    RecordedCase,
    RecordedEvent,
)
from canonical.incident.signals import fired
from canonical.incident.traces import Trace, claim_of, entry_of, following, is_known, traces
from canonical.lifecycle import BLOCKS_LANE, State, Trigger

K, T = DivergenceKind, Trigger

#: The record says nothing of the chart yet: the chart is still asked, or the EHR's staff are.
_STILL_ASKED = frozenset({*BLOCKS_LANE, State.PENDING_REMOTE})
#: By these the record says that it is not in the chart, or that nothing was sent.
_DENIES = frozenset(
    {
        *(T.PROBE_NOT_APPLIED, T.NOT_SENT, T.RETRY_SCHEDULED, T.CONNECTION_CLOSED, T.REST_REPLAYED),
        *(T.ANSWERED_CONFLICT, T.ANSWERED_REFUSED, T.REFUSED_BY_PERSON, T.AUTHOR_WITHDREW, T.CONSENT_ENDED),
        *(T.CANCELLED, T.DEADLINE_PASSED, T.REPLACED),
    }
)
#: By these it says that it is there.
_SAYS_WRITTEN = frozenset(
    {
        *(T.ANSWERED_APPLIED, T.ANSWERED_PROVEN, T.CONTINUED, T.OPERATION_APPLIED, T.PROBE_FOUND, T.OPERATION_FOUND),
        *(T.BECAME_VISIBLE, T.FOUND_BY_PERSON),
    }
)
_PROVES = frozenset({T.PROVEN, T.ANSWERED_PROVEN})
_WRITTEN = frozenset({"applied", "verified"})
_CHANGES_AN_ENTRY = frozenset({"update", "patch"})


def judge(
    record: CommandRecord,
    chart: ChartSide,
    *,
    replays: Iterable[CommandRecord] = (),
    cases: Iterable[RecordedCase] = (),
    until: datetime,
) -> tuple[Divergence, ...]:
    """Return the divergences of a command, the first one first.

    ``replays`` are commands that were given in its place, ``cases`` those of its connection as a whole, ``until`` (UTC) is
    when record and chart were read.
    """
    found = ordered(_Judgement(record=record, chart=chart, until=until).found())
    told = [*record.cases, *cases]
    return tuple(_completed(item, record, chart, tuple(replays), told) for item in found)


def ordered(found: Iterable[Divergence]) -> tuple[Divergence, ...]:
    """Return divergences, each before those that came after it as far as can be told; else in the order of events."""
    left, told = list(found), list[Divergence]()
    while left:
        first, _ = first_of(left)
        told.append(first)
        left.remove(first)
    return tuple(told)


def first_of(found: list[Divergence]) -> tuple[Divergence, tuple[Divergence, ...]]:
    """Return the first divergence, and those of which the clocks cannot say that they came after it."""
    open_ = [item for item in found if not any(_is_before(other, item) for other in found)]
    first = min(open_, key=lambda item: (item.anchor.id if item.anchor else 0, list(K).index(item.kind)))
    return first, tuple(item for item in open_ if item is not first)


def _is_before(one: Divergence, other: Divergence) -> bool:
    if one.is_exact and other.is_exact and one.anchor is not None and other.anchor is not None:
        return one.anchor.id < other.anchor.id
    return one.latest < other.earliest


def _completed(
    found: Divergence,
    record: CommandRecord,
    chart: ChartSide,
    replays: tuple[CommandRecord, ...],
    cases: list[RecordedCase],
) -> Divergence:
    acts = acts_after(record, found.anchor, chart, replays)
    return replace(found, acts=acts, worse=worst_of(acts), fired=fired(found.kind, found.earliest, cases))


@dataclass(frozen=True, kw_only=True)
class _Judgement:
    """Looks for each kind; what the chart did not show is no ground for any."""

    record: CommandRecord
    chart: ChartSide
    until: datetime

    def found(self) -> Iterator[Divergence]:
        yield from self._disagreement()
        for trace in traces(self.record, self.chart):
            yield from self._stray(trace)
            yield from self._twice(trace)
            yield from self._absent(trace)
            yield from self._overwritten(trace)
        drifts = [item for trace in traces(self.record, self.chart) for item in self._drifted(trace)]
        yield from (ordered(drifts) or tuple(self._drift_found()))[:1]
        yield from self._unknown_hands()

    # -- our record against itself

    def _disagreement(self) -> Iterator[Divergence]:
        events = self.record.events
        for before, event in pairwise(events):
            if event.seq != before.seq + 1:
                yield self._at(K.RECORD_DISAGREES, before, why="events-missing")
                return
            if event.source != before.target:
                yield self._at(K.RECORD_DISAGREES, event, why="event-out-of-place")
                return
        if self.record.unfit is not None:
            yield self._at(K.RECORD_DISAGREES, events[-1] if events else None, why=self.record.unfit)
        elif events and events[-1].target != self.record.state:
            yield self._at(K.RECORD_DISAGREES, events[-1], why="state-without-event")

    # -- the chart has more than the record

    def _stray(self, trace: Trace) -> Iterator[Divergence]:
        """What an attempt left in the chart of which the record does not know."""
        if trace.kept is None and self.record.state in _STILL_ASKED:
            return
        for version, attempt in trace.stray:
            if trace.kept is not None and attempt == trace.kept[1]:
                continue
            claim = claim_of(self.record, attempt)
            later = following(self.record, claim)
            anchor = next(iter(later), claim)
            denied = next((event for event in later if event.trigger in _DENIES), None)
            yield replace(self._at(K.WRITTEN_WITHOUT_RECORD, anchor, attempt=attempt, version=version), denied=denied)

    def _twice(self, trace: Trace) -> Iterator[Divergence]:
        """It came about by the last of the requests that left something; by a single one, if the EHR was given that twice."""
        if len(trace.all) < 2:
            return
        version, attempt = max(trace.all, key=lambda item: item[1] or 0)
        found = self._at(K.WRITTEN_TWICE, claim_of(self.record, attempt), attempt=attempt, version=version)
        yield replace(found, sure=not any(item.by_content for item, _ in trace.all))

    def _unknown_hands(self) -> Iterator[Divergence]:
        """Versions by this service, at the entries of this command, that no operation of any command accounts for."""
        own = {operation.reference for operation in self.record.operations}
        for entry in self.chart.entries:
            if entry.reference not in own:
                continue
            for at, version in enumerate(entry.versions):
                if version.is_ours and not is_known(version, self.chart) and self._is_next_to_ours(entry, at):
                    yield self._at(K.WRITTEN_WITHOUT_RECORD, self._settled_before(entry, at), version=version)

    def _is_next_to_ours(self, entry: ChartEntry, at: int) -> bool:
        """Whether the last version before it that the record accounts for is this command's: it speaks for the entry there."""
        known = [item for item in entry.versions[:at] if is_known(item, self.chart)]
        return not known or any(known[-1] is item for trace in self._traces for item, _ in trace.all)

    def _settled_before(self, entry: ChartEntry, at: int) -> RecordedEvent | None:
        before = {id(item) for item in entry.versions[:at]}
        numbers = [n for trace in self._traces for item, n in trace.all if id(item) in before]
        claim = claim_of(self.record, max((n for n in numbers if n is not None), default=None))
        later = following(self.record, claim)
        return next(iter(later), claim)

    # -- the record has more than the chart

    def _absent(self, trace: Trace) -> Iterator[Divergence]:
        operation, entry = trace.operation, entry_of(self.chart, trace.operation.reference)
        if operation.state not in _WRITTEN or trace.all or entry is None or self.record.state == State.COMPENSATED:
            return
        lost = operation.interaction in _CHANGES_AN_ENTRY and entry.is_whole and operation.version is not None
        if entry.versions and not lost:
            return
        proofs = [event for event in self.record.events if event.trigger == T.PROVEN]
        said = [event for event in self.record.events if event.trigger in _SAYS_WRITTEN]
        if proofs:
            # It was there when it was read back: it went some time after.
            yield replace(self._at(K.RECORDED_BUT_ABSENT, proofs[-1]), latest=self.until)
        else:
            yield self._at(K.RECORDED_BUT_ABSENT, next(iter(said), None))

    # -- somebody else's version before ours

    def _overwritten(self, trace: Trace) -> Iterator[Divergence]:
        operation, entry = trace.operation, entry_of(self.chart, trace.operation.reference)
        if operation.interaction not in _CHANGES_AN_ENTRY or trace.kept is None or entry is None or not entry.is_whole:
            return
        ours, attempt = trace.kept
        at = entry.versions.index(ours)
        before = entry.versions[at - 1] if at else None
        if before is None or before.is_ours or is_known(before, self.chart) or before.changes is False:
            return
        if before.version in self._seen_versions(trace):
            return
        claim = claim_of(self.record, attempt)
        if operation.if_match is not None or ours.reverts:
            yield self._at(K.OVERWRITTEN_UNSEEN, claim, attempt=attempt, version=before)
        elif claim is None or before.at is None or before.at >= claim.at - CLOCK_TOLERANCE:
            # Nothing but the clocks could tell whether it was there when the entry was read.
            found = self._at(K.OVERWRITTEN_UNSEEN, claim, attempt=attempt, version=before)
            yield replace(found, sure=False)

    def _seen_versions(self, trace: Trace) -> set[str]:
        stated = {trace.operation.if_match, *(item.base_version for item in self.record.decisions)}
        if trace.operation.if_match is None:
            stated.add(self.record.seen_version)
        return {version for version in stated if version is not None}

    # -- the chart after the proof

    def _drifted(self, trace: Trace) -> Iterator[Divergence]:
        entry, proof = entry_of(self.chart, trace.operation.reference), self._proof
        if entry is None or proof is None or trace.kept is None or self.record.state == State.COMPENSATED:
            return
        ours, _ = trace.kept
        later = entry.versions[entry.versions.index(ours) + 1 :]
        if any(is_known(item, self.chart) for item in later):
            # A later command of ours wrote there: what follows is a matter of that one.
            return
        if ours.differs and not later:
            yield self._since_proof(proof, ours)
        for version in later:
            changed = version.is_removal or version.changes is not False
            if changed and not version.is_ours and not version.is_named and self.chart.names_authors:
                yield self._since_proof(proof, version)
                return

    def _drift_found(self) -> Iterator[Divergence]:
        proof = self._proof
        if proof is not None and any(event.trigger == T.DRIFT_FOUND for event in self.record.events):
            yield self._since_proof(proof, None)

    def _since_proof(self, proof: RecordedEvent, version: ChartVersion | None) -> Divergence:
        """Place it after the proof, and before the look that found it; between them by the EHR's clock, as far as that goes."""
        found = [event.at for event in self.record.events if event.trigger == T.DRIFT_FOUND and event.seq > proof.seq]
        earliest, latest = proof.at, max(min([self.until, *found]), proof.at)
        at = version.at if version is not None and version.differs is None else None
        # A version of after the look that found something is not what that look found.
        if at is not None and at - CLOCK_TOLERANCE <= latest:
            earliest = max(proof.at, at - CLOCK_TOLERANCE)
            latest = max(min(latest, at + CLOCK_TOLERANCE), proof.at)
        placed = self._at(K.DRIFT_AFTER_PROOF, proof, version=version)
        return replace(placed, earliest=earliest, latest=latest)

    @property
    def _proof(self) -> RecordedEvent | None:
        return next((event for event in reversed(self.record.events) if event.trigger in _PROVES), None)

    @property
    def _traces(self) -> tuple[Trace, ...]:
        return traces(self.record, self.chart)

    def _at(
        self,
        kind: DivergenceKind,
        anchor: RecordedEvent | None,
        *,
        attempt: int | None = None,
        version: ChartVersion | None = None,
        why: str = "",
    ) -> Divergence:
        """Return a divergence at an event of ours; where there is none, nobody can say when."""
        first = next(iter(self.record.events), None)
        at = anchor or first
        return Divergence(
            kind=kind,
            command=self.record.id,
            anchor=at,
            earliest=at.at if at is not None else self.until,
            latest=at.at if at is not None else self.until,
            attempt=attempt,
            version=version,
            why=why,
        )
