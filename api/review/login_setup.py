"""The login of an installation, as its settings say, or the page that says that it has none. It opens nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import APIRouter

from api.review.ended_sessions import EndedSessions
from api.review.local_path import HOME
from api.review.login import ReviewLogin
from api.review.login_pages import LoginPages
from api.review.logins import Logins
from api.review.provider import Provider
from api.review.session import Sessions
from canonical.errors import ConfigurationError
from canonical.reviewing_roles import ReviewingRoles
from tasks.circuit import Circuit
from tasks.token_cache import read_token_keys

if TYPE_CHECKING:
    from config.wiring import Services


def review_login(services: Services, roles: ReviewingRoles) -> ReviewLogin | None:
    """Return the login, or ``None`` where the review pages are not set up.

    Raises ``ConfigurationError`` where a file of keys, or the secret, cannot be read.
    """
    settings = services.settings
    seal = read_token_keys(settings.review_session_key_file, variable="WRITEBACK_REVIEW_SESSION_KEY_FILE")
    if not settings.review_issuer or seal is None:
        return None
    issuer, clock = settings.review_issuer, services.clock
    logins = Logins(
        sessions=Sessions(seal=seal, issuer=issuer, idle=settings.review_idle, lifetime=settings.review_lifetime),
        ended=EndedSessions(services.redis, prefix=settings.key_prefix, circuit=Circuit()),
        roles=roles,
        origin=settings.review_url.rstrip("/"),
        tenant_claim=settings.tenant_claim,
        user_claim=settings.user_claim,
        clock=clock,
    )
    secret = read_client_secret(settings.review_client_secret_file)
    provider = Provider(issuer=issuer, client_id=settings.review_client_id, client_secret=secret, clock=clock)
    return ReviewLogin(logins=logins, provider=provider, seal=seal, clock=clock)


def not_set_up() -> APIRouter:
    """Return routes that say so under every address of the review pages."""
    router, pages = APIRouter(include_in_schema=False), LoginPages()
    for path in (HOME, f"{HOME}/{{rest:path}}"):
        router.add_api_route(path, pages.not_set_up, methods=["GET", "POST"], response_model=None)
    return router


def read_client_secret(file: Path | None) -> str | None:
    """Return the secret in ``file``, without the end of its line; raises ``ConfigurationError`` that shows nothing of it."""
    if file is None:
        return None
    try:
        secret = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = type(error).__name__
        raise ConfigurationError(f"WRITEBACK_REVIEW_CLIENT_SECRET_FILE: {file} cannot be read ({reason}).") from None
    if not secret:
        raise ConfigurationError(f"WRITEBACK_REVIEW_CLIENT_SECRET_FILE: {file} is empty.")
    return secret
