"""The session of somebody at the review pages: what it holds, how it is sealed, and when it ends. Not the cookie around it.

The browser keeps it under a seal it cannot open. It holds who they are and the token of their forms, nothing clinical.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from cryptography.fernet import InvalidToken, MultiFernet

#: Share of the idle time after which a session is written anew: once a minute of the usual half hour.
_RENEWED_AFTER = 30
#: What is sealed says what it is for: something sealed for another use opens to nothing.
_PURPOSE = "review-session"


@dataclass(frozen=True, kw_only=True)
class Session:
    """``claims`` are those of the ID token that say who it is; ``csrf`` the token of forms; times in seconds since 1970."""

    id: str
    issuer: str
    claims: Mapping[str, Any] = field(repr=False)
    csrf: str = field(repr=False)
    began_at: float
    seen_at: float


@dataclass(frozen=True, kw_only=True)
class Sessions:
    """Begins, seals and opens sessions; ``idle`` and ``lifetime`` end them, and so does another ``issuer``."""

    seal: MultiFernet
    issuer: str
    idle: timedelta
    lifetime: timedelta

    def begin(self, claims: Mapping[str, Any], now: datetime) -> Session:
        """Return a session of whom ``claims`` name, with an id and a token that no session had before."""
        at = now.timestamp()
        return Session(
            id=secrets.token_urlsafe(16),
            issuer=self.issuer,
            claims=claims,
            csrf=secrets.token_urlsafe(32),
            began_at=at,
            seen_at=at,
        )

    def sealed(self, session: Session) -> str:
        """Return what the browser keeps."""
        return self.seal.encrypt(json.dumps({"for": _PURPOSE, **asdict(session)}).encode()).decode("ascii")

    def opened(self, sealed: str, now: datetime) -> Session | None:
        """Return the session, or ``None``: not sealed by us, of another issuer, or over."""
        try:
            members = json.loads(self.seal.decrypt(sealed.encode()))
        except (InvalidToken, ValueError):
            return None
        if members.pop("for", None) != _PURPOSE or members.get("issuer") != self.issuer:
            return None
        session = _session(members)
        if session is None:
            return None
        at = now.timestamp()
        is_idle = at - session.seen_at >= self.idle.total_seconds()
        is_over = at - session.began_at >= self.lifetime.total_seconds()
        return None if is_idle or is_over else session

    def renewed(self, session: Session, now: datetime) -> Session | None:
        """Return the session as used ``now``, or ``None`` where it was so a moment ago and may stay as it is."""
        at = now.timestamp()
        is_fresh = at - session.seen_at < self.idle.total_seconds() / _RENEWED_AFTER
        return None if is_fresh else replace(session, seen_at=at)

    def remaining(self, session: Session, now: datetime) -> timedelta:
        """Return how long the session can live at most."""
        return timedelta(seconds=max(0.0, session.began_at + self.lifetime.total_seconds() - now.timestamp()))


def _session(members: Mapping[str, Any]) -> Session | None:
    """Return what was sealed as a session; ``None``: another version of ours had other members."""
    try:
        return Session(**members)
    except TypeError:
        return None
