"""The report after an incident: our record and the chart of every command that something happened to, judged side by side.

It reads the record by a window of time, and the EHR within a budget; it writes nothing and sends nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

import structlog

from canonical.errors import ConfigurationError, FieldError, RefusedError
from canonical.incident.judgement import first_of, judge
from canonical.incident.records import IncidentRecords, KnownConnection, StoredCommand, Surroundings
from canonical.incident.report import (
    ChartSide,
    CommandRecord,
    Divergence,
    Incident,
    IncidentLimits,
    JudgedCommand,
    RecordedCase,
    Unread,
)
from canonical.plain_times import length_in_words
from canonical.ports import Ehr
from reconcile.incident_chart import ChartReader, ReadBudget

log = structlog.get_logger()

_Key = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class IncidentReports:
    """Makes reports; ``ehrs`` gives the EHR of (tenant, connection), ``clock`` aware UTC. Thread-safe."""

    records: IncidentRecords
    ehrs: Callable[[str, str], Ehr]
    clock: Callable[[], datetime]
    limits: IncidentLimits = field(default_factory=IncidentLimits)

    def make(
        self, since: datetime, until: datetime, *, tenant: str | None = None, connection: str | None = None
    ) -> Incident:
        """Return the report of what happened between ``since`` and ``until`` (UTC, excluded).

        Raises ``RefusedError`` ``invalid-field`` (window, connection, too many commands) and ``StoreUnavailableError``.
        """
        self._check_window(since, until)
        known = self.records.connections(tenant, connection)
        self._check_connections(known, tenant, connection)
        self._check_number(known, since, until)
        stored = self.records.commands(known, since, until, most=self.limits.commands)
        around = self.records.around(known, since, until)
        look = _Look(reports=self, known=known, around=around, made_at=self.clock())
        judged = [item for key in look.keys for item in look.judged(key, stored)]
        if connection is None:
            left = self.records.orphans(since, until, tenant, most=self.limits.commands)
            judged += [look.judged_alone(record) for record in left]
        return self._told(since, until, look, _once(judged))

    def _told(self, since: datetime, until: datetime, look: _Look, commands: tuple[JudgedCommand, ...]) -> Incident:
        firsts = [item.divergences[0] for item in commands if item.divergences]
        first, contenders = first_of(firsts) if firsts else (None, ())
        log.info(
            "incident report made",
            action="incident.reported",
            commands=len(commands),
            diverging=len(firsts),
            unread=len(look.unread),
        )
        return Incident(
            since=since,
            until=until,
            made_at=look.made_at,
            connections={key: look.cases(key) for key in look.keys},
            commands=commands,
            first=first,
            contenders=contenders,
            unread=tuple(look.unread),
            without_history=tuple(look.without_history),
            switches=look.around.switches,
            sweeps=dict(look.around.sweeps),
        )

    def _check_window(self, since: datetime, until: datetime) -> None:
        if since >= until:
            raise _refused("/from", "The window must end after it begins: --from is before --to.")
        if since > self.clock():
            raise _refused("/from", "The window begins in the future: nothing has happened there.")
        most = self.limits.window
        if until - since > most:
            said = length_in_words(most)
            raise _refused("/to", f"The window is longer than {said}: choose the hours of the incident.")

    def _check_connections(self, known: Sequence[KnownConnection], tenant: str | None, connection: str | None) -> None:
        if known:
            return
        there = self.records.connections(None, None)
        names = ", ".join(f"{item.name} (tenant {item.tenant})" for item in there) or "none"
        named = f"connection {connection}" if connection is not None else "connection"
        of = f" of tenant {tenant}" if tenant is not None else ""
        raise _refused("/connection", f"There is no {named}{of}. There are: {names}.")

    def _check_number(self, known: Sequence[KnownConnection], since: datetime, until: datetime) -> None:
        most = self.limits.commands
        if self.records.count(known, since, until, most=most + 1) > most:
            raise _refused(
                "/to",
                f"Something happened to more than {most} commands in that window: narrow it, or name a connection.",
            )


class _Look:
    """One report on its way: what was read of each connection, and what could not be."""

    def __init__(
        self,
        *,
        reports: IncidentReports,
        known: Sequence[KnownConnection],
        around: Surroundings,
        made_at: datetime,
    ) -> None:
        self.around, self.made_at = around, made_at
        self.unread: list[Unread] = []
        self.without_history: list[_Key] = []
        self._reports = reports
        self._adapters = {(item.tenant, item.name): item.adapter for item in known}
        limits = reports.limits
        self._budget = ReadBudget(reads=limits.reads, ends_at=made_at + limits.time, clock=reports.clock)

    @property
    def keys(self) -> tuple[_Key, ...]:
        """The connections."""
        return tuple(self._adapters)

    def cases(self, key: _Key) -> tuple[RecordedCase, ...]:
        """Return the cases of a connection as a whole."""
        return tuple(self.around.cases.get(key, ()))

    def judged(self, key: _Key, stored: Sequence[StoredCommand]) -> list[JudgedCommand]:
        """Read the chart of a connection's commands and judge each."""
        mine = [item for item in stored if (item.record.tenant, item.record.connection) == key]
        charts = self._charts(key, mine) if mine else {}
        replays = [item.record for item in mine if item.record.replay_of is not None]
        told = []
        for item in mine:
            anew = [record for record in replays if record.replay_of == item.record.id]
            chart = _joined([charts[item.record.id], *(charts[record.id] for record in anew)])
            told.append(self._judged(item.record, chart, anew, key))
        return told

    def judged_alone(self, record: CommandRecord) -> JudgedCommand:
        """Judge what is left of a command without a row."""
        return self._judged(record, ChartSide(), [], (record.tenant, ""))

    def _judged(
        self, record: CommandRecord, chart: ChartSide, replays: list[CommandRecord], key: _Key
    ) -> JudgedCommand:
        cases = self.cases(key)
        found = judge(record, chart, replays=replays, cases=cases, until=max(self.made_at, _latest(record)))
        return JudgedCommand(record=record, chart=chart, divergences=found, adapter=self._adapters.get(key, ""))

    def _charts(self, key: _Key, mine: Sequence[StoredCommand]) -> Mapping[UUID, ChartSide]:
        try:
            ehr = self._reports.ehrs(*key)
        except ConfigurationError:
            self.unread += [Unread(why="not-configured", command=item.record.id) for item in mine]
            return {item.record.id: ChartSide() for item in mine}
        known = ehr.capabilities.attribution
        if not known.history:
            self.without_history.append(key)
        reader = ChartReader(ehr=ehr, connection=key, budget=self._budget)
        reader.read(mine)
        self.unread += reader.unread
        lanes = sorted({item.lane for item in mine})
        writes = self._reports.records.writes(lanes, reader.references, reader.marked)
        return {
            item.record.id: ChartSide(
                entries=reader.entries(item.record.id), writes=writes, names_authors=known.names_authors
            )
            for item in mine
        }


