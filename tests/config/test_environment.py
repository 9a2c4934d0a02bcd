import pytest

from canonical.errors import ConfigurationError
from config.environment import read_settings


def test_overrides_come_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WRITEBACK_ENVIRONMENT", "north")
    assert read_settings().environment == "north"
    assert read_settings(environment="south").environment == "south"


def test_every_wrong_variable_is_named_as_it_is_written_and_no_value_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WRITEBACK_POOL_SIZE", "hunter2")
    monkeypatch.setenv("WRITEBACK_DATABASE_URL", "mysql://root:hunter2@db/")
    with pytest.raises(ConfigurationError) as refused:
        read_settings()
    assert "Nothing was started" in str(refused.value)
    assert "WRITEBACK_POOL_SIZE" in str(refused.value)
    assert "WRITEBACK_DATABASE_URL" in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_what_two_variables_say_together_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WRITEBACK_ISSUER", "https://issuer.example")
    with pytest.raises(ConfigurationError, match="issuer and jwks_url belong together"):
        read_settings()


def test_a_variable_that_should_be_json_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WRITEBACK_FAULTPOINTS", "hunter2")
    with pytest.raises(ConfigurationError, match="faultpoints") as refused:
        read_settings()
    assert "hunter2" not in str(refused.value)
