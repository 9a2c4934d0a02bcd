"""The sandbox as an ASGI application and as a process; not what it answers."""

import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from sandbox.access import Access
from sandbox.admin import Admin
from sandbox.answers import Refusal
from sandbox.capability import openid_configuration, smart_configuration
from sandbox.clients import clients_of_file, register
from sandbox.code_grant import CodeGrant
from sandbox.door import FhirDoor, TokenDoor
from sandbox.ehr import Ehr
from sandbox.keys import load_admin_token, load_signing_key, public_set
from sandbox.oauth import TokenEndpoint
from sandbox.openid import OpenId
from sandbox.people import staff_of_file
from sandbox.personalities import conduct_of
from sandbox.resource_types import RESOURCE_TYPES
from sandbox.settings import SandboxSettings
from sandbox.wire import CuttableProtocol

__all__ = ["SandboxSettings", "make_app", "serve"]

#: Requests still open when the process is told to stop (a fault may hold one for an hour) get this long.
_STOP_S = 2


def make_app(settings: SandboxSettings, *, public_url: str | None = None) -> Starlette:
    """The sandbox's application; its files are opened when its lifespan starts.

    Args:
        settings: as in `SandboxSettings`.
        public_url: scheme, host and port it will be reached by, where the settings cannot know (port 0).

    Raises:
        ValueError: nobody said where it will be reached.
    """
    url = public_url or settings.public_url or (f"http://{settings.host}:{settings.port}" if settings.port else None)
    if url is None:
        raise ValueError("A sandbox on a free port needs its public_url: serve() knows it, make_app() does not.")
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    ehr = Ehr(settings, public_url=url.rstrip("/"))
    key = load_signing_key(settings.data_dir / "signing-key.json")
    secret = (
        settings.admin_token.get_secret_value()
        if settings.admin_token
        else load_admin_token(settings.data_dir / "admin-token")
    )

    async def register_clients() -> None:
        if settings.clients_file is not None:
            for client in clients_of_file(settings.clients_file):
                await ehr.database.write(partial(register, client))
        if settings.people_file is not None:
            await ehr.database.write(staff_of_file(settings.people_file).keep)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        ehr.open()
        await register_clients()
        yield
        await ehr.close()

    by_code = CodeGrant(ehr, key)
    tokens = TokenEndpoint(ehr, key, {"authorization_code": by_code.token})
    routes = [
        *_documents(ehr, Access(ehr, key)),
        Route("/oauth/token", TokenDoor(ehr, tokens), methods=["POST"]),
        *OpenId(ehr, by_code).routes(),
        *Admin(ehr, secret, register_clients).routes(),
        Mount("/", FhirDoor(ehr, Access(ehr, key))),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


def _documents(ehr: Ehr, access: Access) -> list[Route]:
    def smart() -> object:
        return smart_configuration(ehr.behaviour, public_url=ehr.public_url, scopes=_scopes(ehr))

    def openid() -> object:
        return openid_configuration(ehr.behaviour, public_url=ehr.public_url, scopes=_scopes(ehr))

    return [
        Route("/.well-known/smart-configuration", _document(smart)),
        Route("/fhir/.well-known/smart-configuration", _document(smart)),
        Route("/.well-known/openid-configuration", _document(openid)),
        Route("/oauth/jwks", _document(lambda: public_set(access.key))),
    ]


def _scopes(ehr: Ehr) -> list[str]:
    # Of every type, whatever can be written of it: a scope is no capability.
    of_types = ["system/*.cruds", *(f"system/{name}.cruds" for name in RESOURCE_TYPES)]
    return [*of_types, *ehr.conduct.personality.scopes]


def _document(content: Callable[[], object]) -> Callable[[Request], Response]:
    def endpoint(_request: Request) -> Response:
        return JSONResponse(content(), headers={"Cache-Control": "max-age=60"})

    return endpoint


def serve(settings: SandboxSettings) -> None:
    """Serve until SIGTERM or SIGINT; prints one line with the address when requests are taken."""
    try:
        conduct_of(settings.stated())
    except Refusal as refusal:
        raise SystemExit(f"The sandbox was not started: {refusal}") from None
    listener = _listen(settings)
    url = settings.public_url or f"http://{settings.host}:{listener.getsockname()[1]}"
    app = make_app(settings, public_url=url)
    config = uvicorn.Config(
        app,
        http=CuttableProtocol,
        loop="asyncio",
        ws="none",
        lifespan="on",
        access_log=False,
        log_level=logging.WARNING,
        date_header=False,
        server_header=False,
        timeout_graceful_shutdown=_STOP_S,
    )
    _Server(config, ready=f"sandbox ready at {url}").run(sockets=[listener])


class _Server(uvicorn.Server):
    """Says one line when it takes requests, for whoever started it and waits."""

    def __init__(self, config: uvicorn.Config, *, ready: str) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            print(self._ready, flush=True)  # noqa: T201 - the ready line


def _listen(settings: SandboxSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # Named as TCP, else asyncio leaves out TCP_NODELAY and every small answer waits 40 ms for its ACK.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise SystemExit(
            f"The sandbox cannot listen on {settings.host}, port {settings.port}: {error.strerror}. Nothing was started; "
            "give another --port, or end what uses this one."
        ) from None
    listener.listen(1024)
    return listener
