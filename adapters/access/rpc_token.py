"""Asking an RPC endpoint that answers a service user's password with a bare token: no OAuth, no scope, no stated life.

Such a token lives by use: it dies when nobody used it for a while, which the site must state (``idle``, seconds). It is not
given back at the end of a process, since others may be using it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from adapters.access.issuer import Grant, is_sendable, lifetime, required
from adapters.access.refusals import refusal, unreadable_secret
from adapters.access.secret import secret_named
from adapters.wire import Answer, NoAnswer, Wire
from canonical import exact_json
from canonical.errors import ConfigurationError, EhrUnavailableError

_MAX_BODY = 64 * 1024
#: What is shorter is a message of one word.
_SHORTEST_TOKEN = 16


class RpcToken:
    """A token for one service user. Thread-safe."""

    def __init__(self, auth: Mapping[str, str], *, clock: Callable[[], datetime], ca_file: str | None = None) -> None:
        """Prepare; nothing is asked for yet, the password is looked for. Raises :class:`ConfigurationError`."""
        required(auth, "token_url", "username", "app_name", "idle")
        self._username, self._app_name, self._clock = auth["username"], auth["app_name"], clock
        self._password = secret_named(auth, "password")
        self.idle: float | None = lifetime(auth["idle"])
        self._wire = Wire(auth["token_url"], max_connections=1, max_body=_MAX_BODY, ca_file=ca_file)

    def ask(self, seconds: float) -> Grant:
        answer = self._post(seconds)
        if isinstance(answer, NoAnswer):
            raise EhrUnavailableError("outage")
        token = _bare_token(answer)
        if token is None:
            raise refusal(answer, self._clock())
        return Grant(value=token, lifetime=lifetime(self.idle))

    def close(self) -> None:
        self._wire.close()

    def _post(self, seconds: float) -> Answer | NoAnswer:
        try:
            members = {"Username": self._username, "Password": self._password.read(), "Appname": self._app_name}
        except ConfigurationError as error:
            raise unreadable_secret(error) from None
        headers = {"Content-Type": "application/json", "Accept": "application/json, text/plain"}
        body = exact_json.dumps(members).encode()
        return self._wire.request("POST", "", headers=headers, body=body, seconds=seconds)


def _bare_token(answer: Answer) -> str | None:
    """Return the token, with or without JSON's quotes; an error, too, comes as 200 and is a sentence or an object."""
    if answer.status != 200:
        return None
    text: Any = answer.body.decode("utf-8", errors="replace").strip()
    if text.startswith('"'):
        try:
            text = exact_json.parse(text)
        except exact_json.InvalidJsonError:
            return None
    if not is_sendable(text) or len(text) < _SHORTEST_TOKEN or text[0] in "[{<":
        return None
    return None if text.lower().startswith("error") else text
