"""Whether everything is accounted for: receipts counted from events, whereabouts from states and from what the EHR proved.

The two sides come from different tables on purpose: a balance of one table with itself always closes. When it is drawn up
by itself: ``balance_days.py``.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import Engine

from canonical.lifecycle import BLOCKS_LANE, ENDED_WITHOUT_EFFECT, NEEDS_PERSON, OPEN, State
from canonical.provenance import PROVENANCE
from store.columns import listed
from store.database import rows, transaction

#: A command in flight for longer than this is a defect of the system, not a slow EHR: sweeps have run hundreds of times.
TIME_BOX = timedelta(hours=24)
_IN_FLIGHT = frozenset({State.SENDING, State.UNKNOWN, State.PENDING_REMOTE, State.APPLIED})

#: In which column of the balance a state is counted; ``ready`` is told apart by whether something is before it.
COLUMN_OF: dict[State, str] = (
    {State.VERIFIED: "in_chart", State.COMPENSATED: "taken_back", State.PARKED: "parked", State.READY: "ready"}
    # It waits for the commands that take it back, which are counted where they are.
    | {State.PARTLY_TAKEN_BACK: "partly_taken_back", State.TAKING_BACK: "waiting"}
    | dict.fromkeys(_IN_FLIGHT, "in_flight")
    | dict.fromkeys(NEEDS_PERSON, "needs_person")
    | dict.fromkeys(ENDED_WITHOUT_EFFECT, "ended")
)
_DAY = "(timezone('UTC', {time}))::date"
_NARROWS = {
    "tenant": "c.tenant = %(tenant)s",
    "connection": "k.name = %(connection)s",
    "since": "c.received_at >= timezone('UTC', %(since)s::timestamp)",
    "until": "c.received_at < timezone('UTC', %(until)s::timestamp)",
}
_RECEIVED = f"""
SELECT c.tenant, k.name, {_DAY.format(time="c.received_at")} AS day, count(*) AS n
  FROM events e JOIN commands c ON c.id = e.command_id JOIN connections k ON k.id = c.connection_id
 WHERE e.seq = 1 AND e.trigger = 'received' AND {{scope}}
 GROUP BY c.tenant, k.name, day
"""
_BEFORE = f"""
SELECT 1 FROM commands b WHERE b.lane_id = c.lane_id AND b.id <> c.id
   AND (b.state IN ({listed(BLOCKS_LANE)})
        OR (b.subject = c.subject AND b.lane_seq < c.lane_seq AND b.state IN ({listed(OPEN)})))
"""
#: In the chart is what an operation's proof says, each of them, not what the command's state says of itself.
_PROVEN = """(SELECT coalesce(bool_and(o.state = 'verified'), false) FROM operations o WHERE o.command_id = c.id)"""
_STATES = f"""
SELECT c.tenant, k.name, {_DAY.format(time="c.received_at")} AS day, c.state,
       c.state = 'ready' AND EXISTS ({_BEFORE}) AS waits,
       c.state <> '{State.VERIFIED}' OR {_PROVEN} AS fits, count(*) AS n
  FROM commands c JOIN connections k ON k.id = c.connection_id
 WHERE {{scope}}
 GROUP BY c.tenant, k.name, day, c.state, waits, fits
