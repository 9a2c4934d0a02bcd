"""What the pages need to know of a login: who it is and the token that belongs to their session. Not how people log in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fastapi import Request

from canonical.reviewer import Reviewer


class LoggedOutError(Exception):
    """The request comes from nobody: there is no session, or it ended."""


class ForgedPostError(Exception):
    """A form was posted without the token of the session: it is too old, or it was not ours."""


@dataclass(frozen=True, kw_only=True)
class Access:
    """The login of a request.

    ``reviewer`` returns who it is or raises :class:`LoggedOutError`; ``csrf_token`` returns the token that forms carry;
    ``check_csrf`` returns whether a token belongs to the session of the request, compared in constant time.
    """

    reviewer: Callable[[Request], Reviewer]
    csrf_token: Callable[[Request], str]
    check_csrf: Callable[[Request, str], bool]
    login_path: str = "/review/login"
    logout_path: str = "/review/logout"
