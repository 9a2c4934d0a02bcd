"""The kill switches as people see and flip them; the claim looks at the same rows. One look-up, one write."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine

from canonical.action import action_specs
from canonical.errors import FieldError, RefusedError
from store.connections import connection_names, flip_switch
from store.database import rows, transaction

#: The switch of the whole service is every tenant's to see.
_ALL = """
SELECT kind, key, is_on, reason, changed_by, changed_at FROM switches
 WHERE tenant IN (%(tenant)s, '*') ORDER BY kind, key
"""
#: Whose row a switch of the whole service is.
SERVICE = "*"
#: Tenants and apps are known by their commands only.
_OPEN = frozenset({"tenant", "app"})


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

    def turn(self, tenant: str, *, kind: str, key: str, on: bool, reason: str, by: str) -> str | None:
        """Turn one switch; effective with the next claim.

        Returns a sentence when nothing has used the switch yet: its key may be misspelled. Raises ``RefusedError``
        ``invalid-field`` naming the keys there are, when this one could never govern anything; nothing was turned.
        """
        known = self._known(tenant, kind)
        if known is not None and key not in known:
            raise _unknown(kind, known)
        is_new = flip_switch(self._engine, tenant=tenant, kind=kind, key=key, on=on, reason=reason, by=by)
        return (
            f"No command has come from or for this {kind} yet: is its name right?" if is_new and kind in _OPEN else None
        )

    def _known(self, tenant: str, kind: str) -> list[str] | None:
        """Return the keys there can be, if that is known before a command comes."""
        match kind:
            case "service":
                return [SERVICE]
            case "tenant":
                return [tenant]
            case "connection":
                return connection_names(self._engine, tenant=tenant)
            case "action":
                return sorted(action_specs())
            case _:
                return None


def _unknown(kind: str, known: list[str]) -> RefusedError:
    detail = f"known: {', '.join(known)}" if known else "none is known"
    error = FieldError(pointer="/key", code="switch-unknown", detail=detail)
    message = f"There is no such {kind} to switch; {detail}. Nothing was turned."
    return RefusedError("invalid-field", message, errors=(error,))