"""
#: Why a command fits nowhere → what tells it; the first that holds is said.
_UNFIT_WHEN = {
    "no-receipt-event": "first.command_id IS NULL",
    "state-without-event": "last.target IS DISTINCT FROM c.state",
    "left-at-the-door": "c.state = 'received'",
    "in-chart-without-proof": f"c.state = '{State.VERIFIED}' AND NOT {_PROVEN}",
    "ended-but-in-chart": f"""c.state IN ({listed(ENDED_WITHOUT_EFFECT)})
        AND EXISTS (SELECT 1 FROM operations o WHERE o.command_id = c.id AND o.state IN ('applied', 'verified'))""",
    "taken-back-but-stands": f"""c.state = '{State.COMPENSATED}' AND EXISTS (SELECT 1 FROM commands u WHERE u.undoes = c.id)
        AND EXISTS (SELECT 1 FROM operations o WHERE o.command_id = c.id AND o.state IN ('applied', 'verified')
                       AND o.resource_type <> '{PROVENANCE}')""",
    "nobody-takes-it-back": f"""c.state = '{State.TAKING_BACK}' AND c.state_since < clock_timestamp() - %(time_box)s
        AND NOT EXISTS (SELECT 1 FROM commands u WHERE u.undoes = c.id AND u.state IN ({listed(OPEN)}))""",
    "nobody-is-asked": f"""c.state IN ({listed(NEEDS_PERSON)})
        AND NOT EXISTS (SELECT 1 FROM cases a WHERE a.command_id = c.id AND a.holds AND a.closed_at IS NULL)""",
    "in-flight-too-long": f"c.state IN ({listed(_IN_FLIGHT)}) AND c.state_since < clock_timestamp() - %(time_box)s",
    "due-too-long": f"""c.state = 'ready' AND c.due_at < clock_timestamp() - %(time_box)s
        AND k.not_before <= clock_timestamp() AND NOT EXISTS ({_BEFORE})""",
}
UNFIT_REASONS = (*_UNFIT_WHEN, "no-command")
_UNFIT = f"""
SELECT * FROM (
  SELECT c.id, c.tenant, k.name, c.received_at,
         CASE {" ".join(f"WHEN {test} THEN '{why}'" for why, test in _UNFIT_WHEN.items())} END AS why
    FROM commands c JOIN connections k ON k.id = c.connection_id
    LEFT JOIN events first ON first.command_id = c.id AND first.seq = 1 AND first.trigger = 'received'
    LEFT JOIN events last ON last.command_id = c.id AND last.seq = c.event_seq
   WHERE {{scope}}) u
 WHERE u.why IS NOT NULL ORDER BY u.received_at LIMIT %(limit)s
"""
#: Events without a command name no connection: they are looked for over the whole tenant.
_ORPHANS = """
SELECT DISTINCT e.command_id AS id, 'no-command' AS why FROM events e LEFT JOIN commands c ON c.id = e.command_id
 WHERE c.id IS NULL AND (%(tenant)s::text IS NULL OR e.tenant = %(tenant)s)
   AND (%(since)s::date IS NULL OR e.at >= timezone('UTC', %(since)s::timestamp))
   AND (%(until)s::date IS NULL OR e.at < timezone('UTC', %(until)s::timestamp)) LIMIT %(limit)s
