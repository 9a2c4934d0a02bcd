"""The list of commands; failures are sentences on stderr with status 1, never tracebacks."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import cli.main
from canonical.errors import ConfigurationError
from cli.main import COMMANDS, main, make_app


def run(*words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    clean = {name: value for name, value in os.environ.items() if not name.startswith("WRITEBACK_")}
    # A product that runs in this checkout is none of the test's business.
    clean["WRITEBACK_DATA_DIR"] = "/nowhere"
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**clean, **environment},
        cwd=Path(__file__).parents[2],
    )


def test_help_lists_every_command() -> None:
    said = CliRunner().invoke(make_app(), ["--help"]).output
    assert [name for name in COMMANDS if f" {name} " not in said] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    answer = CliRunner().invoke(make_app([name]), [name, "--help"])
    assert answer.exit_code == 0
    assert "Usage" in answer.output


def test_a_refused_setting_is_a_sentence_that_names_it_and_not_its_value() -> None:
    done = run("migrate", WRITEBACK_DATABASE_URL="mysql://root:secret@db/x")
    assert done.returncode == 1
    assert "WRITEBACK_DATABASE_URL" in done.stderr
    assert "secret" not in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_database_that_does_not_answer_is_a_sentence() -> None:
    done = run("balance", WRITEBACK_DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "database" in done.stderr


@pytest.mark.parametrize("command", ["balance", "switch", "migrate"])
def test_an_operators_command_without_a_database_says_what_to_set(command: str) -> None:
    words = {"switch": ["switch", "off", "service", "*", "--reason", "test"]}.get(command, [command])
    done = run(*words)
    assert done.returncode == 1
    assert "WRITEBACK_DATABASE_URL" in done.stderr


@pytest.mark.parametrize("command", ["flower", "scheduler"])
def test_what_lives_on_redis_says_what_to_set_when_there_is_none(command: str, tmp_path: Path) -> None:
    done = run(command, WRITEBACK_DATA_DIR=str(tmp_path / "data"))
    assert (done.returncode, done.stderr.strip()) == (1, "WRITEBACK_REDIS_URL is empty: nothing was started.")


def test_a_sandbox_that_cannot_have_its_port_says_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("sandbox", "--data-dir", str(tmp_path / "sandbox"), "--port", str(port))
    assert done.returncode == 1
    assert f"127.0.0.1, port {port}" in done.stderr
    assert "Traceback" not in done.stderr


def test_up_without_any_ehr_says_what_to_set_and_starts_nothing(tmp_path: Path) -> None:
    done = run("up", "--data-dir", str(tmp_path / "data"), WRITEBACK_CONNECTIONS_FILE=str(tmp_path / "none.toml"))
    assert done.returncode == 1
    assert "WRITEBACK_CONNECTIONS_FILE" in done.stderr
    assert "--sandbox" in done.stderr
    assert not (tmp_path / "data").exists()


def test_up_without_an_issuer_says_what_to_set(tmp_path: Path) -> None:
    file = tmp_path / "connections.toml"
    file.write_text(
        '[[connection]]\ntenant = "t"\nname = "n"\nadapter = "fhir_r4"\nbase_url = "http://127.0.0.1:9/fhir"\n'
    )
    done = run("up", "--data-dir", str(tmp_path / "data"), WRITEBACK_CONNECTIONS_FILE=str(file))
    assert done.returncode == 1
    assert "WRITEBACK_ISSUER" in done.stderr


def test_an_unknown_role_of_a_worker_is_a_usage_error() -> None:
    done = run("worker", "--role", "king")
    assert done.returncode == 2
    assert "--role" in done.stderr


def test_something_unforeseen_is_named_by_kind_and_place_and_not_by_content(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(_names: object) -> None:
        raise KeyError("Lopez, 72.50 kg")

    monkeypatch.setattr(cli.main, "make_app", fails)
    with pytest.raises(SystemExit) as ended:
        main(["balance"])
    said = capsys.readouterr().err
    assert ended.value.code == 1
    assert "KeyError" in said
    assert "test_main.py:" in said
    assert "Lopez" not in said


def test_a_foreseen_failure_is_only_its_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails() -> None:
        raise ConfigurationError("Set this and that.")

    monkeypatch.setattr("config.environment.read_settings", fails)
    monkeypatch.setattr("cli.roles.read_settings", fails)
    with pytest.raises(SystemExit) as ended:
        main(["poller"])
    assert ended.value.code == 1
    assert capsys.readouterr().err.strip() == "Set this and that."
