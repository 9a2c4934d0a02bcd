"""Keeping one connection's token: asked for by one thread of one process, shared with the others, renewed before it ends.

The shared cache saves requests and decides nothing: without it each process asks for, and keeps, a token of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

from adapters.access.issuer import Grant, Issuer
from canonical.boot_clock import boot_seconds
from canonical.errors import EhrUnavailableError
from canonical.token_cache import SharedFailure, SharedToken, TokenCache

#: A token is not used in its last seconds, nor in the last tenth of a short life.
MARGIN = 30
#: While another process asks: how long until we look again whether it got one (seconds).
LOOK_AGAIN = 0.05
#: A request that failed is not repeated at once by those who would have got the same answer (seconds).
FAILURE_SHARED = 1.0
#: However long a token endpoint wants us to stay away, it is asked again after this: limits are counted by the minute.
LONGEST_STAY_AWAY = 60.0
#: A token that lives by use is prolonged when this part of its life has passed.
_PROLONG_AFTER = 0.1


class OwnProcessOnly:
    """The cache of a process that shares with nobody."""

    def entry(self, name: str) -> SharedToken | SharedFailure | None:
        return None

    def keep(self, name: str, token: SharedToken) -> None:
        """Nobody else would read it."""

    def keep_failure(self, name: str, failure: SharedFailure) -> None:
        """Nobody else would read it."""

    def prolong(self, name: str, value: str, seconds: float) -> None:
        """There is nothing to prolong."""

    def drop(self, name: str, value: str) -> None:
        """There is nothing to drop."""

    @contextmanager
    def asking(self, name: str) -> Iterator[bool]:
        yield True


@dataclass(frozen=True, kw_only=True)
class _Held:
    token: SharedToken
    #: Boot seconds after which it is not used.
    fresh_until: float


@dataclass(frozen=True, kw_only=True)
class _Failed:
    error: EhrUnavailableError
    at: float
    #: Boot seconds before which the endpoint wants not to be asked again.
    until: float


class KeptTokens:
    """The :class:`adapters.tokens.Tokens` of one client, by ``issuer``. Thread-safe."""

    def __init__(self, issuer: Issuer, *, name: str, cache: TokenCache | None = None) -> None:
        """Join an issuer to the shared ``cache``, in which ``name`` is this client's; nothing is asked for yet."""
        self._issuer, self._name = issuer, name
        self._cache: TokenCache = OwnProcessOnly() if cache is None else cache
        self._asking, self._state = threading.Lock(), threading.Lock()
        self._pause = threading.Event()
        self._held: _Held | None = None
        self._failed: _Failed | None = None
        self._refused: str | None = None
        self.granted: str | None = None

    def bearer(self, seconds: float) -> str | None:
        token = self._usable()
        if token is not None:
            return token
        began = boot_seconds()
        if not self._asking.acquire(timeout=max(seconds, 0.0)):
            raise EhrUnavailableError("outage")
        try:
            return self._usable() or self._obtain(began, began + seconds)
        finally:
            self._asking.release()

    def refused(self, token: str) -> None:
        with self._state:
            if self._held is None or self._held.token.value == token:
                self._held, self._refused = None, token
        self._cache.drop(self._name, token)

    def close(self) -> None:
        self._issuer.close()

    def _usable(self) -> str | None:
        with self._state:
            held, now = self._held, boot_seconds()
            if held is None or now >= held.fresh_until:
                return None
            life = self._life_by_use()
            is_due = life is not None and held.fresh_until - now < life * (1 - _PROLONG_AFTER)
            if life is not None and is_due:
                self._held = replace(held, fresh_until=now + life)
        if life is not None and is_due:
            self._cache.prolong(self._name, held.token.value, life)
        return held.token.value

    def _life_by_use(self) -> float | None:
        return None if self._issuer.idle is None else usable_seconds(self._issuer.idle)

    def _obtain(self, began: float, ends_at: float) -> str:
        """Take over what another process got, or ask if nobody else does."""
        while True:
            token = self._taken_over()
            if token is not None:
                return token
            with self._cache.asking(self._name) as is_ours:
                if is_ours:
                    return self._taken_over() or self._asked(began, ends_at)
            left = ends_at - boot_seconds()
            if left <= 0:
                raise EhrUnavailableError("outage")
            self._pause.wait(min(LOOK_AGAIN, left))

    def _raise_if_failed(self, began: float) -> None:
        """Raise again what a request came to that this caller waited for: the answer would be the same."""
        failed, now = self._failed, boot_seconds()
        if failed is None or (failed.at < began and now >= failed.until):
            return
        wait = timedelta(seconds=failed.until - now) if failed.until > now else failed.error.retry_after
        raise EhrUnavailableError(failed.error.reason, wait)

    def _taken_over(self) -> str | None:
        entry = self._cache.entry(self._name)
        if isinstance(entry, SharedFailure):
            wait = timedelta(seconds=entry.seconds) if entry.reason == "throttled" else None
            raise EhrUnavailableError(entry.reason, wait)
        if entry is None or entry.value == self._refused:
            return None
        return self._hold(entry)

    def _asked(self, began: float, ends_at: float) -> str:
        self._raise_if_failed(began)
        asked_at = boot_seconds()
        if asked_at >= ends_at:
            raise EhrUnavailableError("outage")
        try:
            grant = self._issuer.ask(ends_at - asked_at)
        except EhrUnavailableError as error:
            self._remember(error)
            raise
        token = _shared(grant, age=boot_seconds() - asked_at)
        # A server may hand out the refused token again; then it is the one to use.
        self._refused = self._failed = None
        self._cache.keep(self._name, token)
        return self._hold(token)

    def _hold(self, token: SharedToken) -> str:
        with self._state:
            self._held = _Held(token=token, fresh_until=boot_seconds() + token.seconds)
            self.granted = token.scope
        return token.value

    def _remember(self, error: EhrUnavailableError) -> None:
        now = boot_seconds()
        asked_for = 0.0 if error.retry_after is None else error.retry_after.total_seconds()
        away = min(asked_for, LONGEST_STAY_AWAY)
        self._failed = _Failed(error=error, at=now, until=now + away)
        failure = SharedFailure(reason=error.reason, seconds=max(away, FAILURE_SHARED))
        self._cache.keep_failure(self._name, failure)


def usable_seconds(lifetime: float) -> float:
    """Return how much of a life of ``lifetime`` seconds a token is used."""
    return lifetime - max(min(MARGIN, lifetime / 2), lifetime / 10)


def _shared(grant: Grant, age: float) -> SharedToken:
    """Return the token with what is left of its usable life, counted from when it was asked for, ``age`` seconds ago."""
    return SharedToken(value=grant.value, scope=grant.scope, seconds=max(usable_seconds(grant.lifetime) - age, 0.0))
