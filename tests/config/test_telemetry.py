import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sentry_sdk
import structlog
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from config.logging import configure_logging
from config.settings import Settings
from config.telemetry import configure_telemetry

SENT: list[bytes] = []


class Kept(Transport):
    """Keeps what would have left."""

    def capture_envelope(self, envelope: Envelope) -> None:
        SENT.append(envelope.serialize())


@pytest.fixture
def sentry(logging_as_before: None) -> Iterator[list[bytes]]:
    SENT.clear()
    assert configure_telemetry(Settings(sentry_dsn="https://key@sentry.example/1"), transport=Kept)
    yield SENT
    sentry_sdk.get_client().close()
    sentry_sdk.init(default_integrations=False)


def fail(text: str) -> None:
    raise ValueError(text)


def secret() -> str:
    """Return content made at run time: as a literal it would stand in source lines."""
    return bytes.fromhex("4c6f70657a2d37322e35").decode()


def in_an_exception(token: str) -> None:
    held = {"patient": token}
    try:
        fail(f"cannot write {held}")
    except ValueError as error:
        sentry_sdk.capture_exception(error)


def in_a_cause(token: str) -> None:
    try:
        try:
            fail(token)
        except ValueError as error:
            raise KeyError(token) from error
    except KeyError as error:
        sentry_sdk.capture_exception(error)


def in_a_library_line(token: str) -> None:
    logging.getLogger("some.library").error("POST %s", token, extra={"data": {"args": token}})


def in_our_own_line(token: str) -> None:
    configure_logging("INFO")
    try:
        fail(token)
    except ValueError as error:
        structlog.get_logger().error(token, action="x.failed", command=token, exc_info=error)


def in_breadcrumbs_tags_and_user(token: str) -> None:
    scope = sentry_sdk.get_isolation_scope()
    sentry_sdk.add_breadcrumb(message=token, data={"url": token})
    scope.set_tag("patient", token)
    scope.set_user({"id": token})
    scope.set_context("command", {"body": token})
    scope.set_extra("body", token)
    sentry_sdk.capture_message(token, level="error")


def in_a_transaction(token: str) -> None:
    with sentry_sdk.start_transaction(op="task", name=token) as span:
        span.set_data("http.query", token)
    in_an_exception(token)


@pytest.mark.parametrize(
    "failing",
    [
        in_an_exception,
        in_a_cause,
        in_a_library_line,
        in_our_own_line,
        in_breadcrumbs_tags_and_user,
        in_a_transaction,
    ],
)
def test_an_error_is_reported_and_no_content_leaves(sentry: list[bytes], failing: Callable[[str], Any]) -> None:
    token = secret()
    failing(token)
    assert sentry, "the error was not reported: this test would prove nothing"
    assert all(token.encode() not in envelope for envelope in sentry)


def test_a_report_says_what_failed_and_where(sentry: list[bytes]) -> None:
    in_an_exception(secret())
    (envelope,) = sentry
    assert b'"type":"ValueError"' in envelope
    assert b"in_an_exception" in envelope


def test_a_line_of_ours_is_reported_by_its_action(sentry: list[bytes]) -> None:
    in_our_own_line(secret())
    assert b'"message":"x.failed"' in sentry[0]


def test_nothing_is_reported_without_a_dsn() -> None:
    SENT.clear()
    assert not configure_telemetry(Settings(), transport=Kept)
