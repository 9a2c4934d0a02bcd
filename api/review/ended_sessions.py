"""Sessions that somebody ended by logging out: a copy of their cookie must open nothing. Kept in Redis, which may forget.

Without Redis a copy lives until the session would have ended by itself; the browser's own cookie is gone at once.
"""

from __future__ import annotations

from datetime import timedelta

from redis import Redis
from redis.exceptions import RedisError

from tasks.circuit import Circuit


class EndedSessions:
    """Ids of ended sessions, each kept as long as it could have lived. Thread-safe."""

    def __init__(self, client: Redis, *, prefix: str, circuit: Circuit) -> None:
        """Take a client that neither retries nor waits long."""
        self._client, self._prefix, self._circuit = client, prefix, circuit

    def add(self, session_id: str, keep: timedelta) -> None:
        """Note that a session ended; ``keep`` is how long it could have lived."""
        if keep <= timedelta(0) or not self._circuit.allows():
            return
        try:
            self._client.set(self._key(session_id), b"1", px=max(1, int(keep.total_seconds() * 1000)))
        except (RedisError, OSError) as error:
            self._circuit.failed(error)
            return
        self._circuit.succeeded()

    def __contains__(self, session_id: str) -> bool:
        """Return whether the session is known to have ended."""
        if not self._circuit.allows():
            return False
        try:
            found = self._client.exists(self._key(session_id))
        except (RedisError, OSError) as error:
            self._circuit.failed(error)
            return False
        self._circuit.succeeded()
        return bool(found)

    def _key(self, session_id: str) -> str:
        return f"{self._prefix}review-ended:{session_id}"
