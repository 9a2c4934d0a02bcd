"""One case in reading order: opened, taken, given back, decided. The desk judges; a refused decision loses nothing typed."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi import Path as PathParameter
from fastapi.responses import RedirectResponse, Response

from api.review import words
from api.review.access import ForgedPostError
from api.review.decision_form import IncompleteFormError, Kept, decision_of, digest, kept, part_digest
from api.review.form import Posted, form_of
from api.review.refusals import told
from api.review.screen import HEADERS, Screen
from api.review.standing import Standing, standing_of
from canonical.case_views import CasePage
from canonical.review_desk import ReviewDesk, ReviewError, Verb
from canonical.reviewer import Reviewer

CaseId = Annotated[int, PathParameter(ge=1, lt=2**63)]
_FORGED = "This page was too old, or not ours, so the decision was not taken from it. Nothing was changed; look and send again."


class CaseScreen:
    """``/review/cases/{id}``."""

    def __init__(self, desk: ReviewDesk, screen: Screen) -> None:
        """Show cases of ``desk`` and carry decisions to it."""
        self._desk, self._screen = desk, screen

    def router(self) -> APIRouter:
        """Return the routes."""
        router, address = self._screen.router(), "/review/cases/{case_id}"
        router.add_api_route(address, self.case, methods=["GET"])
        for act, endpoint in {
            "open": self.break_glass,
            "claim": self.claim,
            "release": self.release,
            "decide": self.decide,
        }.items():
            router.add_api_route(f"{address}/{act}", endpoint, methods=["POST"])
            # Where a login or a reload leads back to.
            router.add_api_route(f"{address}/{act}", self.back, methods=["GET"])
        return router

    def case(self, request: Request, case_id: CaseId, did: str = "") -> Response:
        """Return the case with the chart read just now; ``did`` is the verb that was just carried out."""
        me = self._screen.reviewer(request)
        return self._show(request, me, self._desk.open(me, case_id), did=did)

    def back(self, case_id: CaseId) -> Response:
        """Lead to the case."""
        return _to(case_id)

    def break_glass(self, request: Request, case_id: CaseId, form: Posted) -> Response:
        """Open the case of a patient in a restricted class, with the reason."""
        me = self._screen.poster(request, form)
        reason = form.text("break_glass")
        return self._show(request, me, self._desk.open(me, case_id, break_glass=reason), break_glass=reason)

    def claim(self, request: Request, case_id: CaseId, form: Posted) -> Response:
        """Take the case."""
        self._desk.claim(self._screen.poster(request, form), case_id)
        return _to(case_id)

    def release(self, request: Request, case_id: CaseId, form: Posted) -> Response:
        """Give the case back and return to the queue."""
        self._desk.release(self._screen.poster(request, form), case_id)
        return RedirectResponse("/review/queue", status_code=303, headers=HEADERS)

    def decide(self, request: Request, case_id: CaseId, form: Posted) -> Response:
        """Carry the decision out, or show the case again with everything that was typed."""
        me = self._screen.reviewer(request)
        try:
            self._screen.poster(request, form)
            decision = decision_of(form)
            self._desk.decide(me, case_id, decision)
        except ForgedPostError:
            return self._again(request, me, case_id, 403, _FORGED)
        except IncompleteFormError as error:
            return self._again(request, me, case_id, 422, str(error), wrong=dict(error.fields))
        except ReviewError as error:
            status, sentence = told(error) or (500, "")
            return self._again(request, me, case_id, status, sentence)
        return _to(case_id, did=decision.verb)

    def _again(
        self,
        request: Request,
        me: Reviewer,
        case_id: int,
        status: int,
        sentence: str,
        wrong: dict[str, str] | None = None,
    ) -> Response:
        """Show the case as it is now, with what was typed; what another site posted is not repeated."""
        form = form_of(request)
        reason = form.text("break_glass")
        page = self._desk.open(me, case_id, break_glass=reason)
        error = {"sentence": sentence, "fields": wrong or {}}
        return self._show(request, me, page, status=status, error=error, kept=kept(form, page), break_glass=reason)

    def _show(
        self,
        request: Request,
        me: Reviewer,
        page: CasePage,
        *,
        status: int = 200,
        did: str = "",
        error: dict[str, Any] | None = None,
        kept: Kept | None = None,
        break_glass: str = "",
    ) -> Response:
        shown = {
            "page": page,
            "did": words.DONE[Verb(did)] if did in set(Verb) else "",
            "error": error,
            "kept": kept or Kept(),
            "break_glass": break_glass,
            "digest": digest,
            "part_digest": part_digest,
            "taking": any(choice.parts and not choice.closed_to for choice in page.choices),
            "picking": any(choice.fields and not choice.closed_to for choice in page.choices),
            "standing": self._standing(me, page),
        }
        return self._screen.page(request, "case.html", me=me, status=status, shown=shown)

    def _standing(self, me: Reviewer, page: CasePage) -> Standing | None:
        """What became of the write, for a case that is over; the case itself must do where the command may not be seen."""
        if not page.closed or page.command_id is None:
            return None
        try:
            return standing_of(self._desk.command(me, page.command_id))
        except ReviewError:
            return None


def _to(case_id: int, did: str = "") -> Response:
    address = f"/review/cases/{case_id}"
    return RedirectResponse(f"{address}?did={did}" if did else address, status_code=303, headers=HEADERS)
