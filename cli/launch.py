"""Starting all of the product in one place and stopping it again: servers, tables, processes; shared by `up` and `demo`."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

import structlog

from cli.here import announce, withdraw
from cli.stack import Stack
from config.migration import migrate
from config.settings import Settings
from processes.embedded import EmbeddedServers, ServerUrls
from processes.supervisor import Supervisor


@dataclass(frozen=True, kw_only=True)
class Running:
    """The product while it runs."""

    stack: Stack
    supervisor: Supervisor
    servers: EmbeddedServers

    def wait(self) -> None:
        """Keep it running until Ctrl-C or SIGTERM; a server of ours that ends is started again."""
        self.supervisor.wait(meanwhile=self.servers.revive)


@contextmanager
def running(stack: Stack, settings: Settings, data_dir: Path) -> Iterator[Running]:
    """Start everything under `data_dir` and stop it at the end; servers that the settings name are left alone.

    Raises:
        ProcessTrouble: something did not start; what ran was stopped again.
        WritebackError: the database cannot be brought up to date.
    """
    with _told_to_stop(), _log_on_stderr():
        yield from _running(stack, settings, data_dir)


def _running(stack: Stack, settings: Settings, data_dir: Path) -> Iterator[Running]:
    servers = EmbeddedServers(
        data_dir, database_url=settings.database_url or None, redis_url=settings.redis_url or None
    )
    with servers as urls:
        migrate(_on(settings, urls))
        here = replace(stack, urls=urls)
        announce(data_dir, here.told)
        try:
            with Supervisor(here.children(), data_dir / "logs") as supervisor:
                yield Running(stack=here, supervisor=supervisor, servers=servers)
        finally:
            withdraw(data_dir)


@contextmanager
def _told_to_stop() -> Iterator[None]:
    """Let SIGTERM end what runs within as Ctrl-C does: cleanly, also while it is starting."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _log_on_stderr() -> Iterator[None]:
    """Keep what the supervisor logs off stdout, which belongs to the command's result."""
    before = structlog.get_config()
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))
    try:
        yield
    finally:
        structlog.configure(**before)


def _end(number: int, _frame: FrameType | None) -> None:
    # By convention the status of a process that a signal ended.
    sys.exit(128 + number)


def _on(settings: Settings, urls: ServerUrls) -> Settings:
    return settings.model_copy(update={"database_url": urls.database_url, "redis_url": urls.redis_url})
