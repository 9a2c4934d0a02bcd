"""Where a login may lead: a page of ours and nowhere else."""

from __future__ import annotations

import re

HOME = "/review"
LONGEST = 512
#: No empty segment, none of dots alone, no escapes, no backslash, no scheme and no host: a browser reads it as we do.
_LOCAL = re.compile(r"/review(?:/(?!\.+(?:[/?]|$))[A-Za-z0-9._~-]+)*/?(?:\?[A-Za-z0-9._~%&=+,:-]*)?")
#: Leading to one of these would go round in circles, or end what just began.
_NOT_TO = re.compile(r"/review/(?:login|callback|logout)\b.*")


def local_path(asked: str | None) -> str:
    """Return ``asked`` if it is an address of a review page (path and query), else the first page."""
    if asked is None or len(asked) > LONGEST or not _LOCAL.fullmatch(asked) or _NOT_TO.fullmatch(asked):
        return HOME
    return asked
