"""Whatever goes wrong inside the application ends as a problem document; nothing is handled here, only told."""

from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import Problem, problem_of
from canonical.errors import FieldError, WritebackError

log = structlog.get_logger()

_BY_STATUS = {
    400: "malformed-request",
    404: "not-found",
    405: "method-not-allowed",
    413: "body-too-large",
    415: "unsupported-media-type",
}


def add_problem_handlers(app: FastAPI) -> None:
    """Make every error of ``app`` a problem document, the framework's own included."""
    app.add_exception_handler(WritebackError, _ours)
    app.add_exception_handler(HTTPException, _framework)
    app.add_exception_handler(RequestValidationError, _parameters)
    app.add_middleware(Defects)


class Defects:
    """ASGI middleware: an error nobody expected is told as a defect, and goes no further.

    The framework would raise it once more for the server to log, with a text that may hold anything.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Wrap ``app``."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        started = False

        async def send_and_note(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        except Exception as error:  # noqa: BLE001 - the last line of defence; its type is logged
            if scope["type"] != "http" or started:
                # Too late for an answer: ending here cuts the connection off, which says that it is not whole.
                raise RuntimeError("an answer was cut off by a defect") from None
            answer = await _defect(Request(scope), error)
            await answer(scope, receive, send)


async def _ours(request: Request, error: Any) -> JSONResponse:
    problem = problem_of(error)
    if problem.kind.status == 500:
        return await _defect(request, error)
    if problem.kind.status == 503:
        log.warning("not available", action="api.unavailable", code=problem.code)
    return problem.response(request)


async def _framework(request: Request, error: Any) -> JSONResponse:
    code = _BY_STATUS.get(error.status_code, "internal")
    problem = Problem(code, headers=dict(error.headers or {}))
    return problem.response(request)


async def _parameters(request: Request, error: Any) -> JSONResponse:
    """Name the parameter and what is wrong with it; the library's own document would repeat its value."""
    errors = tuple(
        FieldError(
            pointer="/" + "/".join(str(part) for part in item["loc"]),
            code=item["type"].replace("_", "-"),
            detail="not acceptable here",
        )
        for item in error.errors()
    )
    return Problem("invalid-field", "A parameter cannot be accepted.", errors=errors).response(request)


async def _defect(request: Request, error: Any) -> JSONResponse:
    # The exception's text may hold anything: its type and our correlation id must do.
    log.error(
        "defect", action="api.defect", error=type(error).__name__, path=getattr(request.scope.get("route"), "path", "")
    )
    detail = "This is a defect of the service. If a command was sent, send it again with the same key."
    return Problem("internal", detail).response(request)
