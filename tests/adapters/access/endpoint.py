"""A token endpoint of the tests' own: it answers what a test says, and keeps what it was sent."""

import json
import socket
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

from tests.adapters.raw_server import Script, http, read_request

SCOPE = "system/Patient.rs system/Observation.crus"


def now() -> datetime:
    return datetime.now(UTC)


def granted(token: str = "t", **body: Any) -> bytes:
    """An answer that grants ``token``."""
    return http("200 OK", body=json.dumps({"access_token": token, "token_type": "Bearer", **body}).encode())


def keeping(requests: list[bytes], raw: bytes) -> Script:
    """Read one request, keep it, send ``raw``."""

    def script(connection: socket.socket) -> None:
        requests.append(read_request(connection))
        connection.sendall(raw)

    return script


def form_of(request: bytes) -> dict[str, str]:
    """The members of a form that was sent, each once."""
    parsed = parse_qs(request.partition(b"\r\n\r\n")[2].decode(), strict_parsing=True)
    assert all(len(values) == 1 for values in parsed.values())
    return {name: values[0] for name, values in parsed.items()}


def header_of(request: bytes, name: str) -> str | None:
    """The value of a header that was sent, if it was."""
    lines = request.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
    headers = {key.lower(): value for key, _, value in (line.partition(": ") for line in lines)}
    return headers.get(name.lower())
