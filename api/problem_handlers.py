"""Whatever goes wrong inside the application ends as a problem document; nothing is handled here, only told."""

from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

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
    app.add_exception_handler(Exception, _defect)


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
    log.error("defect", action="api.defect", error=type(error).__name__, path=request.scope.get("path_format", ""))
    detail = "This is a defect of the service. If a command was sent, send it again with the same key."
    return Problem("internal", detail).response(request)
