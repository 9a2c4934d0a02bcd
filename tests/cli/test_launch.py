"""Starting everything: what does not start is a sentence, what ran is stopped, and stdout stays the command's own."""

from pathlib import Path

import pytest

from cli.launch import running
from cli.stack import Stack
from config.environment import read_settings
from processes.errors import DidNotStart
from processes.free_port import free_port


def test_a_process_that_ends_at_once_is_named_with_its_log_and_nothing_keeps_running(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], database_url: str, redis_url: str
) -> None:
    stack = Stack(environment={"WRITEBACK_CONNECTIONS_FILE": str(tmp_path / "none.toml")}, api_port=free_port())
    settings = read_settings(database_url=database_url, redis_url=redis_url, data_dir=tmp_path)
    with pytest.raises(DidNotStart, match=r"api .*api\.log"), running(stack, settings, tmp_path):
        pytest.fail("it must not have started")
    said = capsys.readouterr()
    assert said.out == ""
    assert "a child ended unasked" in said.err
    assert "WRITEBACK_CONNECTIONS_FILE" in (tmp_path / "logs" / "api.log").read_text()
    assert not (tmp_path / "environment").exists()
