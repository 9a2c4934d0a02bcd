"""A client that proves itself with a shared secret, in a header or in the form. It sends nothing.

Source: RFC 6749 §2.3.1 (id and secret are form-encoded before they are joined and put into base64).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote_plus

from adapters.access.credentials import Credentials
from adapters.access.issuer import required
from adapters.access.secret import Secret, secret_named


@dataclass(frozen=True, kw_only=True)
class SecretInHeader:
    """``client_secret_basic``."""

    client_id: str
    secret: Secret

    def credentials(self, now: datetime) -> Credentials:
        pair = f"{quote_plus(self.client_id)}:{quote_plus(self.secret.read())}"
        return Credentials(headers={"Authorization": f"Basic {base64.b64encode(pair.encode('ascii')).decode('ascii')}"})


@dataclass(frozen=True, kw_only=True)
class SecretInForm:
    """``client_secret_post``."""

    client_id: str
    secret: Secret

    def credentials(self, now: datetime) -> Credentials:
        return Credentials(form={"client_id": self.client_id, "client_secret": self.secret.read()})


def client_secret_basic(auth: Mapping[str, str]) -> SecretInHeader:
    """Return the client that ``auth`` describes, its secret looked for now; raises :class:`ConfigurationError`."""
    required(auth, "client_id")
    return SecretInHeader(client_id=auth["client_id"], secret=secret_named(auth, "client_secret"))


def client_secret_post(auth: Mapping[str, str]) -> SecretInForm:
    """Return the client that ``auth`` describes, its secret looked for now; raises :class:`ConfigurationError`."""
    required(auth, "client_id")
    return SecretInForm(client_id=auth["client_id"], secret=secret_named(auth, "client_secret"))
