"""`writeback incident` by its user: a real double write is found, told as a page and as JSON, and written out as a scenario."""

from __future__ import annotations

import json
import re
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from canonical.incident.scenario import from_toml
from cli.main import make_app
from tests.api.review.conftest import chrome
from tests.api.review.test_in_browser import violations
from tests.api.review.window import DESK, TELEPHONE, watched
from tests.sandbox_fixture import RunningSandbox, sandbox, sandbox_server
from tests.scenarios.player import play
from tests.tasks.ward import Ward

__all__ = ["chrome", "sandbox", "sandbox_server"]
CASE = Path(__file__).parents[1] / "scenarios" / "written_twice_after_a_stale_look.toml"
Run = Callable[..., Result]


@pytest.fixture
def run(sandbox: RunningSandbox, ward: Ward, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Let the command find the ward's database and the sandbox; the window is this hour unless it is said otherwise."""
    file = tmp_path / "connections.toml"
    file.write_text(
        f'[[connection]]\ntenant = "t1"\nname = "north"\nadapter = "fhir_r4"\nbase_url = "{sandbox.url}"\n',
        encoding="utf-8",
    )
    monkeypatch.setenv("WRITEBACK_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("WRITEBACK_DATABASE_URL", ward.url)
    monkeypatch.setenv("WRITEBACK_CONNECTIONS_FILE", str(file))
    # Of a process of its own it is the logging; here it would be that of all tests.
    monkeypatch.setattr("config.logging.configure_logging", lambda _level: None)

    def typed(*words: str, begin: int = -1, end: int = 1) -> Result:
        now = datetime.now(UTC)
        times = [f"{now + timedelta(hours=hours):%Y-%m-%dT%H:%M:%S}" for hours in (begin, end)]
        with capture_logs():
            return CliRunner().invoke(
                make_app(["incident"]), ["incident", "--from", times[0], "--to", times[1], *words]
            )

    return typed


def doubled(sandbox: RunningSandbox, ward: Ward) -> str:
    """Have one command written twice; return its id."""
    return str(play(from_toml(CASE.read_text(encoding="utf-8")), sandbox, ward).judged.record.id)


def document(done: Result) -> dict[str, Any]:
    assert done.exit_code == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_double_write_is_told_with_its_resend_and_the_silence_about_it(
    run: Run, sandbox: RunningSandbox, ward: Ward
) -> None:
    command = doubled(sandbox, ward)
    said = document(run("--format", "json"))
    first = said["first"]
    assert (first["kind"], first["command"], first["afterEvent"]) == ("written_without_record", command, 4)
    assert (first["madeWorseBy"]["kind"], first["madeWorseBy"]["event"]) == ("resend", 6)
    assert first["signal"]["fired"] is None
    assert (said["notLookedAt"], said["showsNoHistory"]) == ([], [])
    (told,) = said["commands"]
    assert {line["side"] for line in told["lines"]} == {"log", "chart"}
    assert ward.state(told["id"]) == "verified"


def test_a_process_of_its_own_prints_the_report_and_nothing_beside_it(
    run: Run, sandbox: RunningSandbox, ward: Ward
) -> None:
    assert run is not None
    command = doubled(sandbox, ward)
    now = datetime.now(UTC)
    times = [f"{now + timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}" for hours in (-1, 1)]
    words = [sys.executable, "-m", "cli.main", "incident", "--from", times[0], "--to", times[1], "--format", "json"]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(done.stdout)["first"]["command"] == command
    assert '"action": "incident.reported"' in done.stderr


def test_what_is_read_first_is_said_beside_the_report(run: Run, sandbox: RunningSandbox, ward: Ward) -> None:
    command = doubled(sandbox, ward)
    said = " ".join(run("--format", "json").stderr.split())
    assert f"First divergence, command {command}" in said
    assert "Made worse: It was sent again (request 2)" in said
    assert "No signal told of it." in said


@pytest.mark.parametrize("form", ["html", "json"])
def test_neither_patient_nor_content_nor_where_an_entry_is_leaves_with_it(
    run: Run, sandbox: RunningSandbox, ward: Ward, form: str, tmp_path: Path
) -> None:
    doubled(sandbox, ward)
    references = [f"{it['resourceType']}/{it['id']}" for it in sandbox.resources()]
    assert run("--format", form, "--out", str(tmp_path / "report")).exit_code == 0
    report = (tmp_path / "report").read_text(encoding="utf-8")
    assert stat.S_IMODE((tmp_path / "report").stat().st_mode) == 0o600
    assert len(references) >= 3
    for secret in (*references, *(name.partition("/")[2] for name in references if len(name) > 30)):
        assert secret not in report
    assert re.search(r"Lopez|1961-04-02|Patient/|72\.5|29463-7|valueQuantity", report) is None


def test_the_page_asks_nothing_of_anybody(run: Run, sandbox: RunningSandbox, ward: Ward) -> None:
    doubled(sandbox, ward)
    page = run().stdout
    assert re.findall(r"<(?:script|iframe|img|link [^>]*stylesheet)|https?://", page) == []
    assert page.count("<table") == page.count("<caption")
    assert re.findall(r"<th(?! scope)[ >]", page) == []


def test_the_first_divergence_is_written_out_and_comes_about_again(
    run: Run, sandbox: RunningSandbox, ward: Ward, tmp_path: Path
) -> None:
    doubled(sandbox, ward)
    case = tmp_path / "case.toml"
    assert run("--out", str(tmp_path / "report.html"), "--scenario", str(case)).exit_code == 0
    written = from_toml(case.read_text(encoding="utf-8"))
    again = play(written, sandbox, ward).judged.divergences[0]
    assert (again.kind, again.worse and again.worse.kind) == (written.first, written.worse)
    assert written.worse == "resend"


def test_where_all_agrees_there_is_a_report_and_no_scenario(run: Run, tmp_path: Path) -> None:
    done = run("--out", str(tmp_path / "report.html"), "--scenario", str(tmp_path / "case.toml"))
    assert done.exit_code == 1
    assert "None was found" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "No divergence was found" in done.stderr
    assert not (tmp_path / "case.toml").exists()


@pytest.mark.parametrize(
    ("words", "begin", "end", "said"),
    [
        ((), 1, -1, "The window must end after it begins"),
        ((), 2, 3, "begins in the future"),
        ((), -24 * 9, 0, "longer than 7 days"),
        (("--connection", "south"), -1, 1, "There is no connection south"),
    ],
)
def test_what_makes_no_report_is_a_sentence(run: Run, words: tuple[str, ...], begin: int, end: int, said: str) -> None:
    done = run(*words, begin=begin, end=end)
    assert (done.exit_code, done.stdout) == (1, "")
    assert isinstance(done.exception, SystemExit)
    assert said in " ".join(done.stderr.split())


def test_a_file_that_cannot_be_written_is_a_sentence(run: Run, tmp_path: Path) -> None:
    done = run("--out", str(tmp_path / "none" / "report.html"))
    assert done.exit_code == 1
    assert "cannot be written" in done.stderr


def test_without_a_database_it_says_what_to_set(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WRITEBACK_DATABASE_URL", "")
    done = run()
    assert done.exit_code == 1
    assert "WRITEBACK_DATABASE_URL" in done.stderr


@pytest.mark.browser
@pytest.mark.parametrize("viewport", [DESK, TELEPHONE], ids=["1366", "360"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_can_be_read_by_everybody(
    run: Run, sandbox: RunningSandbox, ward: Ward, tmp_path: Path, chrome: Browser, viewport: Any, scheme: Any
) -> None:
    doubled(sandbox, ward)
    ward.query("UPDATE switches SET is_on = false, changed_by = 'operator:ann', changed_at = now() WHERE kind = 'app'")
    file = tmp_path / "report.html"
    assert run("--out", str(file)).exit_code == 0
    with chrome.new_context(viewport=viewport, color_scheme=scheme) as context:
        page = watched(context)
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(file.as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(it => { it.open = true; })")
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"]
        page.emulate_media(media="print")
        assert page.get_by_role("heading", name="The first divergence").is_visible()
        assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
