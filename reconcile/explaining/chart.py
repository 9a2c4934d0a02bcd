"""What is authoritative now: the chart read live by the ids that are known. A question sends nothing and asks no probe."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, tzinfo
from uuid import UUID

from canonical.chart_words import field_text
from canonical.explanation import ChartAnswer, ChartSays, JournaledOperation, NowRecord
from canonical.field_words import UNTOLD, field_label
from canonical.lifecycle import BLOCKS_LANE, State
from canonical.plain_times import moment_in_words
from canonical.plain_words import Line
from canonical.ports import Ehr, Resource, Trace
from canonical.remote_change import sentence

_NOT_SENT = "Nothing of it was sent, so nothing of it is in the chart."
#: The worst first: of a compound the answer is that of its worst part.
_WORST = (ChartSays.NOT_KNOWN, ChartSays.NOT_THERE, ChartSays.DIFFERS, ChartSays.SAYS_IT)


@dataclass(frozen=True, kw_only=True)
class ChartQuestion:
    """Asks one EHR about one command at ``asked_at`` (UTC); not ``shows``: without what the chart says."""

    ehr: Ehr
    command: UUID
    record: NowRecord
    shows: bool
    zone: tzinfo
    asked_at: datetime

    def answer(self) -> ChartAnswer:
        """Return the answer; raises as :meth:`Ehr.fetch`."""
        at = Line(label="Read at", text=moment_in_words(self.asked_at, self.zone))
        says, lines = self._sent() if self.record.operations else self._unsent()
        return ChartAnswer(says=says, read_at=self.asked_at, lines=(at, *lines))

    def _sent(self) -> tuple[ChartSays, list[Line]]:
        found = [self._one(item) for item in self.record.operations]
        says = next(item for item in _WORST if any(part is item for part, _ in found))
        return says, [line for _, lines in found for line in lines]

    def _unsent(self) -> tuple[ChartSays, list[Line]]:
        """Tell what the entry says that it would change, where that is known."""
        lines = [Line(label="This command", text=_NOT_SENT)]
        target = self.record.target
        if target is not None and self.shows:
            read = self.ehr.fetch(target, self._trace)
            lines += self._entry(target, read.resource, read.version, gone=read.gone)
        return ChartSays.NOT_SENT, lines

    def _one(self, item: JournaledOperation) -> tuple[ChartSays, list[Line]]:
        operation, standing = item.operation, self.record.standing
        in_doubt = standing.state in BLOCKS_LANE and item.version is None
        if operation.reference is None:
            return self._nameless(item, in_doubt=in_doubt)
        read = self.ehr.fetch(operation.reference, self._trace)
        lines = self._entry(operation.reference, read.resource, read.version, gone=read.gone)
        if read.resource is None:
            return ChartSays.NOT_THERE, lines
        fields = self.ehr.differences(operation, read.resource)
        if in_doubt:
            return ChartSays.NOT_KNOWN, [self._doubt(operation.resource_type), *lines]
        lines.insert(0, self._verdict(item, fields))
        if read.version != item.version or fields:
            lines.append(Line(label="Changed since", text=self._changed(item, operation.reference)))
        return (ChartSays.DIFFERS if fields else ChartSays.SAYS_IT), lines

    def _nameless(self, item: JournaledOperation, *, in_doubt: bool) -> tuple[ChartSays, list[Line]]:
        kind, state = item.operation.resource_type, self.record.standing.state
        if in_doubt:
            return ChartSays.NOT_KNOWN, [self._doubt(kind)]
        if state is State.PENDING_REMOTE:
            text = "The EHR's own staff have it; until they accept it no read shows it."
            return ChartSays.NOT_THERE, [Line(label=kind, text=text)]
        return ChartSays.NOT_THERE, [Line(label=kind, text="The EHR has named no entry for it: none is known.")]

    def _doubt(self, kind: str) -> Line:
        at = moment_in_words(self.record.asks_at, self.zone)
        return Line(label=kind, text=f"Not known yet. The chart will be asked for it at {at}, or soon after.")

    def _verdict(self, item: JournaledOperation, fields: tuple[str, ...]) -> Line:
        kind = item.operation.resource_type
        if not fields:
            return Line(label=kind, text="The chart says what was written.")
        names = ", ".join(field_label(name) for name in fields)
        return Line(label=kind, text=f"The chart says something else than was written: {names}.")

    def _entry(self, reference: str, resource: Resource | None, version: str | None, *, gone: bool) -> list[Line]:
        named = reference if self.shows else "The entry"
        if resource is None:
            text = "is gone: the EHR says that it was taken out." if gone else "is not there."
            return [Line(label="Entry", text=f"{named} {text}")]
        lines = [Line(label="Entry", text=f"{named}, version {version or 'not told by this EHR'}")]
        return [*lines, *self._says(resource)] if self.shows else lines

    def _says(self, resource: Resource) -> Iterator[Line]:
        known = self.ehr.project(resource)
        for name, value in self.ehr.fields(resource).items():
            if name in known and name not in UNTOLD:
                yield Line(label=f"Now, {field_label(name)}", text=field_text(name, value))

    def _changed(self, item: JournaledOperation, reference: str) -> str:
        record = self.record
        change = self.ehr.changes(
            reference, item.version, record.state_since, self._trace, own_versions=record.own_versions
        )
        return sentence(change, seen_at=None, zone=self.zone)

    @property
    def _trace(self) -> Trace:
        return Trace(correlation_id=self.record.correlation_id, request_id=f"explain-{self.command}")
