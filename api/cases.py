"""The case door: the review queue for a hospital's own pages and tools. What may be decided is the desk's to say.

The same queue as under ``/review``; ``docs/reviewing.md`` tells how a case lives.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Protocol, TypeVar

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel

from api.auth import Caller
from api.case_access import CaseAccess
from api.case_documents import bulk_document, case_document, decided_document, decision_of, queue_document
from api.case_models import (
    BreakGlassRequest,
    BulkDocument,
    BulkRequest,
    CaseDocument,
    DecidedDocument,
    DecisionRequest,
    QueueDocument,
    QueueFilters,
)
from api.problems import not_found
from api.request_body import parse_model, parse_object, read_body
from canonical.case_views import CasePage, QueuePage, QueueQuery
from canonical.review_desk import BulkResult, Decided, Decision, ReviewError, Verb
from canonical.reviewer import Reviewer

_ONE = "/v1/cases/{case_id}"
#: A bigint has more digits than this only where no case is.
_DIGITS = 18
#: Whose decision rests on a look that counts no more: what to do over HTTP.
_LOOK_AGAIN = frozenset({"stale-view", "forged-view", "already-decided", "not-possible"})
Asked = TypeVar("Asked", bound=BaseModel)


class Cases(Protocol):
    """What the door needs of :class:`canonical.review_desk.ReviewDesk`."""

    def queue(self, reviewer: Reviewer, query: QueueQuery) -> QueuePage: ...
    def open(self, reviewer: Reviewer, case_id: int, *, break_glass: str = "") -> CasePage: ...
    def claim(self, reviewer: Reviewer, case_id: int) -> CasePage: ...
    def release(self, reviewer: Reviewer, case_id: int) -> None: ...
    def decide(self, reviewer: Reviewer, case_id: int, decision: Decision) -> Decided: ...
    def bulk(
        self, reviewer: Reviewer, case_ids: tuple[int, ...], verb: Verb, *, reason: str, text: str
    ) -> BulkResult: ...


class CaseDoor:
    """``/v1/cases``, one case, and what may be done with it."""

    def __init__(self, desk: Cases, access: CaseAccess, *, body_limit: int) -> None:
        """Serve ``desk`` to those whom ``access`` knows; ``body_limit`` in bytes."""
        self._desk, self._access, self._limit = desk, access, body_limit

    def router(self) -> APIRouter:
        """Return the routes."""
        router = APIRouter(tags=["cases"])
        router.add_api_route("/v1/cases", self.queue, methods=["GET"], response_model=QueueDocument)
        router.add_api_route("/v1/cases:bulk", self.bulk, methods=["POST"], response_model=BulkDocument)
        router.add_api_route(_ONE, self.read, methods=["GET"], response_model=CaseDocument)
        router.add_api_route(f"{_ONE}:open", self.open, methods=["POST"], response_model=CaseDocument)
        router.add_api_route(f"{_ONE}:claim", self.claim, methods=["POST"], response_model=CaseDocument)
        router.add_api_route(f"{_ONE}:release", self.release, methods=["POST"], status_code=204)
        router.add_api_route(f"{_ONE}:decide", self.decide, methods=["POST"], response_model=DecidedDocument)
        return router

    def queue(self, filters: Annotated[QueueFilters, Query()], principal: Caller) -> Response:
        """List open cases, most severe first and then by due time. Patients and values only with the right to see them."""
        reviewer = self._access.looking(principal)
        return _json(queue_document(self._desk.queue(reviewer, QueueQuery(**filters.model_dump()))))

    def read(self, case_id: str, principal: Caller) -> Response:
        """Open a case: the chart is read just now, and `view` names what you saw of it.

        A case whose question the chart has answered closes itself, and says so in `closed`. Of a case of another tenant or
        queue nothing is told but that it is not there.
        """
        reviewer, case = self._access.looking(principal), _id(case_id)
        return _json(case_document(self._desk.open(reviewer, case)))

    async def open(self, case_id: str, request: Request, principal: Caller) -> Response:
        """Open a case of a patient in a restricted class, with the reason why you must; the reason is recorded."""
        reviewer, case = self._access.person(principal), _id(case_id)
        why = (await self._body(BreakGlassRequest, request)).break_glass
        return await _answer(lambda: case_document(self._desk.open(reviewer, case, break_glass=why)))

    def claim(self, case_id: str, principal: Caller) -> Response:
        """Take a case for yourself for some minutes: colleagues see who has it and cannot decide it. Again: some minutes more."""
        reviewer, case = self._access.person(principal), _id(case_id)
        return _json(case_document(self._desk.claim(reviewer, case)))

    def release(self, case_id: str, principal: Caller) -> Response:
        """Give a case back. One that you do not have stays as it is."""
        reviewer, case = self._access.person(principal), _id(case_id)
        self._desk.release(reviewer, case)
        return Response(status_code=204)

    async def decide(self, case_id: str, request: Request, principal: Caller) -> Response:
        """Decide a case on the chart that you saw. The chart is read again first: if it moved, nothing is changed.

        A `view` is used once: sent again, the answer is `already-decided`. What was decided is sent at once; follow it at
        `/v1/cases/{case_id}`.
        """
        reviewer, case = self._access.person(principal), _id(case_id)
        asked = decision_of(await self._body(DecisionRequest, request))

        def decide() -> dict[str, Any]:
            with _told_what_to_do(case):
                return decided_document(self._desk.decide(reviewer, case, asked))

        return await _answer(decide)

    async def bulk(self, request: Request, principal: Caller) -> Response:
        """Act on up to 100 cases of one kind and connection: send again, ask the author, reject, hand up; nothing else."""
        reviewer = self._access.person(principal)
        asked = await self._body(BulkRequest, request)
        ids = tuple(dict.fromkeys(asked.cases))
        return await _answer(
            lambda: bulk_document(self._desk.bulk(reviewer, ids, asked.verb, reason=asked.reason, text=asked.text))
        )

    async def _body(self, model: type[Asked], request: Request) -> Asked:
        return parse_model(model, parse_object(await read_body(request, limit=self._limit)))


@contextmanager
def _told_what_to_do(case: int) -> Iterator[None]:
    """Add to a refusal where to look again."""
    try:
        yield
    except ReviewError as error:
        if error.code not in _LOOK_AGAIN:
            raise
        raise ReviewError(error.code, f"{error} GET /v1/cases/{case} shows the case as it is now.") from None


async def _answer(work: Callable[[], dict[str, Any]]) -> Response:
    return _json(await run_in_threadpool(work))


def _json(document: dict[str, Any]) -> Response:
    return JSONResponse(document, headers={"Cache-Control": "no-store"})


def _id(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= _DIGITS):
        raise not_found()
    return int(text)