def _joined(charts: Sequence[ChartSide]) -> ChartSide:
    """Return the chart of a command with that of those given in its place."""
    entries = {entry.reference: entry for chart in charts for entry in chart.entries}
    first = charts[0]
    return ChartSide(entries=tuple(entries.values()), writes=first.writes, names_authors=first.names_authors)


def _latest(record: CommandRecord) -> datetime:
    """Return when the last fact of a command was stored: the database's clock may be ahead of ours."""
    return max((event.at for event in record.events), default=datetime.min.replace(tzinfo=UTC))


def _once(commands: Sequence[JudgedCommand]) -> tuple[JudgedCommand, ...]:
    """Tell of each version of the chart once, though several commands stand at its entry."""
    seen: set[tuple[object, ...]] = set()
    told = []
    for item in commands:
        left = tuple(found for found in item.divergences if not _is_told(found, item, seen))
        told.append(JudgedCommand(record=item.record, chart=item.chart, divergences=left, adapter=item.adapter))
    return tuple(told)


def _is_told(found: Divergence, item: JudgedCommand, seen: set[tuple[object, ...]]) -> bool:
    if found.version is None:
        return False
    place = (item.record.tenant, item.record.connection, found.kind, found.version.reference, found.version.version)
    if place in seen:
        return True
    seen.add(place)
    return False


def _refused(pointer: str, sentence: str) -> RefusedError:
    told = f"{sentence} Nothing was read of any chart."
    return RefusedError("invalid-field", told, errors=(FieldError(pointer=pointer, code="invalid", detail=told),))
