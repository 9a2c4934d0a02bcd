"""The app's word that an author saw what became of their command: ``POST /v1/commands/{id}:acknowledge``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response
from pydantic import Field

from api.auth import Caller
from api.command_documents import acknowledgement_document
from api.models import AcknowledgedDocument
from api.own_command import own_command
from api.problems import Problem, not_found
from api.request_body import parse_model, parse_object, read_body
from canonical.acknowledging import Heard
from canonical.datatypes import Element, Identifier
from canonical.errors import FieldError, RefusedError

if TYPE_CHECKING:
    from canonical.principal import Principal
    from config.wiring import Services

#: No command has nearly as many events, and the store counts in four octets.
_MOST = 1_000_000_000
_NOTHING_OWED = "Nothing of this command needs to be acknowledged now. Nothing was changed."
_NOTED = "It is noted that the author saw this."


class AcknowledgeRequest(Element):
    """What the author was shown: the command as of its event ``sequence``; ``seenBy`` is who saw it."""

    sequence: Annotated[int, Field(ge=1, le=_MOST, strict=True)]
    seen_by: Identifier | None = None


class AcknowledgementDoor:
    """Takes acknowledgements."""

    def __init__(self, services: Services) -> None:
        """Serve with ``services``."""
        self._commands, self._acknowledgements = services.doors.commands, services.doors.acknowledgements
        self._limit = services.settings.body_limit

    def router(self) -> APIRouter:
        """Return the routes."""
        router = APIRouter(tags=["commands"])
        path = "/v1/commands/{command_id}:acknowledge"
        router.add_api_route(path, self.acknowledge, methods=["POST"], response_model=AcknowledgedDocument)
        return router

    async def acknowledge(self, command_id: str, request: Request, principal: Caller) -> Response:
        """Confirm that the author saw where the command is. Again, or where nothing is owed, it changes nothing."""
        raw = await read_body(request, limit=self._limit)
        said = parse_model(AcknowledgeRequest, parse_object(raw))
        document = await run_in_threadpool(self._acknowledge, command_id, said, principal)
        return JSONResponse(document.model_dump(mode="json", by_alias=True))

    def _acknowledge(self, command_id: str, said: AcknowledgeRequest, principal: Principal) -> AcknowledgedDocument:
        command = own_command(self._commands, command_id, principal).id
        heard = self._acknowledgements.acknowledge(
            principal.tenant,
            principal.app,
            command,
            sequence=said.sequence,
            seen_by=_who(said.seen_by),
            actor=principal.actor,
        )
        _check(heard)
        owed = self._acknowledgements.of(principal.tenant, command)
        sentence = _NOTHING_OWED if heard is Heard.NOTHING_OWED else _NOTED
        return AcknowledgedDocument(
            command_id=command, sentence=sentence, acknowledgement=acknowledgement_document(owed)
        )


def _who(identifier: Identifier | None) -> str | None:
    if identifier is None or not identifier.value:
        return None
    return f"{identifier.system}|{identifier.value}" if identifier.system else identifier.value


def _check(heard: Heard | None) -> None:
    """Pass only what counts, or did before, or was not needed."""
    if heard is None:
        raise not_found()
    if heard is Heard.OUTDATED:
        raise Problem(
            "acknowledgement-outdated",
            "The command is not where it was when its author saw it. Show them where it is now, and acknowledge that.",
        )
    if heard is Heard.NO_SUCH_EVENT:
        error = FieldError(pointer="/sequence", code="unknown-event", detail="the command has no such event yet")
        raise RefusedError("invalid-field", "Only what there is can be acknowledged.", errors=(error,))
