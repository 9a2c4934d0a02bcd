"""What every way of getting an access token offers, and what it hands out. It keeps nothing: that is ``kept_tokens``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from canonical.errors import ConfigurationError

#: SMART's longest recommended lifetime (seconds), for servers that do not state one.
LIFETIME_DEFAULT = 300.0
#: A token is asked for anew at least once a day, whatever a server says (seconds).
LONGEST_LIFETIME = 86_400.0
#: What can stand in a header or a JSON text without changing its meaning.
_SENDABLE = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, kw_only=True)
class Grant:
    """A token as granted: its ``lifetime`` in seconds from when it was asked for, its scope as the server spells it."""

    value: str = field(repr=False)
    lifetime: float
    scope: str | None = None


class Issuer(Protocol):
    """One way of getting a token for one client; thread-safe."""

    @property
    def idle(self) -> float | None:
        """The seconds without use after which a token dies; ``None``: it lives by the clock."""
        ...

    def ask(self, seconds: float) -> Grant:
        """Ask once, within ``seconds``.

        Raises :class:`EhrUnavailableError` with reason ``auth``, ``throttled`` or ``outage``.
        """
        ...

    def close(self) -> None: ...


def lifetime(stated: object) -> float:
    """Return a stated lifetime in seconds; some servers write the number as text, some with a fraction."""
    text = str(stated)
    if not re.fullmatch(r"[0-9]{1,18}(\.[0-9]{1,9})?", text):
        return LIFETIME_DEFAULT
    return min(float(text), LONGEST_LIFETIME)


def is_sendable(token: object) -> bool:
    """Whether ``token`` is a text that can be sent back as it came."""
    return isinstance(token, str) and _SENDABLE.fullmatch(token) is not None


def required(auth: Mapping[str, str], *names: str) -> None:
    """Raise :class:`ConfigurationError` naming those of ``names`` that a connection's ``auth`` lacks."""
    missing = [name for name in names if not auth.get(name)]
    if missing:
        raise ConfigurationError(f"auth lacks {', '.join(missing)}")