"""
_AMONG = "c.id = ANY(%(commands)s)"
#: Ids that do not fit are for a person to look at; more of them would tell no more.
_UNFIT_SHOWN = 100


@dataclass(frozen=True, kw_only=True)
class Balance:
    """One side ``received`` (events), the other where those commands are now (states), all of them counts.

    ``waiting``: ready, but an earlier command of its lane or subject is not through, or for commands that take it back;
    ``ready``: next to be sent; ``partly_taken_back``: ended with a part in the chart.
    """

    received: int = 0
    in_chart: int = 0
    taken_back: int = 0
    partly_taken_back: int = 0
    ready: int = 0
    waiting: int = 0
    in_flight: int = 0
    parked: int = 0
    needs_person: int = 0
    ended: int = 0

    @property
    def accounted(self) -> int:
        """The sum of where commands are."""
        places = (self.in_chart, self.taken_back, self.partly_taken_back, self.ready, self.waiting, self.in_flight)
        return sum(places) + self.parked + self.needs_person + self.ended

    @property
    def closes(self) -> bool:
        """Whether both sides are the same."""
        return self.received == self.accounted


@dataclass(frozen=True, kw_only=True)
class Unfit:
    """A command that fits nowhere, and ``why``; ``connection`` is not known where only events are left of it."""

    id: UUID
    why: str
    connection: tuple[str, str] | None = None


@dataclass(frozen=True, kw_only=True)
class BalanceSheet:
    """The balance in all, by the day of receipt (UTC), by connection (tenant, name), and the commands that fit nowhere."""

    total: Balance
    days: dict[date, Balance]
    connections: dict[tuple[str, str], Balance] = field(default_factory=dict)
    unfit: tuple[Unfit, ...] = field(default=())

    @property
    def closes(self) -> bool:
        """Whether everything is accounted for, day by day, connection by connection and command by command."""
        sums = [self.total, *self.days.values(), *self.connections.values()]
        return not self.unfit and all(one.closes for one in sums)


class Balances:
    """Counts, on demand; the reader sees one moment of the database."""

    def __init__(self, engine: Engine, *, time_box: timedelta = TIME_BOX) -> None:
        """Work on ``engine``; in flight, or due, for longer than ``time_box`` fits nowhere."""
        self._engine, self._time_box = engine, time_box

    def sheet(
        self,
        *,
        tenant: str | None = None,
        connection: str | None = None,
        since: date | None = None,
        until: date | None = None,
    ) -> BalanceSheet:
        """Return the balance of what is narrowed to: a tenant, a connection's name, days of receipt (UTC, ``until`` excluded)."""
        narrowed = {"tenant": tenant, "connection": connection, "since": since, "until": until}
        parameters: dict[str, Any] = narrowed | {"time_box": self._time_box, "limit": _UNFIT_SHOWN}
        scope = " AND ".join([text for name, text in _NARROWS.items() if narrowed[name] is not None] or ["true"])
        with transaction(self._engine) as session:
            session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            cells = _cells(session, scope, parameters)
            found = rows(session, _UNFIT.format(scope=scope), parameters)
            orphans = rows(session, _ORPHANS, parameters) if connection is None else []
        unfit = [Unfit(id=row["id"], why=row["why"], connection=(row["tenant"], row["name"])) for row in found]
        return BalanceSheet(
            total=_sum(cells.values()),
            days={day: _sum(n for at, n in cells.items() if at[2] == day) for day in sorted({at[2] for at in cells})},
            connections={
                key: _sum(n for at, n in cells.items() if at[:2] == key) for key in sorted({at[:2] for at in cells})
            },
            unfit=(*unfit, *(Unfit(id=row["id"], why=row["why"]) for row in orphans)),
        )


def unfit_among(
    session: psycopg.Connection[Any], commands: Sequence[UUID], *, time_box: timedelta = TIME_BOX
) -> dict[UUID, str]:
    """Return why each of ``commands`` fits nowhere, as far as one does not; in the transaction of ``session``."""
    names = {"commands": list(commands), "time_box": time_box, "limit": len(commands)}
    return {row["id"]: row["why"] for row in rows(session, _UNFIT.format(scope=_AMONG), names)}


#: Tenant, connection, day of receipt.
_Cell = tuple[str, str, date]


def _cells(session: psycopg.Connection[Any], scope: str, parameters: dict[str, Any]) -> dict[_Cell, dict[str, int]]:
    cells: defaultdict[_Cell, dict[str, int]] = defaultdict(lambda: dict.fromkeys(vars(Balance()), 0))
    for row in rows(session, _RECEIVED.format(scope=scope), parameters):
        cells[row["tenant"], row["name"], row["day"]]["received"] += row["n"]
    for row in rows(session, _STATES.format(scope=scope), parameters):
        counts = cells[row["tenant"], row["name"], row["day"]]
        column = "waiting" if row["waits"] else COLUMN_OF.get(State(row["state"]))
        # What is in no column keeps the sheet from closing: what is still 'received', and what nothing proves.
        if column is not None and row["fits"]:
            counts[column] += row["n"]
    return dict(cells)


def _sum(counts: Iterable[Mapping[str, int]]) -> Balance:
    each = list(counts)
    return Balance(**{name: sum(one[name] for one in each) for name in vars(Balance())})
