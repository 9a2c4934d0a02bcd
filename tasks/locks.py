"""Redis locks that save useless work: at the door per idempotency key, at dispatch per lane, and per access token.

They decide nothing.

A lost lock, or a Redis that is gone, costs a second look at PostgreSQL, whose unique key and session lock decide.
redis-py's own ``lock()`` is not used: by default it never expires, and a repeated ``SET NX`` locks its holder out.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from secrets import token_hex

from redis import Redis
from redis.exceptions import RedisError

from tasks.circuit import Circuit

#: Take KEYS[1] for ARGV[1] during ARGV[2] ms; if somebody has it, leave word at KEYS[2] that one came in vain.
_TAKE = """
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then
  redis.call('DEL', KEYS[2])
  return 1
end
redis.call('SET', KEYS[2], '1', 'PX', ARGV[2])
return 0
"""
#: Give KEYS[1] back only if it is still ARGV[1]'s; return whether somebody came in vain.
_GIVE_BACK = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return redis.call('DEL', KEYS[2])
"""


@dataclass
class Grip:
    """What came of asking for a lock: ``free`` is also true when Redis cannot say; ``knocked`` is known after the end.

    ``knocked``: somebody asked while we held it and went away; if it was for work, look for more.
    """

    free: bool
    knocked: bool = False


class Locks:
    """Short locks on ``client``; every key starts with ``prefix`` and expires."""

    def __init__(
        self,
        client: Redis,
        *,
        prefix: str,
        circuit: Circuit,
        lane_time: timedelta = timedelta(seconds=20),
        door_time: timedelta = timedelta(seconds=5),
        token_time: timedelta = timedelta(seconds=10),
    ) -> None:
        """Take a client that neither retries nor waits long; ``lane_time`` should outlast a usual turn of a lane."""
        self._client, self._prefix, self._circuit = client, prefix, circuit
        self._lane_time, self._door_time, self._token_time = lane_time, door_time, token_time
        self._take, self._give_back = client.register_script(_TAKE), client.register_script(_GIVE_BACK)

    @contextmanager
    def lane(self, lane_id: int) -> Iterator[Grip]:
        """Hold lane ``lane_id`` for one turn; not ``free``: somebody is at it, go away."""
        with self._held(f"lane:{lane_id}", self._lane_time) as grip:
            yield grip

    @contextmanager
    def door(self, key_hash: bytes) -> Iterator[Grip]:
        """Hold a hashed idempotency key; not ``free``: the same request is being accepted right now."""
        with self._held(f"door:{key_hash.hex()}", self._door_time) as grip:
            yield grip

    @contextmanager
    def token(self, name: str) -> Iterator[Grip]:
        """Hold the asking for one access token; not ``free``: somebody is asking right now, look again soon."""
        with self._held(f"token:{name}:asking", self._token_time) as grip:
            yield grip

    @contextmanager
    def _held(self, name: str, time: timedelta) -> Iterator[Grip]:
        token = token_hex(16)
        keys = [f"{self._prefix}{name}", f"{self._prefix}{name}:knocked"]
        taken = self._ask(self._take, keys, [token, int(time.total_seconds() * 1000)])
        grip = Grip(free=taken != 0)
        try:
            yield grip
        finally:
            if taken == 1:
                grip.knocked = self._ask(self._give_back, keys, [token]) == 1

    def _ask(self, script: object, keys: list[str], args: list[str | int]) -> int | None:
        """Run ``script``; ``None``: Redis cannot say."""
        if not self._circuit.allows():
            return None
        try:
            answer = script(keys=keys, args=args)  # type: ignore[operator]
        except (RedisError, OSError) as error:
            self._circuit.failed(error)
            return None
        self._circuit.succeeded()
        return int(answer)
