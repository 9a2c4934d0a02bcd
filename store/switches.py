"""The kill switches as people see and flip them; the claim looks at the same rows. One look-up, one write."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine

from store.connections import flip_switch
from store.database import rows, transaction

#: The switch of the whole service is every tenant's to see.
_ALL = """
SELECT kind, key, is_on, reason, changed_by, changed_at FROM switches
 WHERE tenant IN (%(tenant)s, '*') ORDER BY kind, key
"""
#: Whose row a switch of the whole service is.
SERVICE = "*"


@dataclass(frozen=True, kw_only=True)
class Switch:
    """One switch: off, nothing it governs is sent; who turned it, why, and when (UTC)."""

    kind: str
    key: str
    is_on: bool
    reason: str | None
    changed_by: str | None
    changed_at: datetime


class Switches:
    """The switches of every tenant."""

    def __init__(self, engine: Engine) -> None:
        """Work on ``engine``."""
        self._engine = engine

    def all(self, tenant: str) -> list[Switch]:
        """Return the tenant's switches and the service's."""
        with transaction(self._engine) as connection:
            return [Switch(**row) for row in rows(connection, _ALL, {"tenant": tenant})]

    def turn(self, tenant: str, *, kind: str, key: str, on: bool, reason: str, by: str) -> None:
        """Turn one switch; effective with the next claim."""
        flip_switch(self._engine, tenant=tenant, kind=kind, key=key, on=on, reason=reason, by=by)
