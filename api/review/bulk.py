"""Acting on many cases of one cause: send again, return to the author, do not write, hand up. Approval is never offered."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from api.review import words
from api.review.form import Form, Posted
from api.review.queue_page import COOKIE, Filters, QueueScreen
from api.review.refusals import told
from api.review.screen import HEADERS, Screen
from canonical.review_desk import ReviewDesk, ReviewError, Verb
from canonical.reviewer import Reviewer

_NONE_CHOSEN = "Select the cases first. Nothing was changed."
_NO_SUCH_ACT = "Choose what is to be done with the selected cases. Nothing was changed."


class BulkScreen:
    """``/review/bulk``; its form stands on the queue page."""

    def __init__(self, desk: ReviewDesk, screen: Screen, queue: QueueScreen) -> None:
        """Act through ``desk``; what was refused is shown again on ``queue``."""
        self._desk, self._screen, self._queue = desk, screen, queue

    def router(self) -> APIRouter:
        """Return the routes."""
        router = self._screen.router()
        router.add_api_route("/review/bulk", self.act, methods=["POST"])
        router.add_api_route("/review/bulk", self.back, methods=["GET"])
        return router

    def back(self) -> Response:
        """Lead to the queue."""
        return RedirectResponse("/review/queue", status_code=303, headers=HEADERS)

    def act(self, request: Request, form: Posted) -> Response:
        """Act and tell what became of each case; posted again, each is refused as decided already."""
        me = self._screen.poster(request, form)
        chosen = tuple(int(word) for word in form.every("case") if word.isdecimal() and len(word) < 19)
        if not chosen:
            return self._again(request, me, form, 422, _NONE_CHOSEN)
        if form.text("verb") not in set(words.BULK):
            return self._again(request, me, form, 422, _NO_SUCH_ACT)
        verb = Verb(form.text("verb"))
        try:
            done = self._desk.bulk(me, chosen, verb, reason=form.text("reason"), text=form.text("text"))
        except ReviewError as error:
            status, sentence = told(error) or (500, "")
            return self._again(request, me, form, status, sentence)
        act = words.BULK[verb]
        return self._screen.page(request, "bulk_done.html", me=me, shown={"act": act, "results": done.results})

    def _again(self, request: Request, me: Reviewer, form: Form, status: int, sentence: str) -> Response:
        filters = Filters.parsed(request.cookies.get(COOKIE, ""))
        typed = {"bulk_reason": form.text("reason"), "bulk_text": form.text("text")}
        again = {"bulk_error": sentence, "bulk_chosen": form.every("case"), **typed}
        return self._queue.show(request, me, filters, status=status, again=again)
