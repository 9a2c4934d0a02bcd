"""The few pages around a login: what was not possible and why, logging out, and that the pages are not set up. No content."""

from __future__ import annotations

from pathlib import Path

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

_TEMPLATES = Path(__file__).parent.parent / "templates"
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'none'"
    ),
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_NOT_SET_UP = (
    "There are no review pages here. Whoever runs the service sets WRITEBACK_REVIEW_ISSUER and what belongs to it."
)


class LoginPages:
    """Renders them all with one template."""

    def __init__(self) -> None:
        """Read the template."""
        loader = FileSystemLoader(_TEMPLATES)
        self._page = Environment(loader=loader, autoescape=True, undefined=StrictUndefined).get_template("login.html")

    def refused(self, sentence: str, *, again: str, status: int) -> HTMLResponse:
        """Say why nobody was logged in; ``again`` leads to another try."""
        return self._shown("You are not logged in", sentence, status, again=again)

    def not_set_up(self) -> HTMLResponse:
        """Say that this installation has no review pages."""
        return self._shown("Not set up", _NOT_SET_UP, 404)

    def leaving(self, csrf: str, sentence: str = "", *, status: int = 200) -> HTMLResponse:
        """Ask whether to log out."""
        return self._shown("Log out", sentence or "You are logged in to the review pages.", status, csrf=csrf)

    def left(self, provider: str | None = None) -> HTMLResponse:
        """Say that somebody is logged out; the browser goes on to the ``provider``, to log out there."""
        more = " At the provider you are logged out, too, in a moment." if provider else ""
        return self._shown("You are logged out", f"Nobody is logged in here now.{more}", 200, provider=provider)

    def _shown(
        self, title: str, sentence: str, status: int, *, again: str = "", csrf: str = "", provider: str | None = None
    ) -> HTMLResponse:
        shown = {"title": title, "sentence": sentence, "again": again, "csrf": csrf, "provider": provider}
        return HTMLResponse(self._page.render(shown), status_code=status, headers=_HEADERS)
