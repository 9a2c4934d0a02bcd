"""Who a request of the review pages comes from, by its cookie: fills what the pages ask of a login. Not the logging in.

The cookie is read when somebody asks, once for each request, and written anew where it was used (:class:`SessionCookies`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.review.access import Access, LoggedOutError
from api.review.csrf import is_from, is_of
from api.review.ended_sessions import EndedSessions
from api.review.session import Session, Sessions
from canonical.reviewer import Reviewer
from canonical.reviewing_roles import NoReviewerError, ReviewingRoles

COOKIE = "review_session"
PATH = "/review"


@dataclass(frozen=True, kw_only=True)
class Logins:
    """The logins of the review pages.

    ``origin`` is scheme, host and port by which browsers reach them; ``tenant_claim`` and ``user_claim`` name claims.
    """

    sessions: Sessions
    ended: EndedSessions
    roles: ReviewingRoles
    origin: str
    tenant_claim: str
    user_claim: str
    clock: Callable[[], datetime]

    @property
    def access(self) -> Access:
        """What the pages are given."""
        return Access(reviewer=self.reviewer, csrf_token=self.csrf_token, check_csrf=self.check_csrf)

    def reviewer(self, request: Request) -> Reviewer:
        """Return who it is, by the roles as they are now; raises :class:`LoggedOutError`."""
        try:
            reviewer = self.reviewer_of(self.session(request))
        except NoReviewerError:
            raise LoggedOutError from None
        if not reviewer.rights:
            raise LoggedOutError
        return reviewer

    def reviewer_of(self, session: Session) -> Reviewer:
        """Return who the session is of; raises :class:`NoReviewerError`."""
        return self.roles.of_claims(
            session.claims, issuer=session.issuer, tenant_claim=self.tenant_claim, user_claim=self.user_claim
        )

    def csrf_token(self, request: Request) -> str:
        """Return the token that the forms of a page carry; raises :class:`LoggedOutError`."""
        return self.session(request).csrf

    def check_csrf(self, request: Request, token: str) -> bool:
        """Return whether a post comes from a page of ours that was made for this session."""
        return is_from(self.origin, request) and is_of(self.session(request), token, request)

    def session(self, request: Request) -> Session:
        """Return the session of ``request``; raises :class:`LoggedOutError`."""
        if not hasattr(request.state, "review_session"):
            request.state.review_session = self._read(request)
        session: Session | None = request.state.review_session
        if session is None:
            raise LoggedOutError
        return session

    def begin(self, response: Response, session: Session) -> None:
        """Give the browser a session."""
        self._set(response.headers, self.sessions.sealed(session), None)

    def end(self, request: Request, response: Response) -> None:
        """Take the session away, here and from whoever has a copy of the cookie."""
        try:
            session = self.session(request)
        except LoggedOutError:
            session = None
        if session is not None:
            self.ended.add(session.id, self.sessions.remaining(session, self.clock()))
            request.state.review_session = None
        self._set(response.headers, "", timedelta(0))

    def renew(self, session: Session, headers: MutableHeaders) -> None:
        """Note in the browser's cookie that the session was used now."""
        renewed = self.sessions.renewed(session, self.clock())
        if renewed is not None:
            self._set(headers, self.sessions.sealed(renewed), None)

    def _read(self, request: Request) -> Session | None:
        session = self.sessions.opened(request.cookies.get(COOKIE, ""), self.clock())
        return None if session is None or session.id in self.ended else session

    def _set(self, headers: MutableHeaders, value: str, life: timedelta | None) -> None:
        headers.append("set-cookie", cookie(COOKIE, value, origin=self.origin, life=life))


def cookie(name: str, value: str, *, origin: str, life: timedelta | None) -> str:
    """Return a `Set-Cookie` for the review pages alone; without ``life`` it goes when the browser is closed."""
    parts = [f"{name}={value}", f"Path={PATH}", "HttpOnly", "SameSite=Lax"]
    if origin.startswith("https://"):
        parts.append("Secure")
    if life is not None:
        parts.append(f"Max-Age={int(life.total_seconds())}")
    return "; ".join(parts)


class SessionCookies:
    """ASGI middleware: an answer to somebody with a session notes in their cookie that they were here.

    What a page asks for by itself does not count, else a screen that somebody left would stay logged in.
    """

    def __init__(self, app: ASGIApp, *, logins: Logins) -> None:
        """Wrap ``app``."""
        self._app, self._logins = app, logins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or not scope["path"].startswith(PATH) or _asked_by_page(scope):
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})

        async def send_renewed(message: Message) -> None:
            session = state.get("review_session")
            if message["type"] == "http.response.start" and session is not None:
                self._logins.renew(session, MutableHeaders(scope=message))
            await send(message)

        await self._app(scope, receive, send_renewed)


def _asked_by_page(scope: Scope) -> bool:
    return scope["method"] == "GET" and any(name == b"hx-request" for name, _ in scope["headers"])
