"""A TCP server that reads a request and then does exactly what a test says, which no HTTP server would."""

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

#: What to do with an accepted connection; the server closes it afterwards.
Script = Callable[[socket.socket], object]


def read_request(connection: socket.socket) -> bytes:
    """One request, headers and as much body as its Content-Length says."""
    received = b""
    while b"\r\n\r\n" not in received:
        part = connection.recv(65_536)
        if not part:
            return received
        received += part
    head, _, body = received.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body


def reset(connection: socket.socket) -> None:
    """End the connection with a TCP reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def answering(raw: bytes) -> Script:
    """Read one request, send ``raw``, close."""

    def script(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(raw)

    return script


def http(status: str, *headers: str, body: bytes = b"") -> bytes:
    """A raw answer that ends its connection: status line, further headers, body."""
    lines = [f"HTTP/1.1 {status}", "Connection: close", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


class RawServer:
    """Plays one script per connection in turn, the last one for all further ones; counts connections and keeps requests."""

    def __init__(self, *scripts: Script) -> None:
        self._scripts = list(scripts)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.connections = 0
        self.failures: list[BaseException] = []
        #: Set when the test is over, for scripts that hold a connection open.
        self.done = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/fhir"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.done.set()
        # Wakes the accept; closing a listener from another thread does not.
        with suppress(OSError):
            socket.create_connection(self._listener.getsockname(), timeout=1).close()
        self._thread.join(timeout=10)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection:
                if self.done.is_set():
                    return
                script = self._scripts[min(self.connections, len(self._scripts) - 1)]
                self.connections += 1
                with suppress(OSError):
                    script(connection)
