"""What all review pages share: templates, headers, who is looking, and how a refusal is shown without losing a word typed."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

import structlog
from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.routing import APIRoute
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from api.review import words
from api.review.access import Access, ForgedPostError, LoggedOutError
from api.review.form import CSRF_FIELD, Form, form_of, is_own
from api.review.refusals import told
from api.review.static_files import StaticFiles
from canonical.errors import WritebackError
from canonical.reviewer import Reviewer, Right

log = structlog.get_logger()

_TEMPLATES = Path(__file__).parent.parent / "templates" / "review"
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # Answers differ by who asks and by whether a script asks for a part.
    "Vary": "Cookie, HX-Request",
}
_LOGGED_OUT = "You are not logged in any more. Nothing was changed, and what you typed is kept below."
_FORGED = (
    "This page was too old for the decision to be taken from it. Nothing was changed; look once more and send it again."
)
_NO_SUCH_PAGE = "There is no such page."


class Screen:
    """Renders the pages for whoever looks."""

    def __init__(self, access: Access, statics: StaticFiles, clock: Callable[[], datetime]) -> None:
        """Show to those whom ``access`` knows; times are as seen from ``clock`` (UTC)."""
        self.access, self.clock = access, clock
        loader = FileSystemLoader(_TEMPLATES)
        self._templates = Environment(
            loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        self._templates.globals.update(static=statics.url, words=words, Right=Right, login_path=access.login_path)
        self._templates.globals.update(logout_path=access.logout_path)
        self._templates.filters.update(at=words.at, span=words.span, status_words=words.status_words)
        self._templates.filters["pairs"] = words.pairs

    def router(self) -> APIRouter:
        """Return a router whose errors are shown as pages."""

        class Route(_HtmlRoute):
            screen = self

        return APIRouter(include_in_schema=False, route_class=Route)

    def reviewer(self, request: Request) -> Reviewer:
        """Return who looks; raises :class:`LoggedOutError`."""
        return self.access.reviewer(request)

    def poster(self, request: Request, form: Form) -> Reviewer:
        """Return who posted ``form``; raises :class:`LoggedOutError` and :class:`ForgedPostError`."""
        reviewer = self.access.reviewer(request)
        if not is_own(request) or not self.access.check_csrf(request, form.text(CSRF_FIELD)):
            raise ForgedPostError
        return reviewer

    def page(
        self, request: Request, template: str, *, me: Reviewer | None, shown: Mapping[str, Any], status: int = 200
    ) -> Response:
        """Return a page of ``shown``; ``me`` is who looks, ``None`` on pages for nobody."""
        token = "" if me is None else self.access.csrf_token(request)
        text = self._templates.get_template(template).render(shown, me=me, csrf=token, now=self.clock())
        return HTMLResponse(text, status_code=status, headers=HEADERS)

    def logged_out(self, request: Request) -> Response:
        """Return the way to the login; a form that was posted is shown again, to be sent after it."""
        if request.method == "GET":
            if "hx-request" in request.headers:
                return Response(status_code=401, headers=HEADERS)
            address = f"{self.access.login_path}?next={quote(request.url.path)}"
            return RedirectResponse(address, status_code=303, headers=HEADERS)
        return self._held(request, 401, _LOGGED_OUT, me=None)

    def forged(self, request: Request) -> Response:
        """Return a post without a valid token, as a form to look at and send again."""
        return self._held(request, 403, _FORGED, me=self.reviewer(request))

    def refused(self, request: Request, error: WritebackError) -> Response | None:
        """Return the page that tells of ``error``; ``None`` where it is a defect."""
        answer = told(error)
        if answer is None:
            return None
        status, sentence = answer
        if status == 503:
            log.warning("not available", action="review.unavailable")
        try:
            me = self.access.reviewer(request)
        except (LoggedOutError, WritebackError):
            me = None
        return self._held(request, status, sentence, me=me)

    def not_there(self, request: Request) -> Response:
        """Return the answer to an address that cannot be one of ours."""
        return self._held(request, 404, _NO_SUCH_PAGE, me=None)

    def _held(self, request: Request, status: int, sentence: str, *, me: Reviewer | None) -> Response:
        held = form_of(request).held()
        shown = {"sentence": sentence, "held": held, "path": request.url.path, "code": status}
        return self.page(request, "held.html", me=me, status=status, shown=shown)


class _HtmlRoute(APIRoute):
    """A route whose refusals are pages."""

    screen: ClassVar[Screen]

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler."""
        handle = super().get_route_handler()

        async def shown(request: Request) -> Response:
            try:
                return await handle(request)
            except LoggedOutError:
                return self.screen.logged_out(request)
            except ForgedPostError:
                return self.screen.forged(request)
            except RequestValidationError:
                return self.screen.not_there(request)
            except WritebackError as error:
                answer = self.screen.refused(request, error)
                if answer is None:
                    raise
                return answer

        return shown
