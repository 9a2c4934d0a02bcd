"""The search door of the case queue and its board: cases open and closed by what names them, and the numbers of the queue."""

from typing import Protocol

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response

from api.auth import Caller
from api.board_models import BoardDocument
from api.case_access import CaseAccess
from api.case_documents import board_document, found_document, query_of
from api.case_models import CaseSearchRequest, CasesFoundDocument
from api.request_body import parse_model, parse_object, read_body
from canonical.case_views import BoardView, CaseQuery, CasesFound
from canonical.reviewer import Reviewer

_PRIVATE = {"Cache-Control": "no-store"}


class Finding(Protocol):
    """What the door needs of :class:`canonical.review_desk.ReviewDesk`."""

    def find_cases(self, reviewer: Reviewer, query: CaseQuery) -> CasesFound: ...
    def board(self, reviewer: Reviewer) -> BoardView: ...


class CaseSearchDoor:
    """``/v1/cases/_search`` and ``/v1/board``."""

    def __init__(self, desk: Finding, access: CaseAccess, *, body_limit: int) -> None:
        """Serve ``desk`` to those whom ``access`` knows; ``body_limit`` in bytes."""
        self._desk, self._access, self._limit = desk, access, body_limit

    def router(self) -> APIRouter:
        """Return the routes."""
        router = APIRouter(tags=["cases"])
        router.add_api_route("/v1/cases/_search", self.search, methods=["POST"], response_model=CasesFoundDocument)
        router.add_api_route("/v1/board", self.board, methods=["GET"], response_model=BoardDocument)
        return router

    async def search(self, request: Request, principal: Caller) -> Response:
        """Find cases, open or closed, newest first. What names a patient stands in the body only: addresses are logged."""
        reviewer = self._access.looking(principal)
        asked = parse_model(CaseSearchRequest, parse_object(await read_body(request, limit=self._limit)))
        found = await run_in_threadpool(self._desk.find_cases, reviewer, query_of(asked))
        return JSONResponse(found_document(found), headers=_PRIVATE)

    def board(self, principal: Caller) -> Response:
        """Read the figures of the queue, as the board page shows them: a few seconds old at most."""
        return JSONResponse(board_document(self._desk.board(self._access.looking(principal))), headers=_PRIVATE)
