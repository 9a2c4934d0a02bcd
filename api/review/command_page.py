"""One command for people: what was intended, what happened, where it is now, and how it could be taken back."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from api.review.form import Form, Posted
from api.review.refusals import told
from api.review.screen import HEADERS, Screen
from api.review.standing import standing_of
from canonical.review_desk import ReviewDesk, ReviewError
from canonical.reviewer import Reviewer

_NO_REASON = "Say why you must see it. Nothing was opened."
_NO_OPERATION = "Choose how it is to be taken back. Nothing was changed."


class CommandScreen:
    """``/review/commands/{id}``."""

    def __init__(self, desk: ReviewDesk, screen: Screen) -> None:
        """Show commands of ``desk``."""
        self._desk, self._screen = desk, screen

    def router(self) -> APIRouter:
        """Return the routes."""
        router, address = self._screen.router(), "/review/commands/{command_id}"
        router.add_api_route(address, self.command, methods=["GET"])
        router.add_api_route(f"{address}/standing", self.standing, methods=["GET"])
        router.add_api_route(f"{address}/open", self.open, methods=["POST"])
        router.add_api_route(f"{address}/open", self.back, methods=["GET"])
        router.add_api_route(f"{address}/compensate", self.compensate, methods=["POST"])
        router.add_api_route(f"{address}/compensate", self.back, methods=["GET"])
        return router

    def command(self, request: Request, command_id: UUID) -> Response:
        """Return the command."""
        return self._show(request, self._screen.reviewer(request), command_id)

    def back(self, command_id: UUID) -> Response:
        """Lead to the command."""
        return _to(command_id)

    def open(self, request: Request, command_id: UUID, form: Posted) -> Response:
        """Show restricted content to somebody who says why they must see it; that is kept first."""
        me = self._screen.poster(request, form)
        reason = form.text("break_glass").strip()
        if not reason:
            return self._show(request, me, command_id, status=422, error=_NO_REASON, form=form)
        self._desk.command(me, command_id, break_glass=reason)
        return _to(command_id)

    def standing(self, request: Request, command_id: UUID, said: str = "") -> Response:
        """Return where it is, as a part of a page; nothing where that was already ``said``."""
        me = self._screen.reviewer(request)
        standing = standing_of(self._desk.command(me, command_id))
        if standing.mark == said:
            return Response(status_code=204, headers=HEADERS)
        return self._screen.page(request, "standing.html", me=me, shown={"standing": standing})

    def compensate(self, request: Request, command_id: UUID, form: Posted) -> Response:
        """Give the command that takes this one out of the chart, and show that one."""
        me = self._screen.poster(request, form)
        operation = form.text("operation")
        if not operation:
            return self._show(request, me, command_id, status=422, error=_NO_OPERATION, form=form)
        try:
            reason = form.text(f"reason-{operation}")
            undoing = self._desk.compensate(me, command_id, operation=operation, reason=reason)
        except ReviewError as error:
            status, sentence = told(error) or (500, "")
            return self._show(request, me, command_id, status=status, error=sentence, form=form)
        return _to(undoing)

    def _show(
        self,
        request: Request,
        me: Reviewer,
        command_id: UUID,
        *,
        status: int = 200,
        error: str = "",
        form: Form | None = None,
    ) -> Response:
        view = self._desk.command(me, command_id)
        explanation = self._desk.explain(me, command_id)
        standing = standing_of(view)
        shown = {
            "view": view,
            "explanation": explanation,
            "standing": standing,
            "error": error,
            "form": form or Form(),
        }
        return self._screen.page(request, "command.html", me=me, status=status, shown=shown)


def _to(command_id: UUID) -> Response:
    return RedirectResponse(f"/review/commands/{command_id}", status_code=303, headers=HEADERS)
