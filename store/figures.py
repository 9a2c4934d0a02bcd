"""Counts and ages for those who run the service: metrics and the status page. No identifiers, no patients, no content."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine

from canonical.acknowledging import OwedFigures
from canonical.lifecycle import OPEN, State
from store.acknowledgements import FIGURES
from store.balance_days import unfit_by_reason
from store.database import rows, transaction
from store.drift_figures import DriftFigure, drift_figures
from store.late_cases import ALERTS
from store.notification_tallies import notification_figures
from store.replay_figures import ReplayFigure, replay_figures

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
_CASES = """
SELECT kind, severity, count(*) AS n, extract(epoch FROM clock_timestamp() - min(opened_at))::float AS oldest
  FROM cases WHERE closed_at IS NULL GROUP BY kind, severity ORDER BY kind, severity
"""
_DECISIONS = "SELECT verb, count(*) AS n FROM decisions GROUP BY verb ORDER BY verb"
#: A case that came back: its chart moved while somebody looked at it, or the same question was decided before.
_REOPENED = """
SELECT count(*) AS n FROM cases k
 WHERE k.opened_at >= clock_timestamp() - %(within)s AND (k.rounds > 0 OR EXISTS (
   SELECT 1 FROM cases e WHERE e.command_id = k.command_id AND e.kind = k.kind AND e.id < k.id))
"""
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
#: Cases that came back are told for this long back.
REOPENED_WITHIN = timedelta(days=1)
#: Severities of a case, 1 is now: one without a case has an age all the same.
_SEVERITIES = (1, 2, 3, 4)


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
    """One look at the service. Ages in seconds, ``None`` when there is none; ``refused`` within :data:`REFUSED_WITHIN`.

    ``oldest_cases`` is severity → age of the oldest open case, 0 where there is none; ``unfit``: commands that the balances of
    past days cannot account for, by reason; ``owed``: what no app confirmed;
    ``notifications`` of seven days are by name of connection and result.
    """

    open: dict[State, int]
    oldest_ready: float | None
    oldest_unknown: float | None
    oldest_unproven: float | None
    callbacks_due: int
    refused: dict[tuple[str, str], int]
    cases: dict[str, int]
    oldest_cases: dict[int, float]
    alerts: dict[tuple[str, int], int]
    connections: tuple[ConnectionFigure, ...]
    sweeps: tuple[SweepFigure, ...]
    drift: tuple[DriftFigure, ...]
    owed: OwedFigures
    notifications: dict[tuple[str, str], int]
    replays: tuple[ReplayFigure, ...]
    unfit: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class ReviewTotals:
    """``decisions`` ever made, by verb; ``reopened``: cases that came back within :data:`REOPENED_WITHIN`."""

    decisions: dict[str, int]
    reopened: int


class Figures:
    """Reads the figures of the whole service, all tenants together."""

    def __init__(self, engine: Engine) -> None:
        """Work on ``engine``."""
        self._engine = engine

    def snapshot(self) -> Snapshot:
        """Return the figures as of now."""
        with transaction(self._engine) as connection:
            ages = rows(connection, _AGES)[0]
            cases = rows(connection, _CASES)
            return Snapshot(
                open=_states(rows(connection, _OPEN), {*OPEN}),
                callbacks_due=rows(connection, _CALLBACKS)[0]["n"],
                refused={
                    (row["door"], row["code"]): row["n"]
                    for row in rows(connection, _REFUSED, {"within": REFUSED_WITHIN})
                },
                cases=_by_kind(cases),
                oldest_cases=_oldest(cases),
                alerts={(row["pool"], row["severity"]): row["n"] for row in rows(connection, ALERTS)},
                connections=tuple(ConnectionFigure(**row) for row in rows(connection, _CONNECTIONS)),
                sweeps=tuple(SweepFigure(**row) for row in rows(connection, _SWEEPS)),
                drift=drift_figures(connection),
                owed=OwedFigures(**rows(connection, FIGURES)[0]),
                notifications=notification_figures(connection),
                replays=replay_figures(connection),
                unfit=unfit_by_reason(connection),
                **ages,
            )

    def totals(self) -> dict[State, int]:
        """Return how many commands are in each state, all that were ever accepted: it reads the whole table."""
        with transaction(self._engine) as connection:
            return _states(rows(connection, _ALL), set(State))

    def review_totals(self) -> ReviewTotals:
        """Return what reviewers did: it reads every decision ever made."""
        with transaction(self._engine) as connection:
            return ReviewTotals(
                decisions={row["verb"]: row["n"] for row in rows(connection, _DECISIONS)},
                reopened=rows(connection, _REOPENED, {"within": REOPENED_WITHIN})[0]["n"],
            )


def _by_kind(found: list[Any]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for row in found:
        counts[row["kind"]] = counts.get(row["kind"], 0) + row["n"]
    return counts


def _oldest(found: list[Any]) -> dict[int, float]:
    return {
        severity: max((row["oldest"] for row in found if row["severity"] == severity), default=0.0)
        for severity in _SEVERITIES
    }


def _states(found: list[Any], named: set[State]) -> dict[State, int]:
    """Return counts by state, with a zero where there is nothing: a gauge that vanishes alarms nobody."""
    return dict.fromkeys(sorted(named), 0) | {State(row["state"]): row["n"] for row in found}
