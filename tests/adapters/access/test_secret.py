from pathlib import Path

import pytest

from adapters.access.secret import secret_named
from canonical.errors import ConfigurationError


def test_secret_is_read_from_its_file_without_the_line_end(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(" hunter2 \n")
    assert secret_named({"password_file": str(file)}, "password").read() == " hunter2 "


def test_secret_is_read_from_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SITE_PASSWORD", "hunter2")
    assert secret_named({"password_env": "SITE_PASSWORD"}, "password").read() == "hunter2"


def test_an_exchanged_secret_counts_from_the_next_reading_on(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("old")
    secret = secret_named({"password_file": str(file)}, "password")
    file.write_text("new")
    assert secret.read() == "new"


def test_secret_is_no_part_of_what_is_shown(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("hunter2")
    assert "hunter2" not in repr(secret_named({"password_file": str(file)}, "password"))


@pytest.mark.parametrize("auth", [{}, {"password_file": "x", "password_env": "X"}])
def test_a_secret_is_in_one_place(auth: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="either password_file or password_env"):
        secret_named(auth, "password")


def test_a_secret_that_is_not_there_is_named_by_its_setting(tmp_path: Path) -> None:
    empty, binary = tmp_path / "empty", tmp_path / "binary"
    empty.write_text("\n")
    binary.write_bytes(b"\xff\xfe")
    for auth, setting in (
        ({"password_file": str(tmp_path / "none")}, "password_file"),
        ({"password_file": str(empty)}, "password_file"),
        ({"password_file": str(binary)}, "password_file"),
        ({"password_env": "WRITEBACK_TEST_NOT_SET"}, "password_env"),
    ):
        with pytest.raises(ConfigurationError, match=f"auth.{setting}"):
            secret_named(auth, "password")
