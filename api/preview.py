"""``POST /v1/commands:preview``: what would become of a command, with nothing sent and nothing stored."""

from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from api.auth import Caller
from api.preview_document import preview_document
from api.preview_models import PreviewDocument
from api.request_body import read_body
from canonical import exact_json

if TYPE_CHECKING:
    from config.wiring import Services


class PreviewDoor:
    """Looks ahead for whoever may send the same."""

    def __init__(self, services: "Services") -> None:
        """Serve with ``services``."""
        self._previewer, self._limit = services.previewer, services.settings.body_limit

    def router(self) -> APIRouter:
        """Return the route."""
        router = APIRouter(tags=["commands"])
        router.add_api_route("/v1/commands:preview", self.preview, methods=["POST"], response_model=PreviewDocument)
        return router

    async def preview(self, request: Request, principal: Caller) -> Response:
        """Return the exact requests that would leave, what they change, and everything that speaks against them."""
        raw = await read_body(request, limit=self._limit)
        found = await run_in_threadpool(self._previewer.preview, raw, principal=principal)
        body = exact_json.dumps(preview_document(found))
        return Response(body, media_type="application/json", headers={"Cache-Control": "no-store"})
