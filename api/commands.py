"""The intake door: one command, a batch, taking one back. What is accepted and why is decided in ``tasks/receive.py``."""

import asyncio
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response

from api.auth import Caller
from api.command_documents import summary_document
from api.models import BatchDocument, BatchItemDocument, CommandSummaryDocument, ProblemDocument, ReceiptDocument
from api.own_command import own_command
from api.preferences import idempotency_key, wait_wish
from api.problems import Problem, not_found, problem_of
from api.request_body import parse_object, read_body
from canonical import exact_json
from canonical.action import action_specs
from canonical.errors import FieldError, RefusedError, StoreUnavailableError, WritebackError
from canonical.lifecycle import ENDED, ENDED_WITHOUT_EFFECT, SETTLED, State
from canonical.principal import Principal
from canonical.status import STATUS_OF, Status
from tasks.receive import Incoming, Receipt

if TYPE_CHECKING:
    from config.wiring import Services

BATCH_LIMIT = 100
#: A batch may be this many times as long as one command: readings are small, and memory is shared.
BATCH_BODY_FACTOR = 16
#: A waiting request looks at the command this often.
LOOK_AGAIN = timedelta(milliseconds=150)
#: So many requests of one process may wait: each looks into the database again and again, which others need too.
WAITING_LIMIT = 64


class CommandDoor:
    """``POST /v1/commands``, ``:batch`` and ``:cancel``."""

    def __init__(self, services: "Services") -> None:
        """Serve with ``services``."""
        self._receiver, self._doors = services.receiver, services.doors
        self._limit = services.settings.body_limit
        # Changed on the event loop only.
        self._waiting = 0

    def router(self) -> APIRouter:
        """Return the routes."""
        router = APIRouter(tags=["commands"])
        router.add_api_route(
            "/v1/commands",
            self.create,
            methods=["POST"],
            status_code=202,
            response_model=ReceiptDocument,
            responses={200: {"model": ReceiptDocument, "description": "It has ended already, or is in the chart"}},
        )
        router.add_api_route("/v1/commands:batch", self.create_batch, methods=["POST"], response_model=BatchDocument)
        router.add_api_route(
            "/v1/commands/{command_id}:cancel", self.cancel, methods=["POST"], response_model=CommandSummaryDocument
        )
        return router

    async def create(self, request: Request, principal: Caller) -> Response:
        """Accept one command: 202 with its receipt once it is stored, 200 if its key's command has ended already."""
        received = _received(request, principal)
        raw = b""
        try:
            raw = await read_body(request, limit=self._limit)
            key = idempotency_key(request)
        except RefusedError as error:
            await run_in_threadpool(self._receiver.refuse, error, received)
            raise
        receipt = await run_in_threadpool(self._receive, raw, received, key)
        wish = wait_wish(request)
        headers = {"Location": f"/v1/commands/{receipt.id}"}
        if receipt.replayed:
            headers["Idempotent-Replayed"] = "true"
        if not receipt.ended and wish and self._waiting < WAITING_LIMIT:
            headers["Preference-Applied"] = f"wait={int(wish.total_seconds())}"
            receipt = await self._wait(receipt, principal.tenant, wish)
        return _answer(receipt, headers)

    def _receive(self, raw: bytes, received: Incoming, key: str | None) -> Receipt:
        return self._receiver.receive(
            raw,
            principal=received.principal,
            key=key,
            door=received.door,
            correlation_id=received.correlation_id,
            traceparent=received.traceparent,
        )

    async def _wait(self, receipt: Receipt, tenant: str, wish: timedelta) -> Receipt:
        """Return the receipt as it is when the command is in the chart, needs a person, has ended, or time is up."""
        self._waiting += 1
        try:
            return await self._moved(receipt, tenant, time.monotonic() + wish.total_seconds())
        finally:
            self._waiting -= 1

    async def _moved(self, receipt: Receipt, tenant: str, until: float) -> Receipt:
        while time.monotonic() < until:
            try:
                found = await run_in_threadpool(self._doors.commands.summary, tenant, receipt.id)
            except StoreUnavailableError:
                # It is stored; that nobody can look now must not read as "nothing was accepted".
                return receipt
            if found is not None and STATUS_OF[found.state] is not Status.PENDING:
                return receipt.moved(found.state, found.reason)
            await asyncio.sleep(LOOK_AGAIN.total_seconds())
        return receipt

    async def create_batch(self, request: Request, principal: Caller) -> Response:
        """Accept up to 100 commands, each with its own key; every item has its own status, nothing is atomic."""
        received = _received(request, principal)
        try:
            raw = await read_body(request, limit=self._limit * BATCH_BODY_FACTOR)
            items = _items(parse_object(raw))
        except RefusedError as error:
            await run_in_threadpool(self._receiver.refuse, error, received)
            raise
        answered = await run_in_threadpool(self._receive_all, items, received)
        return _json(BatchDocument(items=tuple(answered)))

    def _receive_all(self, items: list[Any], received: Incoming) -> list[BatchItemDocument]:
        answered: list[BatchItemDocument] = []
        down: WritebackError | None = None
        for item in items:
            if down is None:
                try:
                    answered.append(self._item(item, received))
                    continue
                except StoreUnavailableError as error:
                    # The rest would only wait for the same database, one after the other.
                    answered.append(_problem_item(error, received))
                    down = StoreUnavailableError()
                    continue
            answered.append(_problem_item(down, received))
        return answered

    def _item(self, item: Any, received: Incoming) -> BatchItemDocument:
        try:
            key, raw = _key_and_command(item, limit=self._limit)
        except RefusedError as error:
            self._receiver.refuse(error, received)
            return _problem_item(error, received)
        try:
            receipt = self._receive(raw, received, key)
        except RefusedError as error:
            return _problem_item(error, received)
        return BatchItemDocument(status=200 if receipt.ended else 202, receipt=ReceiptDocument.model_validate(receipt))

    def cancel(self, command_id: str, principal: Caller) -> Response:
        """Take a command back before it is sent; afterwards only a command of its own can take it out of the chart."""
        found = own_command(self._doors.commands, command_id, principal)
        withdrawal = self._doors.withdrawals.withdraw(principal.tenant, found.id, actor=principal.actor)
        if withdrawal is None:
            raise not_found()
        if not withdrawal.withdrawn:
            raise Problem("too-late-to-cancel", _too_late(found.action_type, withdrawal.state))
        now = self._doors.commands.summary(principal.tenant, found.id)
        if now is None:
            raise not_found()
        return _json(summary_document(now))


