import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any
from uuid import UUID

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from canonical.callbacks import Callback, Delivery
from canonical.status import Status
from tasks.callback_address import AddressRules
from tasks.callback_sender import CallbackSender
from tests.tasks.receivers import Receiver, open_receiver

SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
HERE = AddressRules(allow_loopback=True)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with open_receiver() as receiver:
        yield receiver


def callback_to(url: str, **over: Any) -> Callback:
    usual = Callback(
        id=1,
        endpoint_id=UUID(int=1),
        url=url,
        secret=SECRET,
        command_id=UUID(int=2),
        sequence=5,
        status=Status.IN_CHART,
        state="verified",
        reason="proven",
        correlation_id="corr-1",
        created_at=datetime(2026, 3, 10, 14, 30, tzinfo=UTC),
        attempts=1,
    )
    return replace(usual, **over)


def send(callback: Callback, *, rules: AddressRules = HERE, seconds: float = 2.0) -> Delivery:
    sender = CallbackSender(timeout=timedelta(seconds=seconds), rules=rules)
    return sender.send(callback, now=datetime.now(UTC))


def test_a_callback_arrives_signed_as_standard_webhooks_say(receiver: Receiver) -> None:
    callback = callback_to(receiver.url)
    assert send(callback) == Delivery(status=204)
    (told,) = receiver.told
    assert told.path == "/hooks"
    assert told.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert told.headers["content-type"] == "application/json"
    verified = Webhook(SECRET).verify(told.body, told.headers)
    assert verified == json.loads(callback.body())
    assert told.headers["webhook-id"] == callback.message_id


def test_a_receiver_with_another_secret_is_not_deceived(receiver: Receiver) -> None:
    send(callback_to(receiver.url))
    (told,) = receiver.told
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_AAAAsBQIhrscChlQIMV+b5sSYspob7oD").verify(told.body, told.headers)


def test_a_changed_body_is_noticed(receiver: Receiver) -> None:
    send(callback_to(receiver.url))
    (told,) = receiver.told
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(told.body.replace(b"inChart", b"notWritten"), told.headers)


def test_a_repeat_is_signed_anew_under_the_same_message_id(receiver: Receiver) -> None:
    sender = CallbackSender(timeout=timedelta(seconds=2), rules=HERE)
    now = datetime.now(UTC)
    sender.send(callback_to(receiver.url), now=now)
    sender.send(callback_to(receiver.url, attempts=2), now=now + timedelta(minutes=1))
    first, second = receiver.told
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.headers["webhook-timestamp"] != second.headers["webhook-timestamp"]
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_an_answer_and_is_not_followed(status: int) -> None:
    with open_receiver() as elsewhere, open_receiver(status=status, location=elsewhere.url) as receiver:
        assert send(callback_to(receiver.url)) == Delivery(status=status)
        assert elsewhere.told == []


@pytest.mark.parametrize("status", [400, 410, 500, 503])
def test_a_refusal_is_reported_as_it_came(status: int) -> None:
    with open_receiver(status=status) as receiver:
        assert send(callback_to(receiver.url)) == Delivery(status=status)


def test_an_address_inside_is_refused_before_anything_is_sent(receiver: Receiver) -> None:
    url = receiver.url.replace("http://", "https://")
    assert send(callback_to(url), rules=AddressRules()) == Delivery(reason="address not allowed")
    assert receiver.told == []


def test_a_name_that_leads_inside_is_refused_where_the_connection_is_made(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name was fine when it was registered; by now it points at us."""
    resolve = socket.getaddrinfo

    def rebound(host: str, *arguments: Any, **options: Any) -> Any:
        return resolve("127.0.0.1" if host == "app.example" else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", rebound)
    url = f"https://app.example:{receiver.port}/hooks"
    assert send(callback_to(url), rules=AddressRules()) == Delivery(reason="address not allowed")
    assert receiver.told == []


def test_a_name_that_leads_inside_beside_outside_is_refused_as_well(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def both(_host: str, port: int, **_options: Any) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in ("93.184.216.34", "127.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    url = f"https://app.example:{receiver.port}/hooks"
    assert send(callback_to(url), rules=AddressRules()) == Delivery(reason="address not allowed")


def test_plain_http_is_refused_unless_this_machine_is_allowed(receiver: Receiver) -> None:
    rules = AddressRules(allow_private=True)
    assert send(callback_to(receiver.url), rules=rules) == Delivery(reason="only https:// is allowed")
    assert receiver.told == []


def test_plain_http_does_not_leave_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    def outside(_host: str, port: int, **_options: Any) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", port))]

    monkeypatch.setattr(socket, "getaddrinfo", outside)
    assert send(callback_to("http://app.example/hooks")) == Delivery(reason="address not allowed")


def test_a_receiver_that_is_not_there_is_no_delivery(free_port: int) -> None:
    assert send(callback_to(f"http://127.0.0.1:{free_port}/hooks")) == Delivery(reason="connect failed")


def test_a_name_that_leads_nowhere_is_no_delivery(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_arguments: Any, **_options: Any) -> Any:
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert send(callback_to("https://nowhere.invalid/hooks")) == Delivery(reason="connect failed")


def test_a_receiver_that_says_nothing_is_left_after_the_time_out() -> None:
    ended = threading.Event()

    def silent(_handler: BaseHTTPRequestHandler) -> None:
        ended.wait(10)

    with open_receiver(answer=silent) as receiver:
        begun = time.monotonic()
        assert send(callback_to(receiver.url), seconds=0.2) == Delivery(reason="timed out")
        assert time.monotonic() - begun < 5.0
        ended.set()


def test_a_receiver_that_drips_bytes_cannot_hold_us_longer_than_the_time_out() -> None:
    """Each read would end in time; all of them together would not."""
    ended = threading.Event()

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while not ended.wait(0.05):
            try:
                handler.wfile.write(b"x: y\r\n")
            except OSError:
                return

    with open_receiver(answer=drip) as receiver:
        begun = time.monotonic()
        assert send(callback_to(receiver.url), seconds=0.3) == Delivery(reason="timed out")
        assert time.monotonic() - begun < 5.0
        ended.set()


def test_a_receiver_that_hangs_up_is_no_delivery() -> None:
    def hang_up(handler: BaseHTTPRequestHandler) -> None:
        handler.connection.shutdown(socket.SHUT_RDWR)

    with open_receiver(answer=hang_up) as receiver:
        assert send(callback_to(receiver.url)).status is None


def test_a_receiver_that_does_not_speak_http_is_no_delivery() -> None:
    def babble(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"\x15\x03\x01\x00\x02\x02\x16")

    with open_receiver(answer=babble) as receiver:
        assert send(callback_to(receiver.url)) == Delivery(reason="not HTTP")


def test_a_receiver_that_nobody_vouches_for_is_not_told(receiver: Receiver) -> None:
    """It speaks plain HTTP where TLS was promised: there is no certificate to trust."""
    url = receiver.url.replace("http://", "https://")
    assert send(callback_to(url)).status is None
    assert receiver.told == []


@pytest.mark.parametrize("url", ["ftp://app.example/", "https://", "nonsense"])
def test_an_address_that_cannot_be_used_is_no_delivery_and_no_crash(url: str) -> None:
    assert send(callback_to(url)).status is None


def test_a_secret_that_cannot_be_used_is_no_delivery_and_no_crash(receiver: Receiver) -> None:
    found = send(callback_to(receiver.url, secret="whsec_A"))
    assert found.status is None
    assert receiver.told == []
