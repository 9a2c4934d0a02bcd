"""How a refusal of the review desk is answered over HTTP, in one table. The sentences are the desk's own."""

from __future__ import annotations

from api.problems import problem_of
from canonical.errors import StoreUnavailableError, WritebackError
from canonical.review_desk import ReviewError

#: HTTP status by :data:`canonical.review_desk.REFUSALS`.
STATUS: dict[str, int] = {
    "not-found": 404,
    "not-permitted": 403,
    "second-signer": 403,
    "forged-view": 403,
    "claimed-by-another": 409,
    "stale-view": 409,
    "already-decided": 409,
    "not-possible": 409,
    "chart-unreadable": 409,
    "reason-required": 422,
    "field-missing": 422,
    "value-refused": 422,
}
_STORE_DOWN = "The database cannot be reached. Nothing was changed; try again in a moment."


def told(error: WritebackError) -> tuple[int, str] | None:
    """Return status and sentence of an error that people can do something about; ``None`` is a defect of ours."""
    if isinstance(error, ReviewError):
        return STATUS[error.code], str(error)
    if isinstance(error, StoreUnavailableError):
        return 503, _STORE_DOWN
    problem = problem_of(error)
    return None if problem.kind.status == 500 else (problem.kind.status, str(problem))
