"""The page for people who run the service: where everything is, in plain words. No patient data, no scripts.

Totals are for everybody; what names a tenant, a connection or a command is for the operator's token.
"""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from api.auth import caller
from canonical.errors import StoreUnavailableError
from canonical.lifecycle import State
from canonical.status import STATUS_OF, Status, explain
from canonical.unfit import UNFIT_WORDS
from tasks.recent import Recent

if TYPE_CHECKING:
    from config.wiring import Services

_TEMPLATES = Path(__file__).parent / "templates"
#: The page comes back by itself; counting everything costs a scan.
_LIFE = timedelta(seconds=3)
_DAYS = 7
#: The statuses as people say them.
WORDS: dict[Status, str] = {
    Status.PENDING: "On the way",
    Status.NEEDS_ATTENTION: "Needs a person",
    Status.IN_CHART: "In the chart, proven",
    Status.NOT_WRITTEN: "Not written",
    Status.TAKEN_BACK: "Taken back",
}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class StatusPage:
    """``/`` and ``/status``."""

    def __init__(self, services: "Services") -> None:
        """Serve with ``services``."""
        self._doors, self._clock = services.doors, services.clock
        self._environment = services.settings.environment
        self._looked = Recent(self._look, life=_LIFE)
        loader = Environment(loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined)
        loader.filters |= {"seconds": _seconds, "unfit": UNFIT_WORDS.__getitem__}
        self._template, self._away = loader.get_template("status.html"), loader.get_template("away.html")

    def router(self) -> APIRouter:
        """Return the routes."""
        router = APIRouter(include_in_schema=False)
        for path in ("/", "/status"):
            router.add_api_route(path, self.page, methods=["GET"], response_class=HTMLResponse)
        return router

    def page(self, request: Request) -> HTMLResponse:
        """Return the page as of a few seconds ago; a token that is sent must be valid."""
        detailed = bool(request.headers.get("authorization")) and caller(request).operates
        try:
            look = self._looked.get()
        except StoreUnavailableError:
            text = self._away.render(environment=self._environment)
            return HTMLResponse(text, status_code=503, headers=_HEADERS)
        return HTMLResponse(self._template.render(look, detailed=detailed), headers=_HEADERS)

    def _look(self) -> dict[str, Any]:
        totals = self._doors.figures.totals()
        sheet = self._doors.balances.sheet()
        return {
            "environment": self._environment,
            "now": self._clock(),
            "statuses": [(WORDS[status], _of_status(status, totals)) for status in Status],
            "states": [
                (state.value, WORDS[STATUS_OF[state]], explain(state).sentence, totals[state]) for state in State
            ],
            "sheet": sheet,
            "days": sorted(sheet.days.items(), reverse=True)[:_DAYS],
            "figures": self._doors.figures.snapshot(),
        }


def _of_status(status: Status, totals: dict[State, int]) -> int:
    return sum(count for state, count in totals.items() if STATUS_OF[state] is status)


def _seconds(value: float | timedelta | None) -> str:
    """Return a duration for people."""
    if value is None:
        return "none"
    seconds = int(value.total_seconds() if isinstance(value, timedelta) else value)
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"
