"""Bringing a database up to date, and knowing whether it is; what cannot be done is a sentence."""

import pytest

from canonical.errors import ConfigurationError, StoreUnavailableError
from config.environment import read_settings
from config.migration import is_current, migrate


def test_an_empty_database_is_not_current_and_a_migrated_one_is(empty_database_url: str) -> None:
    settings = read_settings(database_url=empty_database_url)
    assert not is_current(settings)
    migrate(settings)
    assert is_current(settings)
    migrate(settings)
    assert is_current(settings)


def test_no_database_is_a_sentence() -> None:
    with pytest.raises(ConfigurationError, match="WRITEBACK_DATABASE_URL"):
        migrate(read_settings(database_url=""))


def test_a_database_that_does_not_answer_is_a_sentence_without_its_password() -> None:
    with pytest.raises(StoreUnavailableError) as refused:
        migrate(read_settings(database_url="postgresql://somebody:secret@127.0.0.1:1/none"))
    assert "secret" not in str(refused.value)
