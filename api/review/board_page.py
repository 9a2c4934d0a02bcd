"""The status board: how old the queue is, how often writes collide, what becomes of them, what reviewing costs."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.review import words
from api.review.plots import Series, columns, stacks
from api.review.screen import Screen
from canonical.case_views import BoardView
from canonical.review_desk import ReviewDesk
from canonical.status import Status

_SEVERITIES = tuple(
    Series(name=f"severity {number} ({word})", css=f"severity-{number}") for number, word in words.SEVERITIES.items()
)
_STATUSES = tuple(Series(name=words.status_words(status), css=f"status-{status.value}") for status in Status)
_CASES = (Series(name="cases", css="plain"),)


class BoardScreen:
    """``/review/board``."""

    def __init__(self, desk: ReviewDesk, screen: Screen) -> None:
        """Show the figures of ``desk``."""
        self._desk, self._screen = desk, screen

    def router(self) -> APIRouter:
        """Return the route."""
        router = self._screen.router()
        router.add_api_route("/review/board", self.board, methods=["GET"])
        return router

    def board(self, request: Request) -> Response:
        """Return the board as of now."""
        me = self._screen.reviewer(request)
        board = self._desk.board(me)
        outcomes, rates, kinds = _outcomes(board), _rates(board), [(kind, (count,)) for kind, count in board.by_kind]
        plots: dict[str, Any] = {
            "ages": stacks("Open cases by age and severity", board.ages, _SEVERITIES),
            "kinds": stacks("Open cases by kind", kinds, _CASES),
            "outcomes": stacks("Commands by connection and outcome", outcomes, _STATUSES),
            "rates": [
                columns(f"Conflicts in 100 commands a day, {name}", [(day, rate) for day, rate, _, _ in days])
                for name, days in rates
            ],
        }
        series = {"severities": _SEVERITIES, "statuses": _STATUSES, "one_series": _CASES}
        calm = sorted({name for name, *_ in board.conflict_rates} - {name for name, _ in rates})
        figures = {"plots": plots, "outcomes": outcomes, "rates": rates, "calm": calm, "kinds": kinds}
        return self._screen.page(request, "board.html", me=me, shown={"board": board, **figures, **series})


def _outcomes(board: BoardView) -> list[tuple[str, tuple[int, ...]]]:
    """Return the counts of each connection in the order of the statuses."""
    found = {(connection, status): count for connection, status, count in board.outcomes}
    names = dict.fromkeys(connection for connection, _, _ in board.outcomes)
    return [(name, tuple(found.get((name, status.value), 0) for status in Status)) for name in names]


def _rates(board: BoardView) -> list[tuple[str, list[tuple[str, float, int, int]]]]:
    """Return by connection that had any conflict: day, conflicts in 100 commands, conflicts, commands."""
    found: dict[str, list[tuple[str, float, int, int]]] = {}
    for connection, day, conflicts, commands in board.conflict_rates:
        rate = 100 * conflicts / commands if commands else 0.0
        found.setdefault(connection, []).append((day, rate, conflicts, commands))
    return [(name, sorted(days)) for name, days in found.items() if any(conflicts for _, _, conflicts, _ in days)]
