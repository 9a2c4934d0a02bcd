"""What the doctor looks at: each thing has its line, a broken one says what to do, and the others are looked at all the same."""

from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from canonical.ports import Check
from config.checks import checks
from tests.notification_factories import SECRET

CONNECTION = '[[connection]]\ntenant = "t"\nname = "n"\nadapter = "{adapter}"\nbase_url = "http://127.0.0.1:1/fhir"\n'


@pytest.fixture
def environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, database_url: str, redis_url: str
) -> pytest.MonkeyPatch:
    file = tmp_path / "connections.toml"
    file.write_text(CONNECTION.format(adapter="fhir_r4"))
    monkeypatch.setenv("WRITEBACK_CONNECTIONS_FILE", str(file))
    monkeypatch.setenv("WRITEBACK_DATABASE_URL", database_url)
    monkeypatch.setenv("WRITEBACK_REDIS_URL", redis_url)
    monkeypatch.setenv("WRITEBACK_ISSUER", "http://127.0.0.1:1")
    monkeypatch.setenv("WRITEBACK_JWKS_URL", "http://127.0.0.1:1/jwks")
    return monkeypatch


def failed() -> list[Check]:
    return [check for check in checks() if not check.ok]


def test_only_the_ehr_that_does_not_answer_is_wrong(environment: pytest.MonkeyPatch) -> None:
    wrong = failed()
    assert wrong
    assert all(check.name.startswith("t/n") and check.detail for check in wrong)


def test_a_wrong_setting_ends_it_with_the_name_of_the_setting(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("WRITEBACK_POOL_SIZE", "0")
    (wrong,) = list(checks())
    assert "WRITEBACK_POOL_SIZE" in wrong.detail


def test_a_database_that_is_behind_is_told_how_to_catch_up(
    environment: pytest.MonkeyPatch, empty_database_url: str
) -> None:
    environment.setenv("WRITEBACK_DATABASE_URL", empty_database_url)
    assert "Run 'writeback migrate'." in [check.detail for check in failed()]


@pytest.mark.parametrize(
    ("kind", "secret", "ok"),
    [
        ("signed", SECRET, True),
        ("signed", "whsec_no-base64!", False),
        ("signed", "", False),
        ("hub", "any words", True),
        ("header", "", False),
    ],
)
def test_a_secret_of_notifications_that_proves_nothing_is_told_before_the_first_one_comes(
    environment: pytest.MonkeyPatch, tmp_path: Path, kind: str, secret: str, *, ok: bool
) -> None:
    (tmp_path / "north.secret").write_text(secret)
    table = f'[connection.notifications]\nkind = "{kind}"\nsecret_file = "north.secret"\n'
    (tmp_path / "connections.toml").write_text(CONNECTION.format(adapter="fhir_r4") + table)
    (told,) = [check for check in checks() if check.name == "t/n: secret of its notifications"]
    assert told.ok is ok
    assert ok == (not told.detail)
    assert secret == "" or secret not in told.detail


def test_policies_that_may_not_be_used_are_named_and_overdue_ones_are_told(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own = tmp_path / "policies"
    own.mkdir()
    environment.setenv("WRITEBACK_POLICIES_DIR", str(own))
    (own / "care_task.toml").write_text("reviewed = 2020-01-01\nnext_review = 2021-01-01\n")
    (told,) = [check for check in checks() if check.name == "policies"]
    assert told.ok
    assert "care_task.toml was to be reviewed by 2021-01-01" in told.detail
    (own / "care_task.toml").write_text("[groups.pharmacy]\n")
    (wrong,) = [check for check in failed() if check.name == "policies"]
    assert "groups.pharmacy" in wrong.detail


def test_servers_that_do_not_answer_or_are_not_named_each_have_their_line(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("WRITEBACK_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    environment.setenv("WRITEBACK_REDIS_URL", "redis://127.0.0.1:1/0")
    environment.delenv("WRITEBACK_ISSUER")
    environment.delenv("WRITEBACK_JWKS_URL")
    names = [check.name for check in failed()]
    assert names[:3] == ["issuer of tokens", "PostgreSQL answers", "Redis answers"]
    environment.setenv("WRITEBACK_DATABASE_URL", "")
    environment.setenv("WRITEBACK_REDIS_URL", "")
    assert [check.name for check in failed()][1:3] == ["PostgreSQL", "Redis"]


def test_an_adapter_that_is_not_there_is_named_with_those_that_are(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "connections.toml").write_text(CONNECTION.format(adapter="nobody"))
    (wrong,) = failed()
    assert "fhir_r4" in wrong.detail


def test_a_key_of_shared_tokens_that_cannot_be_used_has_its_line(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment.setenv("WRITEBACK_TOKEN_KEY_FILE", str(tmp_path / "token.key"))
    wrong = {check.name: check.detail for check in failed()}
    assert "WRITEBACK_TOKEN_KEY_FILE" in wrong["key of shared tokens"]
    (tmp_path / "token.key").write_bytes(Fernet.generate_key())
    assert "key of shared tokens" not in {check.name for check in failed()}
