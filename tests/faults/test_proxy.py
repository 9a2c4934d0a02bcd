import socket
import socketserver
import threading
from collections.abc import Iterator

import pytest

from tests.faults.proxy import LOOPBACK, Cut, Mode, TcpProxy, Way


class _Answering(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        for line in self.rfile:
            self.server.received.append(line)  # type: ignore[attr-defined]
            self.wfile.write(b"got " + line)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__((LOOPBACK, 0), _Answering)
        self.received: list[bytes] = []

    def handle_error(self, request: object, client_address: object) -> None:
        """A reset by the proxy is no news."""


@pytest.fixture
def server() -> Iterator[_Server]:
    with _Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def proxy(server: _Server) -> Iterator[TcpProxy]:
    with TcpProxy(server.server_address[1]) as running:
        yield running


@pytest.fixture
def client(proxy: TcpProxy) -> Iterator[socket.socket]:
    with _connect(proxy) as connected:
        yield connected


def _connect(proxy: TcpProxy, seconds: float = 2.0) -> socket.socket:
    return socket.create_connection((LOOPBACK, proxy.port), timeout=seconds)


def _ask(client: socket.socket, line: bytes) -> bytes:
    client.sendall(line + b"\n")
    return client.recv(100)


def test_bytes_pass_both_ways(client: socket.socket) -> None:
    assert _ask(client, b"one") == b"got one\n"
    assert _ask(client, b"two") == b"got two\n"


def test_the_request_arrives_and_its_answer_is_lost(server: _Server, proxy: TcpProxy, client: socket.socket) -> None:
    proxy.cut("answer-lost", b"two")
    assert _ask(client, b"one") == b"got one\n"

    with pytest.raises(ConnectionResetError):
        _ask(client, b"two")

    assert server.received == [b"one\n", b"two\n"]
    assert proxy.fired["answer-lost"] == 1
    with _connect(proxy) as again:
        assert _ask(again, b"two") == b"got two\n"


def test_the_request_is_lost(server: _Server, proxy: TcpProxy, client: socket.socket) -> None:
    proxy.cut("request-lost", b"two", cut=Cut.BEFORE)

    with pytest.raises(ConnectionResetError):
        _ask(client, b"two")

    assert server.received == []
    assert proxy.fired["request-lost"] == 1


def test_bytes_are_counted_once_without_a_cut(proxy: TcpProxy, client: socket.socket) -> None:
    proxy.cut("seen", b"two", cut=Cut.NOT, times=9)

    for line in (b"one", b"two", b"three", b"two"):
        assert _ask(client, line) == b"got " + line + b"\n"

    assert proxy.fired["seen"] == 2


def test_an_answer_is_found_by_its_own_bytes(proxy: TcpProxy, client: socket.socket) -> None:
    proxy.cut("answer", lambda seen: seen.endswith(b"got two\n"), way=Way.REPLY, cut=Cut.BEFORE)

    assert _ask(client, b"one") == b"got one\n"
    with pytest.raises(ConnectionResetError):
        _ask(client, b"two")

    assert proxy.fired["answer"] == 1


def test_bytes_that_come_in_two_pieces_are_found(proxy: TcpProxy, client: socket.socket) -> None:
    proxy.cut("split", b"needle\n", cut=Cut.BEFORE)
    client.sendall(b"nee")
    with _connect(proxy) as other:
        assert _ask(other, b"other") == b"got other\n"

    with pytest.raises(ConnectionResetError):
        _ask(client, b"dle")

    assert proxy.fired["split"] == 1


def test_nobody_listens_while_it_refuses(proxy: TcpProxy, client: socket.socket) -> None:
    proxy.mode = Mode.REFUSE

    with pytest.raises(ConnectionResetError):
        _ask(client, b"one")
    with pytest.raises(ConnectionRefusedError):
        _connect(proxy)

    assert proxy.fired["reset"] == 1
    proxy.mode = Mode.PASS
    with _connect(proxy) as again:
        assert _ask(again, b"two") == b"got two\n"


def test_existing_and_new_connections_are_reset(proxy: TcpProxy, client: socket.socket) -> None:
    assert _ask(client, b"one") == b"got one\n"
    proxy.mode = Mode.RESET

    with pytest.raises(ConnectionResetError):
        _ask(client, b"two")
    with pytest.raises(ConnectionResetError), _connect(proxy) as new:
        _ask(new, b"three")

    assert proxy.fired["reset"] == 2


def test_bytes_wait_and_come_in_order(proxy: TcpProxy, client: socket.socket) -> None:
    proxy.mode = Mode.HOLD
    client.settimeout(0.2)
    with pytest.raises(TimeoutError):
        _ask(client, b"one")

    proxy.mode = Mode.PASS
    client.settimeout(2)

    assert client.recv(100) == b"got one\n"
    assert _ask(client, b"two") == b"got two\n"
    assert proxy.fired["held"] >= 1


def test_a_black_hole_swallows_and_closes_nothing(server: _Server, proxy: TcpProxy, client: socket.socket) -> None:
    proxy.mode = Mode.BLACK_HOLE
    client.settimeout(0.2)
    with pytest.raises(TimeoutError):
        _ask(client, b"one")
    with _connect(proxy, 0.2) as new, pytest.raises(TimeoutError):
        _ask(new, b"two")

    assert server.received == []
    assert proxy.fired["swallowed"] == 2


def test_half_open_connections_stay_silent_while_new_ones_work(
    server: _Server, proxy: TcpProxy, client: socket.socket
) -> None:
    assert _ask(client, b"one") == b"got one\n"
    proxy.mode = Mode.HALF_OPEN
    client.settimeout(0.2)
    with pytest.raises(TimeoutError):
        _ask(client, b"two")

    with _connect(proxy) as new:
        assert _ask(new, b"three") == b"got three\n"

    assert server.received == [b"one\n", b"three\n"]
    assert proxy.fired["swallowed"] == 1


def test_a_url_keeps_its_user_and_its_path(proxy: TcpProxy) -> None:
    assert proxy.url("redis://:secret@127.0.0.1:6379/0") == f"redis://:secret@127.0.0.1:{proxy.port}/0"
    assert proxy.url("postgresql+psycopg://writeback@127.0.0.1:5/test_1") == (
        f"postgresql+psycopg://writeback@127.0.0.1:{proxy.port}/test_1"
    )
