"""Logging in and out of the review pages: to the OpenID provider, back from it, and away. Not what a session may see."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import structlog
from cryptography.fernet import MultiFernet
from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse, Response

from api.review import pending_login
from api.review.access import LoggedOutError
from api.review.csrf import FIELD
from api.review.local_path import local_path
from api.review.login_pages import LoginPages
from api.review.logins import Logins, cookie
from api.review.pending_login import PendingLogin
from api.review.provider import LoginRefusedError, Provider, ProviderUnavailableError
from canonical.reviewing_roles import ROLES_CLAIM, NoReviewerError, roles_of

log = structlog.get_logger()

LOGIN, CALLBACK, LOGOUT = "/review/login", "/review/callback", "/review/logout"
#: Bytes. The form of a logout has one field.
_LOGOUT_FORM = 4096
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_NO_PENDING = "The login took too long, or was begun in another window."
_AWAY = "The provider of logins does not answer. Try again in a moment."
_NO_ROLE = "None of your roles may do anything here. Ask whoever looks after roles for one of these: {roles}."
_FOREIGN = "Nothing was changed: that page was too old, or not one of ours."


@dataclass(frozen=True, kw_only=True)
class ReviewLogin:
    """``/review/login``, ``/review/callback`` and ``/review/logout``; ``seal`` closes what a browser keeps meanwhile."""

    logins: Logins
    provider: Provider
    seal: MultiFernet
    clock: Callable[[], datetime]
    pages: LoginPages = field(default_factory=LoginPages)

    def router(self) -> APIRouter:
        """Return the routes."""
        router = APIRouter(include_in_schema=False)
        router.add_api_route(LOGIN, self.login, methods=["GET"])
        router.add_api_route(CALLBACK, self.callback, methods=["GET"])
        router.add_api_route(LOGOUT, self.ask, methods=["GET"])
        router.add_api_route(LOGOUT, self.logout, methods=["POST"])
        return router

    async def login(self, request: Request, next: str = "") -> Response:
        """Send the browser to the provider; ``next`` is where it wants to be afterwards."""
        leads_to = local_path(next)
        if self._is_by_another_name(request):
            return _to(f"{self.logins.origin}{LOGIN}?{urlencode({'next': leads_to})}")
        try:
            beginning = await self.provider.begin(f"{self.logins.origin}{CALLBACK}")
        except ProviderUnavailableError as error:
            return self._away(error, leads_to)
        until = self.clock() + pending_login.LIFE
        pending = PendingLogin(state=beginning.state, leads_to=leads_to, until=until.timestamp())
        answer = _to(beginning.address)
        self._keep(answer, pending.sealed(self.seal), pending_login.LIFE)
        return answer

    async def callback(self, request: Request) -> Response:
        """Begin the session of whom the provider names, and end the one before."""
        pending = pending_login.opened(request.cookies.get(pending_login.COOKIE, ""), self.seal, self.clock())
        if pending is None:
            return self._refused(_NO_PENDING, "")
        try:
            claims = await self.provider.finish(request.url.query, pending.state)
            answer = await self._let_in(request, claims, pending.leads_to)
        except ProviderUnavailableError as error:
            return self._away(error, pending.leads_to)
        except (LoginRefusedError, NoReviewerError) as error:
            return self._refused(str(error), pending.leads_to)
        self._keep(answer, "", timedelta(0))
        return answer

    def ask(self, request: Request) -> Response:
        """Ask whether to log out, or say that nobody is logged in."""
        try:
            return self.pages.leaving(self.logins.csrf_token(request))
        except LoggedOutError:
            return self.pages.left()

    async def logout(self, request: Request) -> Response:
        """End the session, and lead to where it ends at the provider: the next person at this screen must log in anew."""
        token = await _posted_token(request)
        try:
            csrf = await run_in_threadpool(self.logins.csrf_token, request)
        except LoggedOutError:
            return self.pages.left()
        if not self.logins.check_csrf(request, token):
            return self.pages.leaving(csrf, _FOREIGN, status=403)
        answer = self.pages.left(await self.provider.end_session_address(f"{self.logins.origin}{LOGOUT}"))
        await run_in_threadpool(self.logins.end, request, answer)
        log.info("logged out", action="review.logged_out")
        return answer

    async def _let_in(self, request: Request, claims: Mapping[str, Any], leads_to: str) -> Response:
        session = self.logins.sessions.begin(self._kept(claims), self.clock())
        reviewer = self.logins.reviewer_of(session)
        if not reviewer.rights:
            raise LoginRefusedError(_NO_ROLE.format(roles=", ".join(sorted(self.logins.roles.role))))
        answer = _to(leads_to)
        await run_in_threadpool(self.logins.end, request, answer)
        self.logins.begin(answer, session)
        log.info("logged in", action="review.logged_in", tenant=reviewer.tenant, person=reviewer.actor)
        return answer

    def _kept(self, claims: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a session needs of an ID token: a cookie has room for 4 kB, and some providers list hundreds of roles."""
        names = ("sub", "name", self.logins.tenant_claim, self.logins.user_claim)
        known = [role for role in roles_of(claims) if role in self.logins.roles.role]
        return {name: claims[name] for name in names if name in claims} | {ROLES_CLAIM: known}

    def _is_by_another_name(self, request: Request) -> bool:
        """Whether this machine is called by another of its names: the cookie would not be there on the way back."""
        ours, asked = urlsplit(self.logins.origin), request.url
        return ours.hostname != asked.hostname and {ours.hostname, asked.hostname} <= _LOOPBACK

    def _refused(self, sentence: str, leads_to: str) -> Response:
        log.info("not logged in", action="review.login_refused")
        answer = self.pages.refused(sentence, again=_again(leads_to), status=403)
        self._keep(answer, "", timedelta(0))
        return answer

    def _away(self, error: ProviderUnavailableError, leads_to: str) -> Response:
        cause = type(error.__cause__).__name__ if error.__cause__ else "not the issuer of the settings"
        log.warning("provider unavailable", action="review.provider_unavailable", error=cause)
        return self.pages.refused(_AWAY, again=_again(leads_to), status=503)

    def _keep(self, answer: Response, value: str, life: timedelta) -> None:
        said = cookie(pending_login.COOKIE, value, origin=self.logins.origin, life=life)
        answer.headers.append("set-cookie", said)


def _again(leads_to: str) -> str:
    return f"{LOGIN}?{urlencode({'next': local_path(leads_to)})}"


def _to(address: str) -> Response:
    return RedirectResponse(address, status_code=303, headers={"Cache-Control": "no-store"})


async def _posted_token(request: Request) -> str:
    """Return the token of a form; nothing where it is none, or one that is longer than ours."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LOGOUT_FORM:
            return ""
    return dict(parse_qsl(body.decode("utf-8", errors="replace"))).get(FIELD, "")
