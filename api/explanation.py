"""``GET /v1/commands/{id}/explanation``: what was intended, what happened, what the chart says now. Nothing is sent."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from api.auth import Caller
from api.models import Document
from api.problems import not_found
from canonical.explanation import Answer, Explanation, Standing
from canonical.principal import Principal
from reconcile.explaining.explainer import Asker

if TYPE_CHECKING:
    from config.wiring import Services


class ExplainedLineDocument(Document):
    """One statement: what it is about, and what is said."""

    label: str
    text: str


class AnswerDocument(Document):
    """One answer; ``trouble`` says why it cannot be given."""

    lines: tuple[ExplainedLineDocument, ...]
    trouble: str


class ChartAnswerDocument(AnswerDocument):
    """What is authoritative now, read at ``readAt``.

    ``says``: ``saysIt``, ``differs``, ``notThere``, ``notSent``, ``notKnown`` or ``notRead``.
    """

    says: str
    read_at: datetime


class ExplanationDocument(Document):
    """Three answers about one command; content is shown to the app that sent it alone."""

    id: UUID
    what: str
    safe: str
    next: str
    intended: AnswerDocument
    happened: AnswerDocument
    now: ChartAnswerDocument


class ExplanationDoor:
    """Answers three questions for the app that sent a command, and without its content for whoever may read the tenant."""

    def __init__(self, services: "Services") -> None:
        """Serve with ``services``."""
        self._explainer = services.explainer

    def router(self) -> APIRouter:
        """Return the route."""
        router = APIRouter(tags=["commands"])
        address = "/v1/commands/{command_id}/explanation"
        router.add_api_route(address, self.explain, methods=["GET"], response_model=ExplanationDocument)
        return router

    def explain(self, command_id: str, principal: Caller) -> Response:
        """Return what was intended, what happened, and what the chart says now; another tenant's or app's is not there."""
        try:
            command = UUID(command_id)
        except ValueError:
            raise not_found() from None
        found = self._explainer.explain(principal.tenant, command, _asker(principal))
        if found is None:
            raise not_found()
        body = explanation_document(found).model_dump(mode="json", by_alias=True)
        return JSONResponse(body, headers={"Cache-Control": "no-store"})


def _asker(principal: Principal) -> Callable[[Standing], Asker | None]:
    def asker(standing: Standing) -> Asker | None:
        if standing.app == principal.app:
            return Asker(shows=True)
        return Asker(shows=False) if principal.reads_tenant else None

    return asker


def explanation_document(explanation: Explanation) -> ExplanationDocument:
    """Return the document of an explanation."""
    now = explanation.now
    return ExplanationDocument(
        id=explanation.id,
        what=explanation.head.what,
        safe=explanation.head.safe,
        next=explanation.head.next,
        intended=AnswerDocument(lines=_lines(explanation.intended), trouble=explanation.intended.trouble),
        happened=AnswerDocument(lines=_lines(explanation.happened), trouble=explanation.happened.trouble),
        now=ChartAnswerDocument(lines=_lines(now), trouble=now.trouble, says=now.says.value, read_at=now.read_at),
    )


def _lines(answer: Answer) -> tuple[ExplainedLineDocument, ...]:
    return tuple(ExplainedLineDocument(label=line.label, text=line.text) for line in answer.lines)
