"""Logging in by browser: the page that lists who one can be, the way back with a code, who it was, and logging out.

A provider for tests: whoever opens the page may be anybody on it. Sources: OpenID Connect Core 1.0, RP-Initiated Logout 1.0.
"""

from dataclasses import dataclass
from functools import partial
from html import escape
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from sandbox.authorization import (
    MEMBERS,
    AuthorizationRefused,
    NotSentBack,
    authorization_request,
    give_code,
    web_client_of,
)
from sandbox.code_grant import CodeGrant
from sandbox.ehr import Ehr
from sandbox.people import Person, everybody, find_person, find_web_client

_HEADERS = {"Cache-Control": "no-store", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer"}
_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><link rel="icon" href="data:,"><style>
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 2rem auto; padding: 0 1rem; color: #1b1b1b; }}
button {{ font: inherit; display: block; width: 100%; text-align: left; margin: .5rem 0; padding: .6rem .9rem; }}
</style></head><body><main><h1>{title}</h1>{body}</main></body></html>
"""


@dataclass(frozen=True)
class OpenId:
    """The endpoints that a browser meets, and `userinfo`."""

    ehr: Ehr
    grant: CodeGrant

    def routes(self) -> list[Route]:
        return [
            Route("/oauth/authorize", self.authorize, methods=["GET"]),
            Route("/oauth/authorize", self.choose, methods=["POST"]),
            Route("/oauth/userinfo", self.userinfo, methods=["GET"]),
            Route("/oauth/logout", self.logout, methods=["GET"]),
        ]

    async def authorize(self, request: Request) -> Response:
        """Show who one can be; a request that cannot be granted goes back with its error."""
        return self._checked(dict(request.query_params)) or self._people(dict(request.query_params))

    async def choose(self, request: Request) -> Response:
        """Go back with a code for the person chosen."""
        form = dict(parse_qsl((await request.body()).decode("utf-8", errors="replace")))
        refused = self._checked(form)
        if refused is not None:
            return refused
        person = find_person(self.ehr.database.reader, form.get("person", ""))
        if person is None:
            return self._people(form)
        asked = authorization_request(form)
        give = partial(give_code, request=asked, sub=person.sub, now=self.ehr.clock())
        code = await self.ehr.database.write(give)
        return _back(asked.redirect_uri, asked.state, code=code, iss=self.ehr.public_url)

    async def userinfo(self, request: Request) -> Response:
        """Say who the token's person is."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        person = self.grant.person_of(token.strip()) if scheme.lower() == "bearer" else None
        if person is None:
            return Response(status_code=401, headers={"WWW-Authenticate": 'Bearer error="invalid_token"', **_HEADERS})
        return JSONResponse(person.claims(), headers=_HEADERS)

    async def logout(self, request: Request) -> Response:
        """Go where the client wants them after a logout; nobody stays logged in here, so there is nothing to end."""
        asked = request.query_params
        client = find_web_client(self.ehr.database.reader, asked.get("client_id", ""))
        target = asked.get("post_logout_redirect_uri", "")
        if client is not None and target in client.post_logout_redirect_uris:
            return _back(target, asked.get("state", ""))
        return _page("You are logged out", "<p>You can close this window.</p>")

    def _checked(self, asked: dict[str, str]) -> Response | None:
        """The answer to a request that is refused."""
        try:
            web_client_of(self.ehr.database.reader, asked)
        except NotSentBack as error:
            return _page("This cannot be done", f"<p>{escape(str(error))}</p>", status=400)
        try:
            authorization_request(asked)
        except AuthorizationRefused as refused:
            told = {"error": refused.error, "error_description": refused.description, "iss": self.ehr.public_url}
            return _back(asked["redirect_uri"], asked.get("state", ""), **told)
        return None

    def _people(self, asked: dict[str, str]) -> Response:
        hidden = "".join(
            f'<input type="hidden" name="{name}" value="{escape(asked[name])}">' for name in MEMBERS if name in asked
        )
        buttons = "".join(map(_button, everybody(self.ehr.database.reader)))
        body = f'<p>A simulated hospital: be whoever you like.</p><form method="post">{hidden}{buttons}</form>'
        return _page("Who are you?", body)


def _back(target: str, state: str, **told: str) -> Response:
    pairs = told | ({"state": state} if state else {})
    joint = "&" if "?" in target else "?"
    location = f"{target}{joint}{urlencode(pairs)}" if pairs else target
    return RedirectResponse(location, status_code=303, headers=_HEADERS)


def _button(person: Person) -> str:
    words = f"{person.name} ({', '.join(person.roles)})" if person.roles else person.name
    return f'<button name="person" value="{escape(person.sub)}">{escape(words)}</button>'


def _page(title: str, body: str, *, status: int = 200) -> HTMLResponse:
    return HTMLResponse(_PAGE.format(title=escape(title), body=body), status_code=status, headers=_HEADERS)
