"""How long an EHR asks to wait, out of ``Retry-After``; not what we do about it.

Source: RFC 9110 §10.2.3.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from adapters.wire import Answer

#: A header may ask for anything; more than a day is no throttle, and no number of digits may break arithmetic.
_LONGEST = timedelta(days=1)


def retry_after(answer: Answer, now: datetime) -> timedelta | None:
    """Return the wait that an answer asks for, as seconds or as an HTTP date (``now`` is UTC), never negative."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal():
        return timedelta(seconds=min(int(text[:9]), _LONGEST.total_seconds()))
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return min(max(aware - now, timedelta(0)), _LONGEST)
