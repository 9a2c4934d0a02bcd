"""The queue: which cases wait, in the desk's order, filtered as the reviewer last asked; what is new announces itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from api.review import words
from api.review.screen import HEADERS, Screen
from canonical.case_views import QueuePage, QueueQuery
from canonical.review_desk import ReviewDesk
from canonical.reviewer import Pool, Reviewer

#: Holds names of filters and their values, nothing of any case.
COOKIE = "writeback_review_filters"
_COOKIE_LIFE_S = 180 * 24 * 3600
_NAMES = ("pool", "severity", "kind", "connection", "action_type", "mine", "together")
_LONGEST = 100


@dataclass(frozen=True)
class Filters:
    """What the reviewer narrows the queue to, by name of the filter."""

    chosen: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parsed(cls, text: str) -> Filters:
        """Return the filters in a query string or a cookie; what is none is left out."""
        found = dict(parse_qsl(text))
        return cls(tuple((name, found[name][:_LONGEST]) for name in _NAMES if found.get(name)))

    @property
    def text(self) -> str:
        """The filters as a query string."""
        return urlencode(self.chosen)

    def value(self, name: str) -> str:
        """Return what a filter is set to, or nothing."""
        return dict(self.chosen).get(name, "")

    def query(self, cursor: str | None = None) -> QueueQuery:
        """Return them as the desk takes them."""
        severity, pool, together = self.value("severity"), self.value("pool"), self.value("together")
        return QueueQuery(
            pool=Pool(pool) if pool in set(Pool) else None,
            kind=self.value("kind") or None,
            connection=self.value("connection") or None,
            action_type=self.value("action_type") or None,
            severity=int(severity) if severity in set(map(str, words.SEVERITIES)) else None,
            mine=bool(self.value("mine")),
            together=int(together) if together.isdecimal() and len(together) < 19 else None,
            cursor=cursor,
        )


class QueueScreen:
    """``/review/queue``."""

    def __init__(self, desk: ReviewDesk, screen: Screen) -> None:
        """Show the queue of ``desk``."""
        self._desk, self._screen = desk, screen

    def router(self) -> APIRouter:
        """Return the routes."""
        router = self._screen.router()
        for path in ("/review", "/review/"):
            router.add_api_route(path, self.entrance, methods=["GET"])
        router.add_api_route("/review/queue", self.queue, methods=["GET"])
        router.add_api_route("/review/queue/news", self.news, methods=["GET"])
        return router

    def entrance(self) -> Response:
        """Lead to the queue."""
        return RedirectResponse("/review/queue", status_code=303, headers=HEADERS)

    def queue(self, request: Request, cursor: str | None = None) -> Response:
        """Return one page of open cases."""
        asked = bool(request.url.query)
        filters = Filters.parsed(request.url.query if asked else request.cookies.get(COOKIE, ""))
        page = self.show(request, self._screen.reviewer(request), filters, cursor=cursor)
        if asked:
            page.set_cookie(COOKIE, filters.text, max_age=_COOKIE_LIFE_S, path="/review", httponly=True, samesite="lax")
        return page

    def show(
        self,
        request: Request,
        me: Reviewer,
        filters: Filters,
        *,
        cursor: str | None = None,
        status: int = 200,
        again: Mapping[str, Any] | None = None,
    ) -> Response:
        """Return the page; ``again`` is what a refused act on many had chosen and typed."""
        found = self._desk.queue(me, filters.query(cursor))
        news = _news_address(filters, _ids(found), "") if cursor is None else ""
        bulk = {"bulk_error": "", "bulk_chosen": (), "bulk_reason": "", "bulk_text": "", **(again or {})}
        shown = {"page": found, "filters": filters, "news": news, "first": cursor is None, **bulk}
        return self._screen.page(request, "queue.html", me=me, status=status, shown=shown)

    def news(self, request: Request, known: str = "", said: str = "") -> Response:
        """Return what changed since a page with the cases ``known`` was shown; nothing where that was already ``said``."""
        me, filters = self._screen.reviewer(request), Filters.parsed(request.url.query)
        old = {int(word) for word in known.split(".") if word.isdecimal()}
        found = self._desk.queue(me, filters.query())
        now = set(_ids(found))
        sentence = _sentence(len(now - old), len(old - now))
        mark = sha256(sentence.encode()).hexdigest()[:8] if sentence else ""
        if mark == said:
            return Response(status_code=204, headers=HEADERS)
        address = _news_address(filters, tuple(sorted(old)), mark)
        shown = {"sentence": sentence, "news": address, "filters": filters}
        return self._screen.page(request, "queue_news.html", me=me, shown=shown)


def _ids(page: QueuePage) -> tuple[int, ...]:
    return tuple(row.id for row in page.rows)


def _news_address(filters: Filters, known: tuple[int, ...], said: str) -> str:
    query = [*filters.chosen, ("known", ".".join(map(str, known))), ("said", said)]
    return f"/review/queue/news?{urlencode(query)}"


def _sentence(new: int, gone: int) -> str:
    parts = [words.count(new, "new case", "new cases")] if new else []
    parts += [f"{words.count(gone, 'case', 'cases')} closed or moved"] if gone else []
    return ", ".join(parts)
