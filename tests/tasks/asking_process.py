"""A process of its own that asks for a token through the shared cache and prints it: for tests that let several race."""

import sys
from datetime import UTC, datetime
from pathlib import Path

from adapters.tokens import open_tokens
from config.settings import Settings
from config.wiring import open_redis
from tasks.circuit import Circuit
from tasks.locks import Locks
from tasks.token_cache import RedisTokenCache, read_token_keys


def main(redis_url: str, folder: str, token_url: str) -> None:
    client, circuit = open_redis(Settings(redis_url=redis_url)), Circuit()
    seal = read_token_keys(Path(folder) / "token.key")
    assert seal is not None
    cache = RedisTokenCache(
        client,
        prefix="wb:test:",
        circuit=circuit,
        locks=Locks(client, prefix="wb:test:", circuit=circuit),
        seal=seal,
    )
    auth = {
        "kind": "client_secret_post",
        "token_url": token_url,
        "client_id": "writeback",
        "client_secret_file": str(Path(folder) / "secret"),
        "scope": "system/Patient.rs",
    }
    tokens = open_tokens(auth, clock=lambda: datetime.now(UTC), owner="t1/north", cache=cache)
    sys.stdout.write(f"{tokens.bearer(20)}\n")
    tokens.close()
    client.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
