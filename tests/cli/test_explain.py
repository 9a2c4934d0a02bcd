"""`writeback explain ID` against the real door: three answers in their order, or the document as served."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner, Result

from canonical import exact_json
from cli.main import make_app
from cli.service_client import Profile
from tests.api.conftest import issuer, reception
from tests.reception import Reception

__all__ = ["issuer", "reception"]


class _Token(httpx.Auth):
    """Puts the reception's token on each request."""

    def __init__(self, header: dict[str, str]) -> None:
        self._header = header

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers.update(self._header)
        yield request


@pytest.fixture
def run(reception: Reception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reception:
    """Let the command speak to the reception's service with its token."""
    address = str(reception.client.base_url).rstrip("/")
    made = Profile(api_url=address, token_url=address, audience="writeback", client_id="visits", key_file=Path("none"))
    made.write(tmp_path / "profile.json")
    monkeypatch.setattr("cli.service_client.ClientCredentials", lambda _profile: _Token(reception.as_()))
    return reception


def explain(tmp_path: Path, *words: str) -> Result:
    options = ["--profile", str(tmp_path / "profile.json")]
    return CliRunner().invoke(make_app(["explain"]), ["explain", *words, *options])


def test_the_three_questions_are_answered_in_their_order(run: Reception, tmp_path: Path) -> None:
    command = run.post().json()["id"]
    done = explain(tmp_path, command)
    assert done.exit_code == 0, done.stderr
    said = done.stdout
    places = [said.index(text) for text in ("It is waiting to be sent", "What was intended", "What happened")]
    places.append(said.index("What is authoritative now"))
    assert places == sorted(places)
    assert "Value: 72.50" in said
    assert "Nothing of it was sent, so nothing of it is in the chart." in said


def test_the_document_is_printed_as_served(run: Reception, tmp_path: Path) -> None:
    command = run.post().json()["id"]
    assert exact_json.parse(explain(tmp_path, command, "--json").stdout)["now"]["says"] == "notSent"


def test_a_command_that_is_not_there_is_a_sentence(run: Reception, tmp_path: Path) -> None:
    done = explain(tmp_path, "00000000-0000-4000-8000-000000000000")
    assert done.exit_code == 1
    assert done.stdout == ""
