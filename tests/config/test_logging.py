import io
import json
import logging
import sys
import warnings
from typing import Any

import pytest
import structlog

from config.logging import configure_logging


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch, logging_as_before: None) -> "Lines":
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    configure_logging("INFO")
    return Lines(stream)


class Lines:
    def __init__(self, stream: io.StringIO) -> None:
        self._stream = stream

    def all(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._stream.getvalue().splitlines()]

    def text(self) -> str:
        return self._stream.getvalue()


def fail(text: str) -> None:
    raise ValueError(text)


def secret() -> str:
    """Return content made at run time: as a literal it would stand in the source lines of a traceback."""
    return bytes.fromhex("4c6f70657a2d37322e35").decode()


def test_a_line_is_json_with_its_action_and_ids(lines: Lines) -> None:
    structlog.get_logger().info("accepted", action="command.accepted", command="c1")
    (line,) = lines.all()
    assert line["action"] == "command.accepted"
    assert line["command"] == "c1"
    assert line["level"] == "info"
    assert line["timestamp"].endswith("Z")


def test_context_of_a_task_is_on_its_lines(lines: Lines) -> None:
    structlog.contextvars.bind_contextvars(lane=7)
    structlog.get_logger().info("turn", action="lane.turn")
    assert lines.all()[0]["lane"] == 7


def test_a_library_logs_its_own_words_without_what_it_fills_in(lines: Lines) -> None:
    logging.getLogger("some.library").warning("POST %s failed: %r", f"https://ehr/{secret()}", {"body": secret()})
    assert lines.all()[0]["event"] == "POST %s failed: %r"
    assert lines.all()[0]["action"] == "library"
    assert secret() not in lines.text()


def test_a_library_object_and_its_extras_are_left_out(lines: Lines) -> None:
    logging.getLogger("some.library").error({"body": secret()}, extra={"data": {"args": secret()}})
    assert lines.all()[0]["event"] == "dict"
    assert secret() not in lines.text()


def test_an_exception_is_named_by_type_and_lines_and_never_quoted(lines: Lines) -> None:
    try:
        fail(secret())
    except ValueError as error:
        logging.getLogger("some.library").exception("it failed on %s", secret())
        structlog.get_logger().error("failed", action="x.failed", exc_info=error)
        structlog.get_logger().exception("failed", action="x.failed", stack_info=True)
    assert [line["error"] for line in lines.all()] == ["builtins.ValueError"] * 3
    assert all(line["at"] for line in lines.all())
    assert secret() not in lines.text()


def test_a_warning_is_named_by_kind_and_place(lines: Lines) -> None:
    warnings.showwarning(secret(), UserWarning, "library.py", 12)
    assert lines.all()[0]["warning"] == "UserWarning"
    assert lines.all()[0]["at"] == "library.py:12"
    assert secret() not in lines.text()


@pytest.mark.parametrize("name", ["httpx", "httpcore", "celery", "celery.app.trace", "kombu", "uvicorn.access"])
def test_routine_lines_of_libraries_that_print_urls_and_arguments_are_silenced(lines: Lines, name: str) -> None:
    logging.getLogger(name).info("HTTP Request: %s", secret())
    assert lines.text() == ""
