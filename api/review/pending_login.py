"""A login that began and has not come back: what the browser keeps of it meanwhile, under seal. Not the session that follows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cryptography.fernet import InvalidToken, MultiFernet

COOKIE = "review_login"
#: Somebody may have to fetch their second factor.
LIFE = timedelta(minutes=10)
_PURPOSE = "review-login"


@dataclass(frozen=True, kw_only=True)
class PendingLogin:
    """``state`` is the provider's (state, nonce, verifier); ``leads_to`` where the browser wanted to go; ``until`` a time (s)."""

    state: Mapping[str, Any] = field(repr=False)
    leads_to: str
    until: float

    def sealed(self, seal: MultiFernet) -> str:
        """Return what the browser keeps."""
        return seal.encrypt(json.dumps({"for": _PURPOSE, **asdict(self)}).encode()).decode("ascii")


def opened(sealed: str, seal: MultiFernet, now: datetime) -> PendingLogin | None:
    """Return the login that the browser began, or ``None``: it kept none, not ours, or for too long."""
    try:
        members = json.loads(seal.decrypt(sealed.encode()))
    except (InvalidToken, ValueError):
        return None
    if members.pop("for", None) != _PURPOSE or members["until"] <= now.timestamp():
        return None
    return PendingLogin(**members)
