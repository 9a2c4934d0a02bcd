"""The kill switches: who may look, who may turn them. What a switch stops is decided by the claim."""

from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response
from pydantic import StringConstraints

from api.auth import Caller
from api.models import SwitchDocument, SwitchesDocument
from api.problems import not_permitted
from api.request_body import parse_model, parse_object, read_body
from canonical.datatypes import Boolean, Element
from canonical.errors import FieldError, RefusedError
from canonical.principal import ADMIN, OPERATOR, Principal

if TYPE_CHECKING:
    from config.wiring import Services

#: Whose switch stops every tenant, and its only key.
_SERVICE = "*"


class SwitchRequest(Element):
    """One switch and how it shall stand; ``reason`` is for whoever looks next, without patient data."""

    kind: Literal["service", "tenant", "connection", "app", "action"]
    key: Annotated[str, StringConstraints(pattern=r"^(\*|[A-Za-z0-9._:\-]{1,128})$")]
    on: Boolean
    reason: Annotated[str, StringConstraints(min_length=1, max_length=200)]


class SwitchDoor:
    """``/v1/switches``: off, nothing they govern is sent; commands wait and go on when they are on again."""

    def __init__(self, services: "Services") -> None:
        """Serve with ``services``."""
        self._switches, self._limit = services.doors.switches, services.settings.body_limit

    def router(self) -> APIRouter:
        """Return the routes."""
        router = APIRouter(tags=["switches"])
        router.add_api_route("/v1/switches", self.all, methods=["GET"], response_model=SwitchesDocument)
        router.add_api_route("/v1/switches", self.turn, methods=["PUT"], response_model=SwitchesDocument)
        return router

    def all(self, principal: Caller) -> SwitchesDocument:
        """Return the tenant's switches and the service's; one that was never needed is not listed and is on."""
        if not (principal.administers or principal.operates):
            raise not_permitted(ADMIN)
        return self._document(principal)

    async def turn(self, request: Request, principal: Caller) -> Response:
        """Turn one switch; effective with the next claim. What is in flight already is not called back.

        A connection or action that is not known is refused; ``note`` says when no command has come from or for an app yet.
        """
        raw = await read_body(request, limit=self._limit)
        asked = parse_model(SwitchRequest, parse_object(raw))
        tenant = _owner(asked, principal)
        note = await run_in_threadpool(
            lambda: self._switches.turn(
                tenant,
                kind=asked.kind,
                key=asked.key,
                on=asked.on,
                reason=asked.reason,
                by=principal.actor,
            )
        )
        document = (await run_in_threadpool(self._document, principal)).model_copy(update={"note": note})
        return JSONResponse(document.model_dump(mode="json", by_alias=True))

    def _document(self, principal: Principal) -> SwitchesDocument:
        found = self._switches.all(principal.tenant)
        return SwitchesDocument(switches=tuple(SwitchDocument.model_validate(item) for item in found))


def _owner(asked: SwitchRequest, principal: Principal) -> str:
    """Return whose switch it is, if the caller may turn it."""
    if asked.kind == "service":
        if not principal.operates:
            raise not_permitted(OPERATOR)
        if asked.key != _SERVICE:
            raise _wrong_key("the service has one switch, *")
        return _SERVICE
    if not principal.administers:
        raise not_permitted(ADMIN)
    if asked.kind == "tenant" and asked.key != principal.tenant:
        raise _wrong_key("a tenant's switch has the tenant's own name")
    return principal.tenant


def _wrong_key(detail: str) -> RefusedError:
    error = FieldError(pointer="/key", code="switch-unknown", detail=detail)
    return RefusedError("invalid-field", "There is no such switch. Nothing was turned.", errors=(error,))
