"""Access tokens shared by the processes of an installation through Redis, sealed with a key that Redis does not have.

It decides nothing: an entry that is gone, of another key, or of a Redis that is away is no entry. What is sealed says whose
it is, so that an entry moved to another name opens to nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from redis import Redis
from redis.exceptions import RedisError

from canonical.errors import ConfigurationError
from canonical.token_cache import SharedFailure, SharedToken
from tasks.circuit import Circuit
from tasks.locks import Locks

#: The entry at KEYS[1] and how long it still lives, in ms.
_LOOK = "return {redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1])}"
#: Remove KEYS[1] only while it is ARGV[1].
_DROP = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"
#: Let KEYS[1] live for ARGV[2] ms only while it is ARGV[1].
_PROLONG = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0"


class RedisTokenCache:
    """The :class:`canonical.token_cache.TokenCache` in Redis; every key starts with ``prefix`` and expires. Thread-safe."""

    def __init__(self, client: Redis, *, prefix: str, circuit: Circuit, locks: Locks, seal: MultiFernet) -> None:
        """Take a client that neither retries nor waits long, and what seals an entry before it leaves this process."""
        self._client, self._prefix, self._circuit, self._locks, self._seal = client, prefix, circuit, locks, seal
        self._look, self._drop = client.register_script(_LOOK), client.register_script(_DROP)
        self._prolong = client.register_script(_PROLONG)

    def entry(self, name: str) -> SharedToken | SharedFailure | None:
        _, members, seconds = self._found(name)
        token, reason = members.get("token"), members.get("failure")
        if isinstance(token, str):
            return SharedToken(value=token, scope=members.get("scope"), seconds=seconds)
        return SharedFailure(reason=reason, seconds=seconds) if isinstance(reason, str) else None

    def keep(self, name: str, token: SharedToken) -> None:
        self._put(name, {"token": token.value, "scope": token.scope}, token.seconds)

    def keep_failure(self, name: str, failure: SharedFailure) -> None:
        self._put(name, {"failure": failure.reason}, failure.seconds, only_if_none=True)

    def prolong(self, name: str, value: str, seconds: float) -> None:
        sealed, members, _ = self._found(name)
        if members.get("token") == value:
            self._ask(lambda: self._prolong(keys=[self._key(name)], args=[sealed, _ms(seconds)]))

    def drop(self, name: str, value: str) -> None:
        sealed, members, _ = self._found(name)
        if members.get("token") == value:
            self._ask(lambda: self._drop(keys=[self._key(name)], args=[sealed]))

    @contextmanager
    def asking(self, name: str) -> Iterator[bool]:
        with self._locks.token(name) as grip:
            yield grip.free

    def _key(self, name: str) -> str:
        return f"{self._prefix}token:{name}"

    def _put(self, name: str, members: dict[str, Any], seconds: float, *, only_if_none: bool = False) -> None:
        if _ms(seconds) < 1:
            return
        sealed = self._seal.encrypt(json.dumps({"name": name, **members}).encode())
        self._ask(lambda: self._client.set(self._key(name), sealed, px=_ms(seconds), nx=only_if_none))

    def _found(self, name: str) -> tuple[bytes, dict[str, Any], float]:
        """Return the entry as it lies there, what it says (nothing: it is not for us), and how long it lives."""
        found = self._ask(lambda: self._look(keys=[self._key(name)]))
        if not isinstance(found, Sequence) or not isinstance(found[0], bytes) or found[1] < 1:
            return b"", {}, 0.0
        return found[0], self._opened(name, found[0]), found[1] / 1000

    def _opened(self, name: str, sealed: bytes) -> dict[str, Any]:
        try:
            members = json.loads(self._seal.decrypt(sealed))
        except (InvalidToken, ValueError):
            return {}
        return members if isinstance(members, dict) and members.get("name") == name else {}

    def _ask(self, command: Callable[[], object]) -> object:
        """Run ``command``; ``None``: Redis cannot say."""
        if not self._circuit.allows():
            return None
        try:
            answer = command()
        except (RedisError, OSError) as error:
            self._circuit.failed(error)
            return None
        self._circuit.succeeded()
        return answer


def _ms(seconds: float) -> int:
    return int(seconds * 1000)


def read_token_keys(file: Path | None, *, variable: str = "WRITEBACK_TOKEN_KEY_FILE") -> MultiFernet | None:
    """Return what seals tokens, by the Fernet keys of ``file``, one a line, the newest first; ``None`` without a file.

    All are tried for opening, the first one seals. Raises ``ConfigurationError`` that names ``variable`` and shows nothing
    of the file.
    """
    if file is None:
        return None
    try:
        keys = [Fernet(line) for line in file.read_text(encoding="ascii").split()]
        return MultiFernet(keys)
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{variable}: {file} holds no Fernet keys, one a line ({type(error).__name__})."
        ) from None
