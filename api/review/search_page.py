"""Finding commands: by correlation id, patient, status or the EHR's code. Terms are posted, so that no address holds them."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.review.form import Form, Posted
from api.review.refusals import told
from api.review.screen import Screen
from canonical.review_desk import ReviewDesk, ReviewError
from canonical.reviewer import Reviewer
from canonical.status import Status

TERMS = ("correlation_id", "patient", "status", "vendor_code")
_NO_TERM = "Type at least one thing to search for."


class SearchScreen:
    """``/review/search``."""

    def __init__(self, desk: ReviewDesk, screen: Screen) -> None:
        """Search in ``desk``."""
        self._desk, self._screen = desk, screen

    def router(self) -> APIRouter:
        """Return the routes."""
        router = self._screen.router()
        router.add_api_route("/review/search", self.form, methods=["GET"])
        router.add_api_route("/review/search", self.search, methods=["POST"])
        return router

    def form(self, request: Request) -> Response:
        """Return the empty form."""
        return self._show(request, self._screen.reviewer(request), Form())

    def search(self, request: Request, form: Posted) -> Response:
        """Return what was found beside the terms."""
        me = self._screen.poster(request, form)
        terms = {name: form.text(name) for name in TERMS if form.text(name)}
        if not terms:
            return self._show(request, me, form, status=422, error=_NO_TERM)
        try:
            hits = self._desk.search(me, terms)
        except ReviewError as error:
            status, sentence = told(error) or (500, "")
            return self._show(request, me, form, status=status, error=sentence)
        return self._show(request, me, form, hits=hits)

    def _show(self, request: Request, me: Reviewer, form: Form, *, status: int = 200, **found: Any) -> Response:
        shown = {"form": form, "statuses": Status, "hits": None, "error": "", **found}
        return self._screen.page(request, "search.html", me=me, status=status, shown=shown)
