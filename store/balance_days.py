"""The balance drawn up day by day and kept: which days are due, what they came to, and the case where one does not close."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from canonical import exact_json
from canonical.case_kinds import case_kind
from store.balance import UNFIT_REASONS, Balances, BalanceSheet
from store.database import rows, transaction
from store.moves import due_from

if TYPE_CHECKING:
    import psycopg
    from sqlalchemy import Engine

KIND = "balance_open"
#: Every day that is over and not in the book yet, from the first receipt or from the last day in it.
_OPEN_DAYS = """
INSERT INTO balance_days (tenant, day)
SELECT t.tenant, d.day::date
  FROM (SELECT DISTINCT tenant FROM connections) t
 CROSS JOIN LATERAL (
   SELECT coalesce(
     (SELECT max(b.day) + 1 FROM balance_days b WHERE b.tenant = t.tenant),
     (SELECT (timezone('UTC', min(c.received_at)))::date FROM commands c WHERE c.tenant = t.tenant)) AS first) f
 CROSS JOIN LATERAL generate_series(f.first, (timezone('UTC', statement_timestamp()))::date - 1, interval '1 day') d (day)
ON CONFLICT DO NOTHING
"""
_DUE = "SELECT tenant, day FROM balance_days WHERE next_at <= statement_timestamp() ORDER BY next_at LIMIT %(limit)s"
_KEEP = """
UPDATE balance_days SET sheets = %(sheets)s::jsonb, closes = %(closes)s, counted_at = clock_timestamp(),
       next_at = CASE WHEN NOT %(closes)s THEN clock_timestamp() + %(soon)s::interval
                      WHEN %(over)s THEN clock_timestamp() + %(seldom)s::interval
                      ELSE timezone('UTC', ((timezone('UTC', clock_timestamp()))::date + 1)::timestamp) END
 WHERE tenant = %(tenant)s AND day = %(day)s
"""
_ASK = f"""
INSERT INTO cases (tenant, command_id, connection_id, action_type, kind, pool, severity, due_at, holds, cause)
SELECT c.tenant, c.id, c.connection_id, c.action_type, '{KIND}', %(pool)s, %(severity)s::smallint,
       {due_from("%(severity)s")}, false, ''
  FROM commands c WHERE c.id = ANY (%(commands)s)
ON CONFLICT DO NOTHING
"""
_OVER = f"""
UPDATE cases k SET closed_at = clock_timestamp(), closed_reason = 'balance-closes', closed_by = %(actor)s,
       version = k.version + 1
  FROM connections n
 WHERE k.kind = '{KIND}' AND k.closed_at IS NULL AND n.id = k.connection_id
   AND NOT EXISTS (SELECT 1 FROM balance_days b WHERE b.tenant = k.tenant AND NOT b.closes
                      AND (b.sheets -> n.name ->> 'unfit') <> '{{}}')
RETURNING k.id
"""
_NOT_CLOSED = "SELECT sheets FROM balance_days WHERE NOT closes"


@dataclass(frozen=True, kw_only=True)
class Term:
    """When a day is counted again: ``soon`` if it did not close, else each midnight (UTC), ``seldom`` if all of it is over."""

    soon: timedelta = timedelta(minutes=15)
    seldom: timedelta = timedelta(days=30)


class BalanceDays:
    """The book of days. Thread-safe; ``actor`` names this process in closed cases."""

    def __init__(self, engine: Engine, *, actor: str, balances: Balances | None = None) -> None:
        """Work on ``engine``, and count with ``balances``."""
        self._engine, self._actor, self._balances = engine, actor, balances or Balances(engine)

    def due(self, *, limit: int) -> list[tuple[str, date]]:
        """Return up to ``limit`` tenants and days (UTC) to count, those first that have waited longest."""
        with transaction(self._engine) as session:
            rows(session, _OPEN_DAYS)
            return [(row["tenant"], row["day"]) for row in rows(session, _DUE, {"limit": limit})]

    def count(self, tenant: str, day: date, term: Term = Term()) -> BalanceSheet:
        """Count one day, keep what it came to, and ask a person of each connection whose balance does not close."""
        sheet = self._balances.sheet(tenant=tenant, since=day, until=day + timedelta(days=1))
        total = sheet.total
        names = {
            "tenant": tenant,
            "day": day,
            "sheets": exact_json.dumps(_sheets(sheet)),
            "closes": sheet.closes,
            "over": total.received == total.in_chart + total.taken_back + total.partly_taken_back + total.ended,
            "soon": term.soon,
            "seldom": term.seldom,
        }
        with transaction(self._engine) as session:
            rows(session, _KEEP, names)
            _ask(session, sheet)
        return sheet

    def end_cases(self) -> int:
        """Close the cases of connections whose balances close again; return how many."""
        with transaction(self._engine) as session:
            return len(rows(session, _OVER, {"actor": self._actor}))


def unfit_by_reason(session: psycopg.Connection[Any]) -> dict[str, int]:
    """Return how many commands the kept balances cannot account for, by reason; it costs the days that do not close.

    A reason that holds for none is there with 0: a gauge that vanishes alarms nobody.
    """
    counts = Counter(dict.fromkeys(UNFIT_REASONS, 0))
    for row in rows(session, _NOT_CLOSED):
        for sheet in row["sheets"].values():
            counts.update(sheet["unfit"])
    return dict(counts)


def _sheets(sheet: BalanceSheet) -> dict[str, Any]:
    """Return the counts of each connection; events without a command are under no name."""
    kept = {name: {"counts": vars(counts), "unfit": {}} for (_tenant, name), counts in sheet.connections.items()}
    for one in sheet.unfit:
        name = one.connection[1] if one.connection is not None else ""
        unfit = kept.setdefault(name, {"counts": {}, "unfit": {}})["unfit"]
        unfit[one.why] = unfit.get(one.why, 0) + 1
    return kept


def _ask(session: psycopg.Connection[Any], sheet: BalanceSheet) -> None:
    """Open one case for each connection, about the first of its commands that fits nowhere."""
    first: dict[tuple[str, str], Any] = {}
    for one in sheet.unfit:
        if one.connection is not None:
            first.setdefault(one.connection, one.id)
    if first:
        kind = case_kind(KIND)
        commands = list(first.values())
        rows(session, _ASK, {"commands": commands, "pool": kind.pool.value, "severity": kind.severity})
