"""The author's answer to a reviewer: ``POST /v1/commands/{id}:answer``, from the app that sent the command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response
from pydantic import StringConstraints

from api.auth import Caller
from api.command_documents import summary_document
from api.models import CommandSummaryDocument
from api.own_command import own_command
from api.problems import Problem
from api.request_body import parse_model, parse_object, read_body
from canonical.asking import Answer, AuthorsAnswer, Taken
from canonical.datatypes import Element, Identifier
from canonical.errors import FieldError, RefusedError

if TYPE_CHECKING:
    from canonical.principal import Principal
    from config.wiring import Services


class AnswerRequest(Element):
    """What the author says to the question of a reviewer, in a word and in words of their own; ``by`` is who says it."""

    answer: Literal["keep", "withdraw", "unsure"]
    text: Annotated[str, StringConstraints(max_length=2_000)] = ""
    by: Identifier


class AnswerDoor:
    """Takes the answers of authors."""

    def __init__(self, services: Services) -> None:
        """Serve with ``services``."""
        self._commands, self._questions = services.doors.commands, services.doors.questions
        self._limit = services.settings.body_limit

    def router(self) -> APIRouter:
        """Return the routes."""
        router = APIRouter(tags=["commands"])
        router.add_api_route(
            "/v1/commands/{command_id}:answer", self.answer, methods=["POST"], response_model=CommandSummaryDocument
        )
        return router

    async def answer(self, command_id: str, request: Request, principal: Caller) -> Response:
        """Answer what a reviewer asks the author. A withdrawal ends the command where it cannot be in the chart."""
        raw = await read_body(request, limit=self._limit)
        asked = parse_model(AnswerRequest, parse_object(raw))
        document = await run_in_threadpool(self._answer, command_id, asked, principal)
        return JSONResponse(document.model_dump(mode="json", by_alias=True))

    def _answer(self, command_id: str, asked: AnswerRequest, principal: Principal) -> CommandSummaryDocument:
        found = own_command(self._commands, command_id, principal)
        if self._questions.answer(principal.tenant, found.id, _said(asked, principal)) is Taken.NOT_ASKED:
            raise Problem(
                "not-asked", "Nobody asks the author of this command anything, or the time to answer is over."
            )
        return summary_document(own_command(self._commands, command_id, principal))


def _said(asked: AnswerRequest, principal: Principal) -> AuthorsAnswer:
    if not asked.by.value:
        error = FieldError(pointer="/by/value", code="required", detail="say who answers")
        raise RefusedError("invalid-field", "An answer without anybody's name counts for nothing.", errors=(error,))
    return AuthorsAnswer(
        answer=Answer(asked.answer),
        by=asked.by.value,
        by_system=asked.by.system,
        text=asked.text.strip(),
        actor=principal.actor,
    )
