import logging
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from adapters.wire import READ_TRIES, Answer, NoAnswer, Wire
from canonical.errors import ConfigurationError
from tests.adapters.raw_server import RawServer, Script, answering, read_request, reset

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
HEADERS = {"X-Test": "1"}


def post(
    url: str, *, seconds: float = 2.0, leave_within: float | None = None, max_body: int = 1000
) -> Answer | NoAnswer:
    wire = Wire(url, max_body=max_body)
    try:
        return wire.request(
            "POST", "Observation", headers=HEADERS, body=b"{}", seconds=seconds, leave_within=leave_within
        )
    finally:
        wire.close()


def closed_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


def reset_after_request(connection: socket.socket) -> None:
    read_request(connection)
    reset(connection)


def reset_inside_body(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{")
    reset(connection)


def test_whole_answer_comes_back_with_lower_case_headers() -> None:
    with RawServer(answering(b'HTTP/1.1 201 Created\r\nETag: W/"1"\r\nContent-Length: 2\r\n\r\n{}')) as server:
        assert post(server.url) == Answer(status=201, headers={"etag": 'W/"1"', "content-length": "2"}, body=b"{}")


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (reset_after_request, "connection lost"),
        (read_request, "answer cut off"),
        (reset_inside_body, "connection lost"),
        (answering(b"HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{"), "answer cut off"),
        (answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"), "answer cut off"),
        (answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000), "answer too long"),
        (answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n" + b"x" * 2000), "answer too long"),
        (answering(b"SSH-2.0-OpenSSH\r\n\r\n"), "answer cut off"),
    ],
    ids=["reset", "closed", "reset in body", "short body", "short chunk", "long body", "long chunks", "not HTTP"],
)
def test_whatever_breaks_after_the_request_left_counts_as_sent(script: Script, reason: str) -> None:
    with RawServer(script) as server:
        assert post(server.url) == NoAnswer(sent=True, reason=reason)


def test_refused_connection_counts_as_not_sent() -> None:
    assert post(closed_port()) == NoAnswer(sent=False, reason="connect failed")


def test_unknown_host_counts_as_not_sent() -> None:
    assert post("http://ehr.invalid") == NoAnswer(sent=False, reason="connect failed")


def test_failed_tls_handshake_counts_as_not_sent() -> None:
    def no_tls(connection: socket.socket) -> None:
        connection.recv(100)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with RawServer(no_tls) as server:
        assert post(server.url.replace("http:", "https:")) == NoAnswer(sent=False, reason="connect failed")


def test_address_that_is_no_http_counts_as_not_sent() -> None:
    assert post("ftp://127.0.0.1/") == NoAnswer(sent=False, reason="not an http or https address")


def test_header_that_cannot_be_sent_is_not_sent() -> None:
    with RawServer(answering(OK)) as server:
        wire = Wire(server.url)
        answer = wire.request("GET", "x", headers={"X-Bad": "a\r\nb: c"}, seconds=2)
        wire.close()
    assert answer == NoAnswer(sent=False, reason="not HTTP")


def hang(connection: socket.socket) -> None:
    read_request(connection)
    while connection.recv(1):
        continue


def drip(connection: socket.socket) -> None:
    """Send a byte often enough that no time-out between two bytes ever fires."""
    read_request(connection)
    for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"y" * 10_000:
        connection.sendall(bytes([byte]))
        time.sleep(0.02)


@pytest.mark.parametrize("script", [hang, drip])
def test_request_ends_by_its_deadline_however_the_server_dawdles(script: Script) -> None:
    with RawServer(script) as server:
        begun = time.monotonic()
        answer = post(server.url, seconds=0.3)
        assert time.monotonic() - begun < 5.0
    assert answer == NoAnswer(sent=True, reason="timed out while waiting")


def test_dripping_body_ends_by_the_deadline_too() -> None:
    def script(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        for _ in range(500):
            connection.sendall(b"x")
            time.sleep(0.02)

    with RawServer(script) as server:
        begun = time.monotonic()
        assert post(server.url, seconds=0.3, max_body=200_000).__class__ is NoAnswer
        assert time.monotonic() - begun < 5.0


def test_nothing_leaves_once_it_is_too_late_to_begin() -> None:
    seen = []

    def script(connection: socket.socket) -> None:
        seen.append(connection.recv(100))

    with RawServer(script) as server:
        assert post(server.url, leave_within=-0.001) == NoAnswer(sent=False, reason="not begun in time")
    assert seen in ([], [b""])


def test_redirect_is_an_answer_and_is_not_followed() -> None:
    with RawServer(answering(OK)) as elsewhere:
        moved = f"HTTP/1.1 307 Moved\r\nLocation: {elsewhere.url}\r\nContent-Length: 0\r\n\r\n".encode()
        with RawServer(answering(moved)) as server:
            answer = post(server.url)
            assert isinstance(answer, Answer)
            assert answer.status == 307
            assert server.connections == 1
        assert elsewhere.connections == 0


def test_write_is_sent_once_though_its_answer_is_lost() -> None:
    with RawServer(reset_after_request) as server:
        post(server.url)
        assert server.connections == 1


def test_read_is_repeated_until_it_is_answered() -> None:
    with RawServer(reset_after_request, reset_after_request, answering(OK)) as server:
        wire = Wire(server.url)
        answer = wire.read("Patient/p1", headers=HEADERS, seconds=5)
        wire.close()
        assert isinstance(answer, Answer)
        assert server.connections == 3


def test_read_is_given_up_after_a_few_tries() -> None:
    with RawServer(reset_after_request) as server:
        wire = Wire(server.url)
        assert wire.read("Patient/p1", headers=HEADERS, seconds=5) == NoAnswer(sent=True, reason="connection lost")
        wire.close()
        assert server.connections == READ_TRIES


def test_full_pool_counts_as_not_sent() -> None:
    with RawServer(hang) as server:
        wire = Wire(server.url, max_connections=1)
        first = threading.Thread(target=lambda: wire.request("GET", "x", headers={}, seconds=1.0))
        first.start()
        while server.connections == 0:
            first.join(0.01)
        assert wire.request("GET", "x", headers={}, seconds=0.3) == NoAnswer(sent=False, reason="no free connection")
        first.join()
        wire.close()


def test_answer_to_an_unread_body_is_still_read() -> None:
    """A server may refuse a large body before it was all sent; the refusal says more than the broken pipe."""

    def script(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1_000_000):
            continue

    with RawServer(script) as server:
        wire = Wire(server.url)
        answer = wire.request("POST", "x", headers={}, body=b"x" * 3_000_000, seconds=5)
        wire.close()
    assert isinstance(answer, Answer)
    assert answer.status == 413


def test_connection_is_kept_for_the_next_request_but_not_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    def script(connection: socket.socket) -> None:
        while read_request(connection):
            connection.sendall(OK)

    monkeypatch.setattr("adapters.wire.KEEPALIVE_EXPIRY", 0.2)
    with RawServer(script) as server:
        wire = Wire(server.url)
        for _ in range(3):
            wire.request("GET", "x", headers={}, seconds=2)
        assert server.connections == 1
        threading.Event().wait(0.25)
        wire.request("GET", "x", headers={}, seconds=2)
        wire.close()
        assert server.connections == 2


@pytest.fixture
def log_records(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.DEBUG):
        yield caplog


def test_neither_addresses_nor_headers_nor_bodies_are_logged(log_records: pytest.LogCaptureFixture) -> None:
    with RawServer(answering(OK)) as server:
        wire = Wire(server.url)
        wire.request("GET", "Patient/secret-id", headers={"Authorization": "Bearer secret"}, seconds=2)
        wire.close()
    assert log_records.text == ""


def test_missing_file_of_authorities_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"/nowhere/ca\.pem"):
        Wire("https://ehr.example", ca_file="/nowhere/ca.pem")
