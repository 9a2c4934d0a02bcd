"""The command that an app names in an address: its own, and of an action that its token may do; else it is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from api.problems import Problem, not_found

if TYPE_CHECKING:
    from canonical.command_views import CommandSummary
    from canonical.principal import Principal


class Commands(Protocol):
    """Where commands are looked up."""

    def summary(self, tenant: str, command: UUID, *, app: str | None = None) -> CommandSummary | None:
        """Return a command of the tenant, and of ``app`` where it is named; ``None``: there is none."""
        ...


def own_command(commands: Commands, command_id: str, principal: Principal) -> CommandSummary:
    """Return the command ``command_id`` (text of an address) of the principal's own app.

    Raises :class:`Problem` ``not-found`` where there is none, and ``not-permitted`` where the token's scopes lack its action.
    """
    try:
        command = UUID(command_id)
    except ValueError:
        raise not_found() from None
    found = commands.summary(principal.tenant, command, app=principal.app)
    if found is None:
        raise not_found()
    if not principal.may(found.action_type, found.operation):
        raise Problem("not-permitted", "The token's scopes do not allow this action.")
    return found
