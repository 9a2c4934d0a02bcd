"""Whether everything that came in is accounted for: receipts counted from events, whereabouts from command states.

The two sides come from different tables on purpose: a balance of one table with itself always closes.
"""

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import Engine

from canonical.lifecycle import BLOCKS_LANE, ENDED_WITHOUT_EFFECT, NEEDS_PERSON, OPEN, State
from store.database import rows, transaction

#: A command in flight for longer than this is a defect of the system, not a slow EHR: sweeps have run hundreds of times.
TIME_BOX = timedelta(hours=24)
_IN_FLIGHT = frozenset({State.SENDING, State.UNKNOWN, State.PENDING_REMOTE, State.APPLIED})

#: In which column of the balance a state is counted; ``ready`` is told apart by whether something is before it.
COLUMN_OF: dict[State, str] = (
    {State.VERIFIED: "in_chart", State.COMPENSATED: "taken_back", State.PARKED: "parked", State.READY: "ready"}
    | dict.fromkeys(_IN_FLIGHT, "in_flight")
    | dict.fromkeys(NEEDS_PERSON, "needs_person")
    | dict.fromkeys(ENDED_WITHOUT_EFFECT, "ended")
)
_SCOPE = """
  (%(tenant)s::text IS NULL OR c.tenant = %(tenant)s) AND (%(connection)s::text IS NULL OR k.name = %(connection)s)
"""
_DAY = "(timezone('UTC', {time}))::date"
_RECEIVED = f"""
SELECT {_DAY.format(time="c.received_at")} AS day, count(*) AS n
  FROM events e JOIN commands c ON c.id = e.command_id JOIN connections k ON k.id = c.connection_id
 WHERE e.seq = 1 AND e.trigger = 'received' AND {_SCOPE}
   AND (%(since)s::date IS NULL OR c.received_at >= timezone('UTC', %(since)s::timestamp))
 GROUP BY day
"""
_BEFORE = f"""
SELECT 1 FROM commands b WHERE b.lane_id = c.lane_id AND b.id <> c.id
   AND (b.state IN ({", ".join(f"'{state}'" for state in sorted(BLOCKS_LANE))})
        OR (b.subject = c.subject AND b.lane_seq < c.lane_seq
            AND b.state IN ({", ".join(f"'{state}'" for state in sorted(OPEN))})))
"""
_STATES = f"""
SELECT {_DAY.format(time="c.received_at")} AS day, c.state,
       c.state = 'ready' AND EXISTS ({_BEFORE}) AS waits, count(*) AS n
  FROM commands c JOIN connections k ON k.id = c.connection_id
 WHERE {_SCOPE} AND (%(since)s::date IS NULL OR c.received_at >= timezone('UTC', %(since)s::timestamp))
 GROUP BY day, c.state, waits
"""
_UNFIT = f"""
SELECT c.id, CASE WHEN first.command_id IS NULL THEN 'no-receipt-event'
                  WHEN last.target IS DISTINCT FROM c.state THEN 'state-without-event'
                  WHEN c.state = 'received' THEN 'left-at-the-door'
                  ELSE 'in-flight-too-long' END AS why
  FROM commands c JOIN connections k ON k.id = c.connection_id
  LEFT JOIN events first ON first.command_id = c.id AND first.seq = 1 AND first.trigger = 'received'
  LEFT JOIN events last ON last.command_id = c.id AND last.seq = c.event_seq
 WHERE {_SCOPE} AND (%(since)s::date IS NULL OR c.received_at >= timezone('UTC', %(since)s::timestamp))
   AND (first.command_id IS NULL OR last.target IS DISTINCT FROM c.state OR c.state = 'received'
        OR (c.state = ANY (%(in_flight)s) AND c.state_since < clock_timestamp() - %(time_box)s))
 ORDER BY c.received_at LIMIT %(limit)s
"""
#: Events without a command name no connection: they are looked for over the whole tenant.
_ORPHANS = """
SELECT DISTINCT e.command_id AS id, 'no-command' AS why FROM events e LEFT JOIN commands c ON c.id = e.command_id
 WHERE c.id IS NULL AND (%(tenant)s::text IS NULL OR e.tenant = %(tenant)s) LIMIT %(limit)s
"""
#: Ids that do not fit are for a person to look at; more of them would tell no more.
_UNFIT_SHOWN = 100


@dataclass(frozen=True, kw_only=True)
class Balance:
    """One side ``received`` (events), the other where those commands are now (states), all of them counts.

    ``waiting``: ready, but an earlier command of its lane or subject is not through; ``ready``: next to be sent.
    """

    received: int = 0
    in_chart: int = 0
    taken_back: int = 0
    ready: int = 0
    waiting: int = 0
    in_flight: int = 0
    parked: int = 0
    needs_person: int = 0
    ended: int = 0

    @property
    def accounted(self) -> int:
        """The sum of where commands are."""
        places = (self.in_chart, self.taken_back, self.ready, self.waiting, self.in_flight)
        return sum(places) + self.parked + self.needs_person + self.ended

    @property
    def closes(self) -> bool:
        """Whether both sides are the same."""
        return self.received == self.accounted


@dataclass(frozen=True, kw_only=True)
class BalanceSheet:
    """The balance in all and by the day of receipt (UTC), and the commands that fit nowhere with the reason."""

    total: Balance
    days: dict[date, Balance]
    unfit: tuple[tuple[UUID, str], ...] = field(default=())

    @property
    def closes(self) -> bool:
        """Whether everything is accounted for, day by day and command by command."""
        return self.total.closes and not self.unfit and all(day.closes for day in self.days.values())


class Balances:
    """Counts, on demand; the reader sees one moment of the database."""

    def __init__(self, engine: Engine, *, time_box: timedelta = TIME_BOX) -> None:
        """Work on ``engine``; in flight for longer than ``time_box`` fits nowhere."""
        self._engine, self._time_box = engine, time_box

    def sheet(
        self, *, tenant: str | None = None, connection: str | None = None, since: date | None = None
    ) -> BalanceSheet:
        """Return the balance of a tenant's connection, of a tenant, or of all; of commands received ``since`` a day (UTC)."""
        parameters: dict[str, Any] = {
            "tenant": tenant,
            "connection": connection,
            "since": since,
            "in_flight": [state.value for state in _IN_FLIGHT],
            "time_box": self._time_box,
            "limit": _UNFIT_SHOWN,
        }
        with transaction(self._engine) as session:
            session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            days = _by_day(session, parameters)
            unfit = rows(session, _UNFIT, parameters) + (rows(session, _ORPHANS, parameters) if not connection else [])
        totals = {name: sum(counts[name] for counts in days.values()) for name in vars(Balance())}
        return BalanceSheet(
            total=Balance(**totals),
            days={day: Balance(**days[day]) for day in sorted(days)},
            unfit=tuple((row["id"], row["why"]) for row in unfit),
        )


def _by_day(session: psycopg.Connection[Any], parameters: dict[str, Any]) -> dict[date, dict[str, int]]:
    days: dict[date, dict[str, int]] = {}
    for row in rows(session, _RECEIVED, parameters):
        days.setdefault(row["day"], vars(Balance()).copy())["received"] += row["n"]
    for row in rows(session, _STATES, parameters):
        column = "waiting" if row["waits"] else COLUMN_OF.get(State(row["state"]))
        # A command still 'received' is in no column, so the sheet does not close: intake never leaves one there.
        if column is not None:
            days.setdefault(row["day"], vars(Balance()).copy())[column] += row["n"]
    return days
