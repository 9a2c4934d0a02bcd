"""Where EHRs say that something changed: one address for each connection, with a proof of its own. Nothing said is believed.

Source: Subscriptions R5 Backport 1.1.0 for FHIR R4, notifications by ``rest-hook``; forms: :mod:`canonical.notification`.
"""

from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool

from api.models import NotificationDocument
from api.request_body import parse_object, read_body
from canonical.errors import RefusedError
from tasks.notification_intake import NotificationIntake, Sender

if TYPE_CHECKING:
    from config.wiring import Services

#: Bytes. A message that gathers many events with their resources is larger than a command; what is larger still is an attack.
MOST_BYTES = 1024 * 1024
_MEDIA_TYPES = ("application/fhir+json", "application/json")


class NotificationDoor:
    """``/v1/notifications``: answers at once; the entries that are named are read afterwards."""

    def __init__(self, services: "Services") -> None:
        """Serve with ``services``."""
        self._intake: NotificationIntake = services.notification_intake

    def router(self) -> APIRouter:
        """Return the routes."""
        router = APIRouter(tags=["notifications"])
        router.add_api_route(
            "/v1/notifications/{connection}",
            self.take,
            methods=["POST"],
            status_code=202,
            response_model=NotificationDocument,
        )
        return router

    async def take(self, connection: str, request: Request) -> NotificationDocument:
        """Take a notification of an EHR, which proves itself as its connection is configured: not by a token of this service."""
        try:
            return await self._taken(connection, request)
        except RefusedError as error:
            self._intake.count_refused(connection, error.code)
            raise

    async def _taken(self, connection: str, request: Request) -> NotificationDocument:
        headers = {name.lower(): value for name, value in request.headers.items()}
        sender: Sender | None = None
        if not self._intake.needs_body(connection):
            # Nobody unknown makes us hold a body.
            sender = await run_in_threadpool(self._intake.sender, connection, headers, b"")
        raw = await read_body(request, limit=MOST_BYTES, expected=_expected(headers))
        if sender is None:
            sender = await run_in_threadpool(self._intake.sender, connection, headers, raw)
        heard = await run_in_threadpool(self._heard, sender, headers, raw)
        return NotificationDocument(**heard)

    def _heard(self, sender: Sender, headers: dict[str, str], raw: bytes) -> dict[str, int]:
        counts = self._intake.take(sender, parse_object(raw), headers, raw).counts
        return {result.value: many for result, many in counts.items()}


def _expected(headers: dict[str, str]) -> str:
    given = headers.get("content-type", "").partition(";")[0].strip().lower()
    return given if given in _MEDIA_TYPES else _MEDIA_TYPES[0]
