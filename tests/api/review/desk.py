"""A review desk in memory, at our own port, that keeps what it was asked; and pages over it on a real server."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import uvicorn
from fastapi import FastAPI, Request

from api.problem_handlers import add_problem_handlers
from api.review import ReviewPages
from api.review.access import Access, LoggedOutError
from canonical.case_views import (
    BoardView,
    CasePage,
    CaseQuery,
    CasesFound,
    CommandPageView,
    QueuePage,
    QueueQuery,
    SearchHit,
)
from canonical.errors import WritebackError
from canonical.explanation import Explanation
from canonical.review_desk import BulkResult, Decided, Decision, ReviewError, Verb
from canonical.reviewer import Reviewer
from processes.condition import wait_until
from tests.board_factories import BoardViewFactory
from tests.case_factories import (
    COMMAND,
    WAITING,
    CasePageFactory,
    CommandPageViewFactory,
    ExplanationFactory,
    ReviewerFactory,
    SearchHitFactory,
    closed_page,
)
from tests.factories import NOW
from tests.prompt_server import TRUST, PromptServer

TOKEN = "token-of-the-session"
SESSION = "session"


@dataclass
class FakeDesk:
    """Shows what it is given; ``refusing`` is raised by the next ask of that name."""

    pages: dict[int, CasePage] = field(default_factory=dict)
    commands: dict[UUID, CommandPageView] = field(default_factory=dict)
    board_view: BoardView = field(default_factory=BoardViewFactory.build)
    hits: tuple[SearchHit, ...] = field(default_factory=lambda: (SearchHitFactory.build(),))
    explanation: Explanation = field(default_factory=ExplanationFactory.build)
    refusing: dict[str, WritebackError] = field(default_factory=dict)
    facets: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, Any]] = field(default_factory=list)

    def add(self, page: CasePage) -> CasePage:
        self.pages[page.row.id] = page
        return page

    def asked_of(self, name: str) -> list[Any]:
        return [what for act, what in self.asked if act == name]

    def _ask(self, name: str, what: Any) -> None:
        self.asked.append((name, what))
        if name in self.refusing:
            raise self.refusing[name]

    def queue(self, reviewer: Reviewer, query: QueueQuery) -> QueuePage:
        self._ask("queue", query)
        rows = tuple(page.row for page in self.pages.values() if not page.closed)
        overdue = sum(row.is_overdue for row in rows)
        return QueuePage(rows=rows, open=len(rows), overdue=overdue, **self.facets)

    def open(self, reviewer: Reviewer, case_id: int, *, break_glass: str = "") -> CasePage:
        self._ask("open", (case_id, break_glass))
        if case_id not in self.pages:
            raise ReviewError("not-found", "There is no such case for you.")
        page = self.pages[case_id]
        return replace(page, break_glass=False) if break_glass else page

    def claim(self, reviewer: Reviewer, case_id: int) -> CasePage:
        self._ask("claim", case_id)
        page = self.pages[case_id]
        return self.add(replace(page, claimed_by_me=True, row=replace(page.row, claimed_by=reviewer.name)))

    def release(self, reviewer: Reviewer, case_id: int) -> None:
        self._ask("release", case_id)
        page = self.pages[case_id]
        self.add(replace(page, claimed_by_me=False, row=replace(page.row, claimed_by=None)))

    def decide(self, reviewer: Reviewer, case_id: int, decision: Decision) -> Decided:
        self._ask("decide", decision)
        if decision.verb not in {Verb.ASK_AUTHOR, Verb.ESCALATE}:
            self.add(closed_page(self.pages[case_id].row))
            self.commands.setdefault(COMMAND, CommandPageViewFactory.build())
        return Decided(sentence="Done.", command_id=COMMAND)

    def bulk(self, reviewer: Reviewer, case_ids: tuple[int, ...], verb: Verb, *, reason: str, text: str) -> BulkResult:
        self._ask("bulk", (case_ids, verb, reason, text))
        return BulkResult(results=dict.fromkeys(case_ids, "done"))

    def command(self, reviewer: Reviewer, command_id: UUID, *, break_glass: str = "") -> CommandPageView:
        self._ask("command", (command_id, break_glass) if break_glass else command_id)
        if command_id not in self.commands:
            raise ReviewError("not-found", "There is no such command for you.")
        return self.commands[command_id]

    def explain(self, reviewer: Reviewer, command_id: UUID) -> Explanation:
        self._ask("explain", command_id)
        return self.explanation

    def compensate(self, reviewer: Reviewer, command_id: UUID, *, operation: str, reason: str) -> UUID:
        self._ask("compensate", (command_id, operation, reason))
        self.commands[WAITING] = CommandPageViewFactory.build(id=WAITING)
        return WAITING

    def search(self, reviewer: Reviewer, terms: Mapping[str, str]) -> tuple[SearchHit, ...]:
        self._ask("search", dict(terms))
        return self.hits

    def find_cases(self, reviewer: Reviewer, query: CaseQuery) -> CasesFound:
        self._ask("find_cases", query)
        return CasesFound(rows=tuple(page.row for page in self.pages.values()))

    def board(self, reviewer: Reviewer) -> BoardView:
        self._ask("board", None)
        return self.board_view


@dataclass
class Ward:
    """The pages on a server, the desk behind them, who looks; ``logged_in`` is whether the session is still there."""

    desk: FakeDesk = field(default_factory=FakeDesk)
    me: Reviewer = field(default_factory=ReviewerFactory.build)
    token: str = TOKEN
    logged_in: bool = True
    url: str = ""

    def access(self) -> Access:
        return Access(
            reviewer=self._reviewer,
            csrf_token=lambda _: self.token,
            check_csrf=lambda _, token: token == self.token,
        )

    def _reviewer(self, request: Request) -> Reviewer:
        if not self.logged_in:
            raise LoggedOutError
        return self.me

    def typical(self, **over: Any) -> CasePage:
        return self.desk.add(CasePageFactory.build(**over))

    def get(self, path: str, **options: Any) -> httpx.Response:
        return httpx.get(self.url + path, **{"verify": TRUST, **options})

    def post(self, path: str, data: Mapping[str, Any] | None = None, **options: Any) -> httpx.Response:
        return httpx.post(self.url + path, data={"csrf": self.token, **(data or {})}, **{"verify": TRUST, **options})


@contextmanager
def open_ward() -> Iterator[Ward]:
    """A ward on a real server, for as long as the block lasts."""
    ward = Ward()
    app = FastAPI()
    app.include_router(ReviewPages(ward.desk, ward.access(), lambda: NOW).router())
    add_problem_handlers(app)
    server = PromptServer(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert wait_until(lambda: server.started, within=timedelta(seconds=10))
        ward.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        yield ward
    finally:
        server.end()
        thread.join()
