"""The doctor on the review pages: not set up is no fault; a wrong key or a provider that is not the one named is."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from config.checks import checks
from config.review_checks import review_checks
from config.settings import Settings
from tests.sandbox_fixture import RunningSandbox, sandbox, sandbox_server

__all__ = ["sandbox", "sandbox_server"]

TODAY = date(2026, 11, 26)


def settings(folder: Path, issuer: str, **more: Any) -> Settings:
    key = folder / "session.key"
    key.write_bytes(Fernet.generate_key())
    usual: dict[str, Any] = {
        "review_issuer": issuer,
        "review_client_id": "pages",
        "review_session_key_file": key,
        "review_url": "https://review.example",
    }
    return Settings(**(usual | more))


def found(settings: Settings, today: date = TODAY) -> dict[str, tuple[bool, str]]:
    return {check.name: (check.ok, check.detail) for check in review_checks(settings, today)}


def test_pages_that_are_not_set_up_are_told_and_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    ((name, (ok, detail)),) = found(Settings()).items()
    assert (name, ok) == ("review pages", True)
    assert "Not set up" in detail
    assert "review pages" in [check.name for check in checks()]


def test_a_provider_that_calls_itself_as_the_settings_do_is_well(sandbox: RunningSandbox, tmp_path: Path) -> None:
    assert found(settings(tmp_path, sandbox.origin)) == {
        "review pages": (True, ""),
        "provider of logins": (True, ""),
    }


def test_a_provider_by_another_name_or_none_at_all_is_a_fault(
    sandbox: RunningSandbox, tmp_path: Path, free_port: int
) -> None:
    ok, detail = found(settings(tmp_path, f"{sandbox.origin}/"))["provider of logins"]
    assert (ok, "to the character" in detail) == (False, True)
    ok, detail = found(settings(tmp_path, f"http://127.0.0.1:{free_port}"))["provider of logins"]
    assert (ok, "does not answer" in detail) == (False, True)


def test_a_key_that_is_none_is_named_and_not_shown(sandbox: RunningSandbox, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.key"
    wrong.write_text("hunter2")
    ok, detail = found(settings(tmp_path, sandbox.origin, review_session_key_file=wrong))["review pages"]
    assert (ok, "WRITEBACK_REVIEW_SESSION_KEY_FILE" in detail, "hunter2" in detail) == (False, True, False)


def test_a_file_on_people_whose_review_is_overdue_names_its_owner(sandbox: RunningSandbox, tmp_path: Path) -> None:
    ok, detail = found(settings(tmp_path, sandbox.origin), date(2030, 1, 1))["review pages"]
    assert (ok, "head of clinical operations" in detail) == (True, True)
