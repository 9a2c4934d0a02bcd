"""What an installation decides, read from ``WRITEBACK_*`` variables; EHR connections have a file of their own.

Nothing of ours is imported here, so settings can be read before anything is built, and a wrong one is refused by name.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, HttpUrl, TypeAdapter, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

#: A second PostgreSQL driver would bring a second set of surprises.
_DATABASE_SCHEMES = ("postgresql://", "postgresql+psycopg://")
_REDIS_SCHEMES = ("redis://", "rediss://", "unix://")
_HTTP = TypeAdapter(HttpUrl)


def _database_url(value: str) -> str:
    if value and not value.startswith(_DATABASE_SCHEMES):
        raise ValueError(f"must start with {' or '.join(_DATABASE_SCHEMES)}")
    _check_port(lambda: make_url(value).port if value else None)
    return value


def _redis_url(value: str) -> str:
    if value and not value.startswith(_REDIS_SCHEMES):
        raise ValueError(f"must start with {', '.join(_REDIS_SCHEMES)}")
    _check_port(lambda: urlsplit(value).port)
    return value


def _check_port(read_port: Callable[[], int | None]) -> None:
    """Refuse here what a driver would refuse later, with the whole address and its password in the message."""
    try:
        port = read_port()
    except (ValueError, ArgumentError):
        port = 0
    if port is not None and not 1 <= port <= 65_535:
        raise ValueError(
            "is no URL with a host and a port from 1 to 65535; in a password write / ? # @ as %2F %3F %23 %40"
        )


def _http_url(value: str) -> str:
    if not value:
        return value
    try:
        _HTTP.validate_python(value)
    except ValidationError:
        raise ValueError("must be an http:// or https:// address") from None
    parts = urlsplit(value)
    if parts.scheme != "https" and not _is_loopback(parts.hostname or ""):
        raise ValueError(
            "must start with https:// unless it is on this machine: whoever is between could let anybody in"
        )
    return value


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _seconds(value: object) -> timedelta:
    if isinstance(value, timedelta):
        duration = value
    else:
        try:
            duration = timedelta(seconds=float(str(value)))
        except (ValueError, OverflowError):
            raise ValueError("must be a number of seconds, such as 30 or 0.5") from None
    if duration <= timedelta(0):
        raise ValueError("must be more than 0 seconds")
    return duration


DatabaseUrl = Annotated[str, AfterValidator(_database_url), Field(repr=False)]
RedisUrl = Annotated[str, AfterValidator(_redis_url), Field(repr=False)]
Url = Annotated[str, AfterValidator(_http_url)]
Seconds = Annotated[timedelta, BeforeValidator(_seconds)]
Count = Annotated[int, Field(ge=1)]


class Settings(BaseSettings):
    """Every setting with its default; durations are given in seconds. A refused value never appears in the message."""

    model_config = SettingsConfigDict(
        env_prefix="WRITEBACK_", frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True
    )

    #: Names this installation in Redis and in reports: two of them may share one Redis.
    environment: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")] = "dev"
    #: Empty: the embedded server under ``data_dir`` is used by the commands that start one.
    database_url: DatabaseUrl = ""
    redis_url: RedisUrl = ""
    data_dir: Path = Path(".writeback")
    #: TOML: the EHR connections of every tenant.
    connections_file: Path = Path("connections.toml")
    #: TOML files laid over the shipped policies (``config/policies/``). None: the shipped ones hold as they are.
    policies_dir: Path | None = None

    #: Who issues the tokens that the doors accept, where its keys are, and what the tokens must be meant for.
    issuer: Url = ""
    jwks_url: Url = ""
    audience: str = "writeback"
    tenant_claim: str = "tenant"
    app_claim: str = "client_id"
    user_claim: str = "fhirUser"
    scope_claim: str = "scope"
    #: Longest request body, in bytes.
    body_limit: Annotated[int, Field(ge=1024)] = 256 * 1024
    #: Commands one app may give for one tenant in an hour.
    quota_per_hour: Count = 20_000
    #: How long one request for an idempotency key keeps another one waiting, at most.
    door_lock: Seconds = timedelta(seconds=5)

    #: TOML: apps that may enqueue to Celery, with tenant and public keys. None: no app may, unless the next one is set.
    apps_file: Path | None = None
    #: Messages may carry a bearer token of the issuer in place of the app's signature. It covers no body: whoever reads
    #: the broker can use it for a command of their own, so the broker must then be trusted like the service itself.
    queue_bearer_tokens: bool = False
    #: Private JWK (file, mode 0600) to which senders may encrypt a message. None: encrypted messages are refused.
    message_key_file: Path | None = None
    #: Fernet keys (file, mode 0600; one a line, the newest first) that seal the EHRs' access tokens in Redis, where the
    #: processes share them. None: each process asks for tokens of its own.
    token_key_file: Path | None = None
    #: A message older than this was signed too long ago to be believed.
    max_queue_age: Seconds = timedelta(hours=24)
    #: How long the result of ``command.receive`` (id and status) can be fetched.
    result_expires: Seconds = timedelta(hours=1)

    #: OpenID provider at which people log in to the review pages. Empty: the pages are not set up, and all else works.
    review_issuer: Url = ""
    #: The review pages as the provider knows them; without a secret (file, mode 0600) they are a public client.
    review_client_id: str = ""
    review_client_secret_file: Path | None = None
    #: Fernet keys (file, mode 0600; one a line, the newest first) that seal the sessions of the review pages.
    review_session_key_file: Path | None = None
    #: Address by which browsers reach the service, without a path: the provider sends people back there.
    review_url: Url = ""
    #: A session ends when nobody did anything for so long, and so long after the login whatever was done.
    review_idle: Seconds = timedelta(minutes=30)
    review_lifetime: Seconds = timedelta(hours=10)

    #: Callbacks may go to loopback addresses and over plain HTTP there: for tests and demos on one machine.
    callbacks_allow_loopback: bool = False
    #: Callbacks may go to private networks, for apps inside the hospital.
    callbacks_allow_private: bool = False
    callback_timeout: Seconds = timedelta(seconds=5)

    #: Threads of one worker; each may hold one EHR request and one database session in flight.
    worker_threads: Count = 8
    worker_processes: Count = 2
    #: Pooled database connections of one process, beside the sessions of its threads.
    pool_size: Annotated[int, Field(ge=2)] = 8

    log_level: Annotated[str, Field(pattern=r"^(DEBUG|INFO|WARNING|ERROR)$")] = "INFO"
    #: Errors are reported to this Sentry project; empty: to nobody.
    sentry_dsn: Annotated[str, Field(repr=False)] = ""
    #: Steps at which a test kills or stops a process (JSON: step → fault), and where the fault leaves its marker.
    faultpoints: dict[str, str] = Field(default_factory=dict)
    faultpoints_dir: Path | None = None

    @property
    def key_prefix(self) -> str:
        """What every key of ours in Redis begins with."""
        return f"wb:{self.environment}:"

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if bool(self.issuer) != bool(self.jwks_url):
            raise ValueError("issuer and jwks_url belong together: set both, or neither")
        self._check_review()
        if self.queue_bearer_tokens and not self.issuer:
            raise ValueError("queue_bearer_tokens needs issuer and jwks_url: whose tokens, verified by which keys")
        if self.faultpoints and self.environment == "production":
            raise ValueError("faultpoints must be empty in production")
        return self

    def _check_review(self) -> None:
        needed = (self.review_issuer, self.review_client_id, self.review_session_key_file, self.review_url)
        if any(needed) != all(needed):
            raise ValueError(
                "review_issuer, review_client_id, review_session_key_file and review_url belong together: set all, or none"
            )
        parts = urlsplit(self.review_url)
        if parts.path.strip("/") or parts.query or parts.fragment:
            raise ValueError("review_url is an address without a path, such as https://writeback.example")
        if self.review_idle > self.review_lifetime:
            raise ValueError("review_idle must not be longer than review_lifetime")
