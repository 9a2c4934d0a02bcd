"""What a browser posted: a form's fields, in order, as text. It judges no field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import parse_qsl, urlsplit

from fastapi import Depends, Request

from api.request_body import read_body
from canonical.errors import RefusedError

MEDIA_TYPE = "application/x-www-form-urlencoded"
#: Bytes. Whatever a person types fits in it many times over.
LIMIT = 256 * 1024
#: A queue page has at most a few hundred fields.
FIELDS = 2000
CSRF_FIELD = "csrf"


@dataclass(frozen=True)
class Form:
    """The fields of one post, in order; a name may come more than once."""

    pairs: tuple[tuple[str, str], ...] = ()

    def text(self, name: str) -> str:
        """Return the first value of ``name`` without blanks around it; nothing where there is none."""
        return next((value.strip() for field, value in self.pairs if field == name), "")

    def every(self, name: str) -> tuple[str, ...]:
        """Return all values of ``name``."""
        return tuple(value for field, value in self.pairs if field == name)

    def held(self) -> tuple[tuple[str, str], ...]:
        """Return what to give back to who posted it: all but the token, which belongs to a session."""
        return tuple(pair for pair in self.pairs if pair[0] != CSRF_FIELD)


async def read_form(request: Request) -> Form:
    """Return the form of ``request`` and leave it on its state for whoever tells of a refusal.

    Raises ``RefusedError`` ``unsupported-media-type``, ``body-too-large``, ``body-too-slow``, ``malformed-request``.
    """
    body = await read_body(request, limit=LIMIT, expected=MEDIA_TYPE)
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=FIELDS)
    except ValueError:
        raise RefusedError("malformed-request", "The form cannot be read. Nothing was changed.") from None
    if any("\0" in text for pair in pairs for text in pair):
        raise RefusedError("malformed-request", "The form holds a character that is no text. Nothing was changed.")
    request.state.form = Form(tuple((name, value.replace("\r\n", "\n")) for name, value in pairs))
    return form_of(request)


def form_of(request: Request) -> Form:
    """Return the form that was read of ``request``; an empty one where none was, or where another site sent it."""
    form: Form = getattr(request.state, "form", Form())
    return form if is_own(request) else Form()


def is_own(request: Request) -> bool:
    """Whether the browser says that the post comes from our own pages.

    Those that say no site say the origin: ``null`` for a page that sends no referrer, which tells nothing, or none at all.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        return site in {"same-origin", "none"}
    return origin in {None, "null"} or urlsplit(origin).netloc == request.headers.get("host")


Posted = Annotated[Form, Depends(read_form)]
