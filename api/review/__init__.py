"""The review pages: queue, case, command, board, search and bulk, as HTML over the desk. They decide nothing themselves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from fastapi import APIRouter

from api.review.access import Access
from api.review.board_page import BoardScreen
from api.review.bulk import BulkScreen
from api.review.case_page import CaseScreen
from api.review.command_page import CommandScreen
from api.review.queue_page import QueueScreen
from api.review.screen import Screen
from api.review.search_page import SearchScreen
from api.review.static_files import StaticFiles
from canonical.review_desk import ReviewDesk


class ReviewPages:
    """Everything under ``/review`` but the login."""

    def __init__(self, desk: ReviewDesk, access: Access, clock: Callable[[], datetime]) -> None:
        """Show ``desk`` to those whom ``access`` knows."""
        statics = StaticFiles()
        screen = Screen(access, statics, clock)
        queue = QueueScreen(desk, screen)
        self._parts = (
            statics,
            queue,
            BulkScreen(desk, screen, queue),
            CaseScreen(desk, screen),
            CommandScreen(desk, screen),
            SearchScreen(desk, screen),
            BoardScreen(desk, screen),
        )

    def router(self) -> APIRouter:
        """Return the routes."""
        router = APIRouter()
        for part in self._parts:
            router.include_router(part.router())
        return router
