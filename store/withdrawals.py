"""Taking a command back before it is sent, as its app wishes; not compensation, which changes the chart."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Engine

from canonical.events import move
from canonical.lifecycle import TRANSITIONS, State, Trigger
from store.database import rows, transaction
from store.moves import apply_move

_STATE = "SELECT state FROM commands WHERE tenant = %(tenant)s AND id = %(id)s"
#: A command moves while we look: three looks outlast any two moves that may come between.
_LOOKS = 3


@dataclass(frozen=True, kw_only=True)
class Withdrawal:
    """What came of it: whether the command is withdrawn now, and the state in which it was found."""

    withdrawn: bool
    state: State


class Withdrawals:
    """Withdraws commands that were not sent."""

    def __init__(self, engine: Engine) -> None:
        """Work on ``engine``."""
        self._engine = engine

    def withdraw(self, tenant: str, command: UUID, *, actor: str) -> Withdrawal | None:
        """Withdraw a command of the tenant if the life cycle still allows it; ``None``: there is no such command.

        A command withdrawn before stays so and counts as withdrawn.
        """
        state = State.RECEIVED
        for _ in range(_LOOKS):
            with transaction(self._engine) as connection:
                found = rows(connection, _STATE, {"tenant": tenant, "id": command})
                if not found:
                    return None
                state = State(found[0]["state"])
                if state is State.WITHDRAWN:
                    return Withdrawal(withdrawn=True, state=state)
                if (state, Trigger.CANCELLED) not in TRANSITIONS:
                    return Withdrawal(withdrawn=False, state=state)
                if apply_move(connection, command, move(state, Trigger.CANCELLED), actor=actor):
                    return Withdrawal(withdrawn=True, state=State.WITHDRAWN)
        return Withdrawal(withdrawn=False, state=state)