def _received(request: Request, principal: Principal) -> Incoming:
    return Incoming(
        principal=principal,
        key=None,
        door="http",
        correlation_id=request.state.correlation_id,
        traceparent=request.state.traceparent,
    )


def _answer(receipt: Receipt, headers: dict[str, str]) -> Response:
    if not receipt.ended:
        headers = headers | {"Retry-After": "2"}
    document = ReceiptDocument.model_validate(receipt)
    return _json(document, status_code=200 if receipt.ended else 202, headers=headers)


def _json(document: Any, *, status_code: int = 200, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse(document.model_dump(mode="json", by_alias=True), status_code=status_code, headers=headers)


def _items(body: dict[str, Any]) -> list[Any]:
    items = body.get("commands")
    if not isinstance(items, list) or set(body) != {"commands"} or not 1 <= len(items) <= BATCH_LIMIT:
        error = FieldError(pointer="/commands", code="invalid", detail=f"1 to {BATCH_LIMIT} items")
        raise RefusedError("invalid-field", "A batch is an object with the list 'commands'.", errors=(error,))
    return items


def _key_and_command(item: Any, *, limit: int) -> tuple[str | None, bytes]:
    """Return an item's key and the bytes of its command; a refusal's pointers are relative to the item."""
    if not isinstance(item, dict) or not set(item) <= {"key", "command"} or not isinstance(item.get("command"), dict):
        raise RefusedError("invalid-field", "An item is an object with 'command' (an object) and 'key' (a string).")
    key = item.get("key")
    if key is not None and not isinstance(key, str):
        error = FieldError(pointer="/key", code="string-type", detail="a string is required")
        raise RefusedError("invalid-idempotency-key", "The item's key must be a string.", errors=(error,))
    raw = exact_json.dumps(item["command"]).encode()
    if len(raw) > limit:
        raise RefusedError("body-too-large", f"At most {limit} bytes are accepted for one command.")
    return key, raw


def _problem_item(error: WritebackError, received: Incoming) -> BatchItemDocument:
    problem = problem_of(error)
    document = ProblemDocument.model_validate(problem.document(received.correlation_id))
    return BatchItemDocument(status=problem.kind.status, retry_after=problem.retry_after_s, problem=document)


def _too_late(action_type: str, state: State) -> str:
    if state in ENDED:
        was = "was not written" if state in ENDED_WITHOUT_EFFECT else "has been taken out of the chart"
        return f"This command has ended and {was}: there is nothing to cancel."
    rules = action_specs()[action_type].operations
    takes_back = [f"{action_type}.{name}" for name, rule in rules.items() if rule.takes_back]
    way = f"{' or '.join(takes_back)} with target.command" if takes_back else "a correction by a person"
    what = "is in the chart" if state in SETTLED else "was sent, may have been sent, or is with a person"
    return f"This command {what}, so it cannot be cancelled. What can take it out of the chart: {way}."
