"""The port to what the processes of one installation remember together of access tokens; not where, nor how it is sealed."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class SharedToken:
    """A token, the scope granted with it as the server spells it, and the seconds for which it may still be used."""

    value: str = field(repr=False)
    scope: str | None
    seconds: float


@dataclass(frozen=True, kw_only=True)
class SharedFailure:
    """Why asking failed (``auth``, ``throttled`` or ``outage``), and the seconds in which nobody should ask again."""

    reason: str
    seconds: float


class TokenCache(Protocol):
    """Tokens by ``name``, one of each; thread-safe. It may forget at any time, and being away is the same as empty.

    Nothing here raises: a write never fails because a cache is away.
    """

    def entry(self, name: str) -> SharedToken | SharedFailure | None:
        """Return what is known now."""
        ...

    def keep(self, name: str, token: SharedToken) -> None:
        """Put ``token`` in the place of whatever is there, for its ``seconds``."""
        ...

    def keep_failure(self, name: str, failure: SharedFailure) -> None:
        """Remember ``failure`` for its ``seconds``, unless somebody got a token meanwhile."""
        ...

    def prolong(self, name: str, value: str, seconds: float) -> None:
        """Keep the token ``value`` for ``seconds`` from now, if it is the one there."""
        ...

    def drop(self, name: str, value: str) -> None:
        """Forget the token ``value``, if it is the one there."""
        ...

    def asking(self, name: str) -> AbstractContextManager[bool]:
        """Hold, for a short time at most, the right to ask for a token.

        ``False``: another process is asking, look again soon. ``True`` also where the cache cannot say.
        """
        ...
