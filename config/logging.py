"""Logs: one JSON line each on stderr, with a machine name (``action=``) and opaque ids; never content, arguments or URLs.

Libraries may log too, but only their own words: a record's arguments and an exception's text are where content hides.
"""

from __future__ import annotations

import logging
import sys
import traceback
import warnings
from types import TracebackType
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

#: Libraries whose routine lines say nothing that our own lines do not.
QUIET = ("httpx", "httpcore", "celery", "kombu", "amqp", "uvicorn", "uvicorn.access", "alembic", "asyncio", "tornado")

ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None]


def configure_logging(level: str = "INFO") -> None:
    """Send every line of this process to stderr as JSON, from ``level`` on; safe to call again."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            *_shared(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    warnings.showwarning = _name_the_warning
    for name in QUIET:
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
        library.setLevel(max(logging.WARNING, root.level))


def _name_the_warning(
    message: Warning | str,  # noqa: ARG001 - left out on purpose
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,  # noqa: ARG001 - Python's signature
    line: str | None = None,  # noqa: ARG001 - likewise
) -> None:
    """Log which warning came from where; its text may quote what it warns of."""
    log = structlog.get_logger(__name__)
    log.warning("a library warns", action="library.warning", warning=category.__name__, at=f"{filename}:{lineno}")


def _shared() -> list[Processor]:
    return [structlog.processors.TimeStamper(fmt="iso", utc=True), _name_the_error]


def _formatter() -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            _only_the_library_s_words,
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            *_shared(),
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(),
        ],
        use_get_message=False,
    )


def _only_the_library_s_words(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Keep a foreign record's template and drop what was filled in: addresses, bodies, arguments, keys."""
    record = event["_record"]
    event["event"] = record.msg if isinstance(record.msg, str) else type(record.msg).__name__
    event["action"] = "library"
    event.pop("positional_args", None)
    return event


def _name_the_error(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace an exception by its type and the lines it passed through: its text may quote what it failed on."""
    given = event.pop("exc_info", None)
    event.pop("exception", None)
    event.pop("stack_info", None)
    info = _exception(given)
    if info is not None:
        kind, _error, trace = info
        event["error"] = f"{kind.__module__}.{kind.__qualname__}"
        event["at"] = [f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(trace)][-5:]
    return event


def _exception(given: Any) -> ExceptionInfo | None:
    if isinstance(given, BaseException):
        return type(given), given, given.__traceback__
    if given is True:
        given = sys.exc_info()
    if isinstance(given, tuple) and given[0] is not None:
        return given
    return None
