"""The replay door: asking for commands to be sent again, looking at what became of each, and steering it. It sends nothing."""

from collections.abc import Callable
from typing import Annotated, Protocol
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response

from api.auth import Caller
from api.case_access import CaseAccess
from api.problems import not_found
from api.replay_models import ReplayDocument, ReplayRequest, replay_document
from api.request_body import parse_model, parse_object, read_body
from canonical.errors import FieldError, RefusedError
from canonical.replay import Mode, Replay, ReplayItem, Selection, Step
from canonical.reviewer import Reviewer

_ONE = "/v1/replays/{replay_id}"
#: A replay has at most as many items as this has digits.
_DIGITS = 9
Limit = Annotated[int, Query(ge=1, le=100)]


class Replays(Protocol):
    """What the door needs of the desk of replays."""

    def ask(
        self,
        reviewer: Reviewer,
        selection: Selection,
        *,
        reason: str,
        mode: Mode = ...,
        dry_run: bool = ...,
        batch: int | None = ...,
        per_minute: int | None = ...,
    ) -> Replay: ...
    def show(self, reviewer: Reviewer, replay: UUID) -> Replay: ...
    def items(
        self, reviewer: Reviewer, replay: UUID, *, after: int = ..., limit: int = ...
    ) -> tuple[ReplayItem, ...]: ...
    def step(self, reviewer: Reviewer, replay: UUID, step: Step) -> Replay: ...


class ReplayDoor:
    """``/v1/replays``, one of them, and what may be done with it."""

    def __init__(self, desk: Replays, access: CaseAccess, *, body_limit: int) -> None:
        """Serve ``desk`` to those whom ``access`` knows; ``body_limit`` in bytes."""
        self._desk, self._access, self._limit = desk, access, body_limit

    def router(self) -> APIRouter:
        """Return the routes."""
        router = APIRouter(tags=["replays"])
        router.add_api_route("/v1/replays", self.ask, methods=["POST"], status_code=201, response_model=ReplayDocument)
        router.add_api_route(_ONE, self.show, methods=["GET"], response_model=ReplayDocument)
        for step, act in ((Step.START, self.start), (Step.PAUSE, self.pause), (Step.RESUME, self.resume)):
            router.add_api_route(f"{_ONE}:{step}", act, methods=["POST"], response_model=ReplayDocument)
        router.add_api_route(f"{_ONE}:{Step.CANCEL}", self.cancel, methods=["POST"], response_model=ReplayDocument)
        return router

    async def ask(self, request: Request, principal: Caller) -> Response:
        """Ask for commands to be sent again: those named, or all that stand still and match.

        Without `dryRun: false` it is a dry run: the door's checks, the question to the EHR whether it has them already, and the
        plan, for every item, and nothing is moved; `:start` then does it. Nothing is sent of which the EHR cannot say that it is
        not there.
        """
        reviewer = self._access.person(principal)
        raw = await read_body(request, limit=self._limit)
        asked = parse_model(ReplayRequest, parse_object(raw))
        return await _answer(
            lambda: self._desk.ask(
                reviewer,
                asked.selection.as_selection(),
                reason=asked.reason,
                mode=asked.mode,
                dry_run=asked.dry_run,
                batch=asked.batch_size,
                per_minute=asked.rate_per_minute,
            ),
            status=201,
        )

    def show(self, replay_id: str, principal: Caller, cursor: str | None = None, limit: Limit = 50) -> Response:
        """Return a replay with a page of its items, in order."""
        reviewer, replay, after = self._access.looking(principal), _id(replay_id), _position(cursor)
        found = self._desk.show(reviewer, replay)
        items = self._desk.items(reviewer, replay, after=after, limit=limit + 1)
        more = str(items[limit - 1].seq) if len(items) > limit else None
        return _json(replay_document(found, items[:limit], cursor=more))

    async def start(self, replay_id: str, principal: Caller) -> Response:
        """Do what a dry run looked at. Every item is looked at again first."""
        return await self._step(replay_id, principal, Step.START)

    async def pause(self, replay_id: str, principal: Caller) -> Response:
        """Begin no further item until it is resumed. What was begun ends."""
        return await self._step(replay_id, principal, Step.PAUSE)

    async def resume(self, replay_id: str, principal: Caller) -> Response:
        """Go on with what was not begun."""
        return await self._step(replay_id, principal, Step.RESUME)

    async def cancel(self, replay_id: str, principal: Caller) -> Response:
        """Begin no further item, ever. What was handed on goes its way: it is taken back as any command is."""
        return await self._step(replay_id, principal, Step.CANCEL)

    async def _step(self, replay_id: str, principal: Caller, step: Step) -> Response:
        reviewer, replay = self._access.person(principal), _id(replay_id)
        return await _answer(lambda: self._desk.step(reviewer, replay, step))


async def _answer(work: Callable[[], Replay], *, status: int = 200) -> Response:
    return _json(replay_document(await run_in_threadpool(work)), status=status)


def _json(document: ReplayDocument, *, status: int = 200) -> Response:
    headers = {"Cache-Control": "no-store"} | ({"Location": f"/v1/replays/{document.id}"} if status == 201 else {})
    return JSONResponse(document.model_dump(mode="json", by_alias=True), status_code=status, headers=headers)


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise not_found() from None


def _position(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) <= _DIGITS):
        error = FieldError(pointer="/cursor", code="invalid-cursor", detail="not a cursor of this replay")
        raise RefusedError("invalid-field", "The cursor is none of ours: ask again without it.", errors=(error,))
    return int(cursor)
