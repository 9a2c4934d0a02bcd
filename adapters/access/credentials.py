"""What a client adds to a request for a token to prove who it is; how is the business of each kind's own module."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """Members of the form and headers; never shown."""

    form: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


class Prover(Protocol):
    """One registered client; thread-safe."""

    def credentials(self, now: datetime) -> Credentials:
        """Return the proof for one request at ``now`` (UTC); raises ``ConfigurationError`` where a secret is gone."""
        ...
