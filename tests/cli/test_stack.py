"""Which processes make up the product, in which order, and what they are told."""

from pathlib import Path

from cli.stack import Stack, answers
from processes.embedded import ServerUrls
from tests.sandbox_fixture import RunningSandbox, sandbox, sandbox_server

__all__ = ["sandbox", "sandbox_server"]

URLS = ServerUrls(database_url="postgresql:///x", redis_url="redis:///0")


def stack(**changes: object) -> Stack:
    return Stack(environment={"WRITEBACK_ISSUER": "http://127.0.0.1:9"}, api_port=8000, urls=URLS, **changes)  # type: ignore[arg-type]


def test_the_door_is_opened_last_and_the_ehr_is_there_first() -> None:
    names = [child.name for child in stack(sandbox=(["--port", "1"], "http://127.0.0.1:1"), flower_port=5).children()]
    assert names == ["sandbox", "worker-1", "worker-2", "notifier", "receiver", "poller", "scheduler", "flower", "api"]


def test_what_was_not_asked_for_is_not_started() -> None:
    names = [child.name for child in stack(dispatchers=1).children()]
    assert names == ["worker-1", "notifier", "receiver", "poller", "scheduler", "api"]


def test_every_process_is_told_the_servers_and_the_settings_and_finds_our_code() -> None:
    for child in stack().children():
        assert child.env["WRITEBACK_DATABASE_URL"] == URLS.database_url
        assert child.env["WRITEBACK_REDIS_URL"] == URLS.redis_url
        assert child.env["WRITEBACK_ISSUER"] == "http://127.0.0.1:9"
        assert Path(child.env["PYTHONPATH"], "cli", "main.py").exists()


def test_only_an_answer_of_success_counts_as_ready(sandbox: RunningSandbox) -> None:
    assert answers(f"{sandbox.url}/metadata")() is True
    assert answers(f"{sandbox.origin}/nothing-here")() is False
    assert answers("http://127.0.0.1:1/")() is False
