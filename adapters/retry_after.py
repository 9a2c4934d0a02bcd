"""How long an EHR asks to wait, out of ``Retry-After``, else out of ``RateLimit``; not what we do about it.

Source: RFC 9110 §10.2.3; IETF draft "RateLimit header fields for HTTP" (``r``: what is left, ``t``: seconds until it is full).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from adapters.wire import Answer

#: A header may ask for anything; more than a day is no throttle, and no number of digits may break arithmetic.
_LONGEST = timedelta(days=1)
_LIMIT = re.compile(r";\s*r=(?P<left>\d{1,9})\s*;\s*t=(?P<seconds>\d{1,9})")


def retry_after(answer: Answer, now: datetime) -> timedelta | None:
    """Return the wait that an answer asks for, as seconds or as an HTTP date (``now`` is UTC), never negative."""
    text = answer.headers.get("retry-after", "").strip()
    if not text:
        return _until_full(answer)
    if text.isascii() and text.isdecimal():
        return timedelta(seconds=min(int(text[:9]), _LONGEST.total_seconds()))
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return min(max(aware - now, timedelta(0)), _LONGEST)


def _until_full(answer: Answer) -> timedelta | None:
    """Return how long the limits of which nothing is left need; on a 429 that names none as used up, the longest."""
    limits = [(item["left"], int(item["seconds"])) for item in _LIMIT.finditer(answer.headers.get("ratelimit", ""))]
    used_up = [seconds for left, seconds in limits if int(left) == 0]
    told = used_up or ([seconds for _, seconds in limits] if answer.status == 429 else [])
    return min(timedelta(seconds=max(told)), _LONGEST) if told else None
