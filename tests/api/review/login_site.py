"""The application with a login, and browsers at it: the provider is a running sandbox, or one that lies as a test tells it."""

from __future__ import annotations

import json
import re
import threading
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from html import unescape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import httpx
from cryptography.fernet import Fernet
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from api.app import make_app
from api.review.access import LoggedOutError
from api.review.login import ReviewLogin
from api.review.login_setup import review_login
from api.review.logins import Logins
from cli.sandbox_site import PEOPLE
from config.people_policy import read_people_policy
from config.wiring import Services
from processes.free_port import free_port
from tests.reception import Clock, open_services, serve_app
from tests.sandbox_fixture import RunningSandbox

SECRET = "a secret that is long enough for HS256"
CLIENT = "review-pages"


class MovedClock(Clock):
    """The time of this machine, moved as a test says: what the provider signs is judged by it, too."""

    def __init__(self) -> None:
        self.moved = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.moved


class Browser:
    """Somebody at the pages. Redirects are followed one by one; headers are those of a browser on one of our pages."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.http = httpx.Client(base_url=site.url, timeout=10, verify=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def begin(self, leads_to: str | None = None) -> dict[str, str]:
        """Ask for the login and return what the provider is asked."""
        answer = self.http.get("/review/login", params={"next": leads_to} if leads_to else {})
        assert answer.status_code == 303, answer.text
        self.provider = answer.headers["location"]
        return {name: values[0] for name, values in parse_qs(urlsplit(self.provider).query).items()}

    def choose(self, person: str) -> str:
        """Say who one is at the provider and return the address to which it leads."""
        page = self.http.get(self.provider).text
        hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page)
        form = {name: unescape(value) for name, value in hidden} | {"person": person}
        answer = self.http.post(self.provider.partition("?")[0], data=form)
        assert answer.status_code == 303, answer.text
        return str(answer.headers["location"])

    def log_in(self, person: str, leads_to: str | None = None) -> httpx.Response:
        """Log in as somebody and return what the way back is answered with."""
        self.begin(leads_to)
        return self.http.get(self.choose(person))

    def who(self, **headers: str) -> dict[str, Any]:
        """Return who the application says it is; nothing for nobody."""
        answer = self.http.get("/review/probe", headers=headers)
        return dict(answer.json()) if answer.status_code == 200 else {}

    def post(self, token: str, path: str = "/review/probe", **headers: str) -> httpx.Response:
        """Post a form from a page of ours, unless ``headers`` say otherwise."""
        usual = {"Sec-Fetch-Site": "same-origin", "Origin": self.site.url}
        sent = {name: value for name, value in (usual | headers).items() if value}
        return self.http.post(path, data={"csrf": token}, headers=sent)

    def bearer_token(self, person: str) -> str:
        """Return an access token of somebody, got as an app of the hospital would get one."""
        verifier = "v" * 43
        callback = f"{self.site.url}/review/callback"
        asked = {
            "client_id": CLIENT,
            "redirect_uri": callback,
            "response_type": "code",
            "scope": "openid",
            "code_challenge": urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        issuer = self.site.services.settings.review_issuer
        chosen = self.http.post(f"{issuer}/oauth/authorize", data=asked | {"person": person})
        code = parse_qs(urlsplit(chosen.headers["location"]).query)["code"][0]
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": callback, "code_verifier": verifier}
        answer = self.http.post(f"{issuer}/oauth/token", data=form, auth=(CLIENT, SECRET))
        return str(answer.json()["access_token"])

    @property
    def cookie(self) -> str:
        return self.http.cookies.get("review_session") or ""


@dataclass
class Site:
    """The served application; ``logins`` has the same keys as it."""

    url: str
    services: Services
    clock: MovedClock
    logins: Logins
    browsers: list[Browser] = field(default_factory=list)

    def browser(self) -> Browser:
        self.browsers.append(Browser(self))
        return self.browsers[-1]


def whole_application(services: Services, _login: ReviewLogin) -> FastAPI:
    """Return what is served in earnest."""
    return make_app(services)


@contextmanager
def open_site(
    issuer: str,
    port: int,
    database_url: str,
    redis_url: str,
    folder: Path,
    *,
    application: Callable[[Services, ReviewLogin], FastAPI] = whole_application,
    **more: Any,
) -> Iterator[Site]:
    """Yield an application with ``issuer`` as its provider, and one page more that says who looks at it."""
    (folder / "session.key").write_bytes(Fernet.generate_key())
    (folder / "secret").write_text(SECRET + "\n")
    clock = MovedClock()
    usual: dict[str, Any] = {
        "review_issuer": issuer,
        "review_client_id": CLIENT,
        "review_client_secret_file": folder / "secret",
        "review_session_key_file": folder / "session.key",
        "review_url": f"http://127.0.0.1:{port}",
    }
    with open_services(database_url, redis_url, folder, clock=clock, **(usual | more)) as services:
        login = review_login(services, read_people_policy())
        assert login is not None
        app = application(services, login)
        _add_probe(app, login.logins)
        with serve_app(app, port=port) as url:
            site = Site(url=url, services=services, clock=clock, logins=login.logins)
            yield site
            for browser in site.browsers:
                browser.http.close()


def _add_probe(app: FastAPI, logins: Logins) -> None:
    access = logins.access

    def look(request: Request) -> JSONResponse:
        try:
            me = access.reviewer(request)
        except LoggedOutError:
            return JSONResponse({}, 401)
        said = {name: getattr(me, name) for name in ("tenant", "issuer", "subject", "name", "fhir_user")}
        sets = {name: sorted(getattr(me, name)) for name in ("licences", "rights", "pools")}
        return JSONResponse({**said, **sets, "csrf": access.csrf_token(request)})

    async def act(request: Request) -> JSONResponse:
        token = parse_qs((await request.body()).decode()).get("csrf", [""])[0]
        try:
            return JSONResponse({}, 200 if access.check_csrf(request, token) else 403)
        except LoggedOutError:
            return JSONResponse({}, 401)

    app.add_api_route("/review/probe", look, methods=["GET"])
    app.add_api_route("/review/probe", act, methods=["POST"])


@contextmanager
def open_sandbox_site(
    sandbox: RunningSandbox, database_url: str, redis_url: str, folder: Path, **more: Any
) -> Iterator[Site]:
    """Yield the application with the sandbox as its provider, where the people of the demonstration can log in."""
    port = free_port()
    for sub, (name, role) in PEOPLE.items():
        sandbox.register_person(
            {"sub": sub, "name": name, "roles": [role], "tenant": "north", "fhirUser": f"Practitioner/{sub}"}
        )
    client: dict[str, Any] = {
        "client_id": CLIENT,
        "audience": "writeback",
        "redirect_uris": [f"http://127.0.0.1:{port}/review/callback"],
        "post_logout_redirect_uris": [f"http://127.0.0.1:{port}/review/logout"],
    }
    is_public = "review_client_secret_file" in more and more["review_client_secret_file"] is None
    sandbox.register_web_client(client if is_public else client | {"client_secret": SECRET})
    with open_site(sandbox.origin, port, database_url, redis_url, folder, **more) as site:
        yield site


@dataclass
class Liar:
    """A provider that answers what a test tells it: ``metadata`` over what is right, and ``claims`` over a right ID token's."""

    url: str = ""
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "k1", "use": "sig"}))
    metadata: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    answer: dict[str, Any] | None = None
    signed_by: str = "key"
    redeemed: int = 0
    forms: list[dict[str, str]] = field(default_factory=list)

    def right_claims(self, nonce: str) -> dict[str, Any]:
        now = int(datetime.now(UTC).timestamp())
        return {
            "iss": self.url,
            "aud": CLIENT,
            "sub": "n1",
            "name": "Nora",
            "tenant": "north",
            "roles": ["nurse"],
            "iat": now,
            "exp": now + 60,
            "nonce": nonce,
        }

    def token(self, nonce: str) -> str:
        told = {name: value for name, value in (self.right_claims(nonce) | self.claims).items() if value is not None}
        if self.signed_by == "secret":
            key = OctKey.import_key(SECRET)
            return jwt.encode({"alg": "HS256", "kid": "k1"}, told, key, algorithms=["HS256"])
        if self.signed_by == "nobody":
            return f"{_part({'alg': 'none', 'kid': 'k1'})}.{_part(told)}."
        key_used = self.key if self.signed_by == "key" else RSAKey.generate_key(2048, {"kid": "k1"})
        return jwt.encode({"alg": "RS256", "kid": "k1"}, told, key_used, algorithms=["RS256"])

    def respond(self, path: str, nonce: str) -> Mapping[str, Any]:
        if path.endswith("openid-configuration"):
            right = {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/jwks",
                "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
            }
            return right | self.metadata
        if path.endswith("jwks"):
            return {"keys": [self.key.as_dict(private=False)]}
        self.redeemed += 1
        usual = {"access_token": "opaque", "token_type": "bearer", "expires_in": 60, "id_token": self.token(nonce)}
        return usual if self.answer is None else self.answer


def _part(members: dict[str, Any]) -> str:
    return urlsafe_b64encode(json.dumps(members).encode()).rstrip(b"=").decode()


@contextmanager
def open_liar() -> Iterator[Liar]:
    """Yield such a provider on a real server; a code is the nonce that its token shall name."""
    liar = Liar()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer("")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            liar.forms.append(form)
            self._answer(form.get("code", ""))

        def _answer(self, nonce: str) -> None:
            body = json.dumps(liar.respond(self.path, nonce)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    liar.url = f"http://127.0.0.1:{server.server_port}"
    yield liar
    server.shutdown()
    server.server_close()
    thread.join()
