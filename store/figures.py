"""Counts and ages for those who run the service: metrics and the status page. No identifiers, no patients, no content."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine

from canonical.lifecycle import OPEN, State
from store.database import rows, transaction
from store.late_cases import ALERTS

_OPEN_STATES = ", ".join(f"'{state}'" for state in sorted(OPEN))
#: Over the partial index of open commands: it costs what is open, not what was ever written.
_OPEN = f"SELECT state, count(*) AS n FROM commands WHERE state IN ({_OPEN_STATES}) GROUP BY state"
_ALL = "SELECT state, count(*) AS n FROM commands GROUP BY state"
_AGES = """
SELECT extract(epoch FROM clock_timestamp() - min(due_at) FILTER (WHERE state = 'ready'))::float AS oldest_ready,
       extract(epoch FROM clock_timestamp() - min(state_since) FILTER (WHERE state = 'unknown'))::float AS oldest_unknown,
       extract(epoch FROM clock_timestamp() - min(state_since) FILTER (WHERE state = 'applied'))::float AS oldest_unproven
  FROM commands WHERE state IN ('ready', 'unknown', 'applied') AND (state <> 'ready' OR due_at <= clock_timestamp())
"""
_CALLBACKS = """
SELECT count(*) AS n FROM callbacks
 WHERE delivered_at IS NULL AND given_up_at IS NULL AND due_at <= clock_timestamp()
"""
_REFUSED = """
SELECT door, code, count(*) AS n FROM refused_messages
 WHERE refused_at >= clock_timestamp() - %(within)s GROUP BY door, code ORDER BY door, code
"""
_CASES = "SELECT kind, count(*) AS n FROM cases WHERE closed_at IS NULL GROUP BY kind ORDER BY kind"
_CONNECTIONS = """
SELECT k.tenant, k.name, k.not_before > clock_timestamp() AS closed, k.closed_reason,
       -- A connection that was never closed opened at minus infinity, which is no moment that Python can hold.
       CASE WHEN k.not_before > clock_timestamp() THEN k.not_before END AS not_before,
       (SELECT count(*) FROM slots s WHERE s.connection_id = k.id AND s.until > clock_timestamp()) AS in_flight,
       k.max_in_flight
  FROM connections k ORDER BY k.tenant, k.name
"""
_SWEEPS = "SELECT name, finished_at, clock_timestamp() - finished_at AS age FROM sweeps ORDER BY name"
#: Refusals are told for this long back.
REFUSED_WITHIN = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class ConnectionFigure:
    """One EHR connection: closed until ``not_before`` (UTC) for ``closed_reason``, or open (``None``); requests in flight."""

    tenant: str
    name: str
    closed: bool
    closed_reason: str | None
    not_before: datetime | None
    in_flight: int
    max_in_flight: int


@dataclass(frozen=True, kw_only=True)
class SweepFigure:
    """When a sweep last succeeded (UTC), and how long ago that is."""

    name: str
    finished_at: datetime
    age: timedelta


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """One look at the service. Ages in seconds, ``None`` when there is none; ``refused`` within :data:`REFUSED_WITHIN`."""

    open: dict[State, int]
    oldest_ready: float | None
    oldest_unknown: float | None
    oldest_unproven: float | None
    callbacks_due: int
    refused: dict[tuple[str, str], int]
    cases: dict[str, int]
    alerts: dict[tuple[str, int], int]
    connections: tuple[ConnectionFigure, ...]
    sweeps: tuple[SweepFigure, ...]


class Figures:
    """Reads the figures of the whole service, all tenants together."""

    def __init__(self, engine: Engine) -> None:
        """Work on ``engine``."""
        self._engine = engine

    def snapshot(self) -> Snapshot:
        """Return the figures as of now."""
        with transaction(self._engine) as connection:
            ages = rows(connection, _AGES)[0]
            return Snapshot(
                open=_states(rows(connection, _OPEN), {*OPEN}),
                callbacks_due=rows(connection, _CALLBACKS)[0]["n"],
                refused={
                    (row["door"], row["code"]): row["n"]
                    for row in rows(connection, _REFUSED, {"within": REFUSED_WITHIN})
                },
                alerts={(row["pool"], row["severity"]): row["n"] for row in rows(connection, ALERTS)},
                cases={row["kind"]: row["n"] for row in rows(connection, _CASES)},
                connections=tuple(ConnectionFigure(**row) for row in rows(connection, _CONNECTIONS)),
                sweeps=tuple(SweepFigure(**row) for row in rows(connection, _SWEEPS)),
                **ages,
            )

    def totals(self) -> dict[State, int]:
        """Return how many commands are in each state, all that were ever accepted: it reads the whole table."""
        with transaction(self._engine) as connection:
            return _states(rows(connection, _ALL), set(State))


def _states(found: list[Any], named: set[State]) -> dict[State, int]:
    """Return counts by state, with a zero where there is nothing: a gauge that vanishes alarms nobody."""
    return dict.fromkeys(sorted(named), 0) | {State(row["state"]): row["n"] for row in found}
