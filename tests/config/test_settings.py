from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from config.settings import Settings


def test_defaults_are_enough_for_the_embedded_servers() -> None:
    settings = Settings()
    assert settings.database_url == ""
    assert settings.key_prefix == "wb:dev:"


def test_a_duration_is_given_in_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WRITEBACK_DOOR_LOCK", "0.5")
    monkeypatch.setenv("WRITEBACK_MAX_QUEUE_AGE", "3600")
    settings = Settings()
    assert settings.door_lock == timedelta(milliseconds=500)
    assert settings.max_queue_age == timedelta(hours=1)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("database_url", "mysql://root:hunter2@db/writeback", "postgresql://"),
        ("redis_url", "amqp://guest:hunter2@mq/", "redis://"),
        ("database_url", "postgresql://root:hunter2@db:notaport/writeback", "port"),
        ("database_url", "postgresql://root:hunter2@db:70000/writeback", "port"),
        ("database_url", "postgresql://root:hunter2@db:0/writeback", "%2F"),
        ("redis_url", "redis://:hunter2@cache:notaport/0", "port"),
        ("redis_url", "redis://[hunter2/0", "URL"),
        ("issuer", "http://hunter2.example", "https"),
        ("jwks_url", "http://hunter2.example/jwks", "https"),
        ("jwks_url", "http://10.0.0.1/hunter2", "https"),
        ("issuer", "hunter2", "http"),
        ("jwks_url", "file:///hunter2", "http"),
        ("door_lock", "hunter2", "seconds"),
        ("door_lock", "0", "more than 0"),
        ("max_queue_age", "-1", "more than 0"),
        ("environment", "Hunter 2", "pattern"),
        ("body_limit", "12", "greater than or equal"),
        ("pool_size", "1", "greater than or equal"),
        ("worker_threads", "0", "greater than or equal"),
        ("log_level", "hunter2", "pattern"),
        ("faultpoints", "hunter2", "object"),
    ],
)
def test_a_wrong_setting_is_named_with_what_would_be_right_and_never_with_its_value(
    name: str, value: str, says: str
) -> None:
    # As a value from outside, not as a Python object: this is how a person gives it.
    with pytest.raises(ValidationError) as refused:
        Settings.model_validate_strings({name: value})
    text = str(refused.value)
    assert name in text
    assert says.lower() in text.lower()
    assert "hunter2" not in text


def test_an_issuer_without_its_keys_is_refused() -> None:
    with pytest.raises(ValidationError, match="belong together"):
        Settings(issuer="https://issuer.example")


def test_faults_are_refused_in_production() -> None:
    with pytest.raises(ValidationError, match="faultpoints must be empty"):
        Settings(environment="production", faultpoints={"after_claim": "kill"})


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        Settings(databse_url="postgresql://x/y")  # type: ignore[call-arg]


def test_credentials_do_not_show_when_settings_are_printed() -> None:
    settings = Settings(
        database_url="postgresql://writeback:hunter2@db/writeback",
        redis_url="redis://:hunter2@cache/0",
        sentry_dsn="https://hunter2@sentry.example/1",
    )
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in str(settings)


def test_settings_do_not_change_once_read() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().data_dir = Path("elsewhere")  # type: ignore[misc]


@pytest.mark.parametrize("origin", ["http://127.0.0.1:8000", "http://localhost:1", "http://[::1]:8000", "https://idp"])
def test_an_issuer_on_this_machine_needs_no_https(origin: str) -> None:
    assert Settings(issuer=origin, jwks_url=f"{origin}/jwks").issuer == origin


@pytest.mark.parametrize(
    "url", ["postgresql://u:p@[::1]:5432/w", "postgresql:///w?host=/run/pg&port=5433", "postgresql://u:a/b@db/w", ""]
)
def test_every_usual_form_of_a_database_url_is_taken(url: str) -> None:
    assert Settings(database_url=url).database_url == url


REVIEW: dict[str, Any] = {
    "review_issuer": "https://op.example",
    "review_client_id": "pages",
    "review_session_key_file": Path("session.key"),
    "review_url": "https://review.example/",
}


def test_the_settings_of_the_review_pages_are_there_together_or_not_at_all() -> None:
    assert Settings(**REVIEW).review_idle == timedelta(minutes=30)
    for name in REVIEW:
        with pytest.raises(ValidationError, match="belong together"):
            Settings(**{key: value for key, value in REVIEW.items() if key != name})


@pytest.mark.parametrize(
    ("over", "says"),
    [
        ({"review_url": "https://review.example/writeback"}, "without a path"),
        ({"review_url": "http://review.example"}, "https"),
        ({"review_issuer": "http://op.example"}, "https"),
        ({"review_idle": "36001"}, "review_idle"),
        ({"review_lifetime": "0"}, "more than 0"),
    ],
    ids=str,
)
def test_review_pages_that_could_not_be_reached_safely_are_refused(over: dict[str, str], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Settings(**(REVIEW | over))
