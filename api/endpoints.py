"""Where an app wants to be told: it registers addresses here, once, never in an envelope. Sending is not done here."""

import base64
import secrets
import socket
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response
from pydantic import Field, StringConstraints

from api.auth import Caller
from api.models import EndpointDocument, EndpointsDocument, EndpointSecretDocument
from api.problems import not_found
from api.request_body import parse_model, parse_object, read_body
from canonical.datatypes import Element
from canonical.errors import FieldError, RefusedError
from canonical.principal import Principal
from tasks.callback_address import AddressRules

if TYPE_CHECKING:
    from config.wiring import Services

_POINTER = "/url"
_SECRET_BYTES = 32


class EndpointRequest(Element):
    """An address to register; ``showsAuthor``: what is told there is shown to the author, and taking it acknowledges it."""

    url: Annotated[str, StringConstraints(min_length=1, max_length=2_000)]
    shows_author: Annotated[bool, Field(strict=True)] = False


class EndpointDoor:
    """``/v1/endpoints``: each app sees and changes its own. The signing secret is shown once, when it is made."""

    def __init__(self, services: "Services") -> None:
        """Serve with ``services``."""
        settings = services.settings
        self._endpoints, self._limit = services.doors.endpoints, settings.body_limit
        self._rules = AddressRules(
            allow_loopback=settings.callbacks_allow_loopback, allow_private=settings.callbacks_allow_private
        )

    def router(self) -> APIRouter:
        """Return the routes."""
        router = APIRouter(tags=["endpoints"])
        one = "/v1/endpoints/{endpoint_id}"
        router.add_api_route("/v1/endpoints", self.all, methods=["GET"], response_model=EndpointsDocument)
        router.add_api_route(
            "/v1/endpoints", self.register, methods=["POST"], status_code=201, response_model=EndpointSecretDocument
        )
        router.add_api_route(one, self.read, methods=["GET"], response_model=EndpointDocument)
        router.add_api_route(one, self.disable, methods=["DELETE"], response_model=EndpointDocument)
        router.add_api_route(one + ":rotate", self.rotate, methods=["POST"], response_model=EndpointSecretDocument)
        return router

    def all(self, principal: Caller) -> EndpointsDocument:
        """Return the app's endpoints, disabled ones included."""
        found = self._endpoints.all(principal.tenant, principal.app)
        return EndpointsDocument(endpoints=tuple(EndpointDocument.model_validate(item) for item in found))

    def read(self, endpoint_id: str, principal: Caller) -> EndpointDocument:
        """Return one endpoint, without its secret."""
        found = self._endpoints.find(principal.tenant, principal.app, _id(endpoint_id))
        if found is None:
            raise not_found()
        return EndpointDocument.model_validate(found)

    async def register(self, request: Request, principal: Caller) -> Response:
        """Register an address; registered before, it gets a new secret. This answer alone holds the secret."""
        raw = await read_body(request, limit=self._limit)
        asked = parse_model(EndpointRequest, parse_object(raw))
        await run_in_threadpool(check_address, asked.url, self._rules)
        secret = new_secret()
        made = await run_in_threadpool(self._register, principal, asked, secret)
        document = EndpointSecretDocument(**made.model_dump(), secret=secret)
        headers = {"Location": f"/v1/endpoints/{made.id}", "Cache-Control": "no-store"}
        return JSONResponse(document.model_dump(mode="json", by_alias=True), status_code=201, headers=headers)

    def _register(self, principal: Principal, asked: EndpointRequest, secret: str) -> EndpointDocument:
        made = self._endpoints.register(
            principal.tenant, principal.app, url=asked.url, secret=secret, shows_author=asked.shows_author
        )
        return EndpointDocument.model_validate(made)

    def rotate(self, endpoint_id: str, principal: Caller) -> Response:
        """Make a new secret; the old one signs nothing from now on. A disabled endpoint is taken up again."""
        secret = new_secret()
        made = self._endpoints.change_secret(principal.tenant, principal.app, _id(endpoint_id), secret=secret)
        if made is None:
            raise not_found()
        document = EndpointSecretDocument(**EndpointDocument.model_validate(made).model_dump(), secret=secret)
        return JSONResponse(document.model_dump(mode="json", by_alias=True), headers={"Cache-Control": "no-store"})

    def disable(self, endpoint_id: str, principal: Caller) -> EndpointDocument:
        """Send nothing to the endpoint any more, what is waiting included; it stays on record."""
        found = self._endpoints.disable(principal.tenant, principal.app, _id(endpoint_id))
        if found is None:
            raise not_found()
        return EndpointDocument.model_validate(found)


def new_secret() -> str:
    """Return a signing secret as Standard Webhooks writes it."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def check_address(url: str, rules: AddressRules) -> None:
    """Pass only if callbacks may go to ``url``: https (http to loopback, where allowed), and every address it has admitted.

    The sender looks again at each connection. Raises ``RefusedError`` ``address-refused``.
    """
    if not url.isascii() or not url.isprintable() or " " in url:
        # The library drops some of them unseen: what is checked must be what is called.
        raise _refused(
            "not-an-address", "An address has no white space, no control characters, and is written in ASCII."
        )
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise _refused("not-an-address", "This is not an address.") from None
    host = parts.hostname
    if parts.scheme not in {"https", "http"} or not host:
        raise _refused("scheme", "Callbacks go to https:// addresses.")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise _refused("credentials", "An address for callbacks carries no credentials and no fragment.")
    if parts.scheme == "http":
        # Unencrypted only where nothing leaves the machine.
        rules = AddressRules(allow_loopback=rules.allow_loopback, public=False)
    try:
        found = {item[4][0] for item in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        raise _refused("unresolvable", "The host name of this address cannot be resolved.") from None
    if not all(rules.admits(str(address)) for address in found):
        raise _refused("address", "Callbacks may not go to this kind of address.")


def _refused(code: str, detail: str) -> RefusedError:
    error = FieldError(pointer=_POINTER, code=code, detail=detail)
    return RefusedError("address-refused", f"{detail} Nothing was registered.", errors=(error,))


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise not_found() from None
