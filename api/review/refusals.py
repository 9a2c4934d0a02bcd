"""How a refusal of the review desk is answered over HTTP, as the case door answers it. The sentences are the desk's own."""

from __future__ import annotations

from api.problems import problem_of
from canonical.errors import StoreUnavailableError, WritebackError

_STORE_DOWN = "The database cannot be reached. Nothing was changed; try again in a moment."


def told(error: WritebackError) -> tuple[int, str] | None:
    """Return status and sentence of an error that people can do something about; ``None`` is a defect of ours."""
    if isinstance(error, StoreUnavailableError):
        return 503, _STORE_DOWN
    problem = problem_of(error)
    return None if problem.kind.status == 500 else (problem.kind.status, str(problem))
