"""The ways in, for FHIR and for token requests: what is asked, by whom, and may they; not the doing."""

from abc import ABC, abstractmethod
from dataclasses import replace
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from sandbox.access import Access
from sandbox.answers import Answer, Refusal
from sandbox.bundles import parse_bundle
from sandbox.call import BUNDLES, Call, Interaction
from sandbox.delivery import deliver
from sandbox.ehr import Ehr
from sandbox.exchange import Exchange
from sandbox.faults import Facts, Parameters
from sandbox.oauth import TokenEndpoint
from sandbox.personality import Route
from sandbox.target import target_of


class Door(ABC):
    """An ASGI application that makes an exchange of a request, lets it meet its fault and has it answered."""

    for_tokens = False

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
            self.ehr.meter.count(self.ehr.behaviour, exchange.arrived_at, token=self.for_tokens)
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
    """The application under `/fhir`, and at the paths of the personality's own interface."""

    def __init__(self, ehr: Ehr, access: Access) -> None:
        super().__init__(ehr)
        self._access = access

    async def understand(self, exchange: Exchange, request: Request) -> None:
        for route in self.ehr.conduct.personality.routes:
            groups = route.groups_of(exchange.method, exchange.path)
            if groups is not None:
                await self._understand_native(exchange, request, route, groups)
                return
        await self._understand_fhir(exchange, request)

    async def _understand_native(
        self, exchange: Exchange, request: Request, route: Route, groups: dict[str, str]
    ) -> None:
        exchange.call = replace(
            exchange.call, interaction=route.interaction, type=route.type, native=route.answer, groups=groups
        )
        if route.scope is not None:
            exchange.client = self._access.client_of_native(exchange.call, route.scope)
        pairs = tuple(parse_qsl(exchange.query, keep_blank_values=True))
        exchange.call = replace(exchange.call, body=await self.body(request), pairs=pairs, client=exchange.client)

    async def _understand_fhir(self, exchange: Exchange, request: Request) -> None:
        exchange.call = replace(exchange.call, **target_of(self._method(exchange), exchange.path))
        if exchange.call.interaction is Interaction.CAPABILITIES:
            exchange.answered_by = self._capabilities
        _check_accept(exchange.call.headers.get("accept", "*/*"))
        exchange.client = self._access.client_of(exchange.call)
        if exchange.call.type:
            self.ehr.conduct.check_offered(exchange.call.interaction, exchange.call.type)
        exchange.call = replace(exchange.call, body=await self.body(request), client=exchange.client)
        if exchange.call.interaction is Interaction.SEARCH:
            exchange.call = replace(exchange.call, pairs=_pairs(exchange))
        elif exchange.call.interaction in BUNDLES:
            exchange.call = parse_bundle(exchange.call, self.ehr.base)
            self._access.check_entries(exchange.call)

    def _method(self, exchange: Exchange) -> str:
        override = exchange.call.headers.get("x-http-method-override")
        return override if override and self.ehr.behaviour.method_override else exchange.method

    async def _capabilities(self, call: Call) -> Answer:
        return Answer(status=200, body=self.ehr.capabilities())


class TokenDoor(Door):
    """The application at the token endpoint."""

    for_tokens = True

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


def _check_accept(accept: str) -> None:
    wanted = {part.partition(";")[0].strip().lower() for part in accept.split(",")}
    if not wanted & {"*/*", "application/*", "application/fhir+json", "application/json"}:
        raise Refusal(406, "not-supported", "Only application/fhir+json can be had here.")


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
