"""The ways in, for FHIR and for token requests: what is asked, by whom, and may they; not the doing."""

import re
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from sandbox.access import Access
from sandbox.answers import Answer, Refusal
from sandbox.delivery import deliver
from sandbox.ehr import Ehr
from sandbox.exchange import Exchange
from sandbox.faults import Facts, Parameters
from sandbox.interactions import Call, Interaction
from sandbox.oauth import TokenEndpoint
from sandbox.resource_types import RESOURCE_TYPES

_PATH = re.compile(
    r"/fhir/(?P<type>[A-Z][A-Za-z]*)(?:/(?:(?P<form>_search)|(?P<id>[A-Za-z0-9\-.]{1,64})(?:/_history/(?P<version>[A-Za-z0-9\-.]{1,64}))?))?/?"
)
#: What each shape of path can be asked.
_ON_TYPE = {"GET": Interaction.SEARCH, "POST": Interaction.CREATE}
_ON_FORM = {"POST": Interaction.SEARCH}
_ON_INSTANCE = {"GET": Interaction.READ, "PUT": Interaction.UPDATE, "DELETE": Interaction.DELETE}
_ON_VERSION = {"GET": Interaction.VREAD}
_ON_METADATA = {"GET": Interaction.CAPABILITIES}


class Door(ABC):
    """An ASGI application that makes an exchange of a request, lets it meet its fault and has it answered."""

    def __init__(self, ehr: Ehr) -> None:
        self.ehr = ehr

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        exchange = Exchange(
            ehr=self.ehr,
            scope=scope,
            receive=receive,
            send=send,
            call=Call(interaction=Interaction.NONE, headers=_headers(request)),
            method=request.method,
            path=request.url.path,
            query=request.url.query,
            arrived_at=self.ehr.clock(),
        )
        try:
            await self.understand(exchange, request)
        except Refusal as refusal:
            exchange.refused = refusal
        except ClientDisconnect:
            # The request never came whole, so there is nothing to process and nobody to answer.
            await exchange.log_unprocessed("dropped")
            return
        rule = None if exchange.refused else self.ehr.faults.choose(_facts(exchange))
        await deliver(exchange, rule.fault if rule else None, rule.parameters if rule else Parameters())

    @abstractmethod
    async def understand(self, exchange: Exchange, request: Request) -> None:
        """Fill in the exchange's call.

        Raises:
            Refusal: it cannot be understood or is not allowed.
        """

    async def body(self, request: Request) -> bytes:
        body = bytearray()
        limit = self.ehr.behaviour.max_body_bytes
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise Refusal(413, "too-costly", f"A body has at most {limit} bytes.", headers={"Connection": "close"})
        return bytes(body)


class FhirDoor(Door):
    """The application under `/fhir`."""

    def __init__(self, ehr: Ehr, access: Access) -> None:
        super().__init__(ehr)
        self._access = access

    async def understand(self, exchange: Exchange, request: Request) -> None:
        exchange.call = replace(exchange.call, **_target(exchange.method, exchange.path))
        if exchange.call.interaction is Interaction.CAPABILITIES:
            exchange.answered_by = self._capabilities
        _check_accept(exchange.call.headers.get("accept", "*/*"))
        exchange.client = self._access.client_of(exchange.call)
        exchange.call = replace(exchange.call, body=await self.body(request))
        if exchange.call.interaction is Interaction.SEARCH:
            exchange.call = replace(exchange.call, pairs=_pairs(exchange))

    async def _capabilities(self, call: Call) -> Answer:
        return Answer(status=200, body=self.ehr.capabilities())


class TokenDoor(Door):
    """The application at the token endpoint."""

    def __init__(self, ehr: Ehr, endpoint: TokenEndpoint) -> None:
        super().__init__(ehr)
        self._endpoint = endpoint

    async def understand(self, exchange: Exchange, request: Request) -> None:
        exchange.answered_by = self._endpoint.answer
        exchange.call = replace(exchange.call, interaction=Interaction.TOKEN, body=await self.body(request))


def _headers(request: Request) -> dict[str, str]:
    return {name.lower(): value for name, value in request.headers.items()}


def _facts(exchange: Exchange) -> Facts:
    return Facts(
        method=exchange.method,
        path=exchange.path,
        type=exchange.call.type,
        interaction=exchange.call.interaction,
        client=exchange.client,
        headers=exchange.call.headers,
    )


def _target(method: str, path: str) -> dict[str, Any]:
    if path == "/fhir/metadata":
        return {"interaction": _asked(method, _ON_METADATA)}
    found = _PATH.fullmatch(path)
    if found is None or found["type"] not in RESOURCE_TYPES:
        raise Refusal(404, "not-supported", "This server keeps no such type; see /fhir/metadata.")
    if found["version"]:
        verbs = _ON_VERSION
    elif found["id"]:
        verbs = _ON_INSTANCE
    else:
        verbs = _ON_FORM if found["form"] else _ON_TYPE
    return {
        "interaction": _asked(method, verbs),
        "type": found["type"],
        "id": found["id"] or "",
        "version": found["version"] or "",
    }


def _check_accept(accept: str) -> None:
    wanted = {part.partition(";")[0].strip().lower() for part in accept.split(",")}
    if not wanted & {"*/*", "application/*", "application/fhir+json", "application/json"}:
        raise Refusal(406, "not-supported", "Only application/fhir+json can be had here.")


def _asked(method: str, verbs: dict[str, Interaction]) -> Interaction:
    if method not in verbs:
        allowed = ", ".join(verbs)
        raise Refusal(405, "not-supported", f"Only {allowed} is possible here.", headers={"Allow": allowed})
    return verbs[method]


def _pairs(exchange: Exchange) -> tuple[tuple[str, str], ...]:
    text = exchange.query
    if exchange.method == "POST":
        content_type = exchange.call.headers.get("content-type", "").partition(";")[0].strip()
        if content_type != "application/x-www-form-urlencoded":
            raise Refusal(415, "not-supported", "A search is posted as application/x-www-form-urlencoded.")
        try:
            text = "&".join(filter(None, [text, exchange.call.body.decode("utf-8")]))
        except UnicodeDecodeError:
            raise Refusal(400, "structure", "The form is not UTF-8.") from None
    return tuple(parse_qsl(text, keep_blank_values=True))
