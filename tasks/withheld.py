"""The request of ``command.receive``: nothing of its body shows in events, logs, Flower or remote control.

Whatever the sender set. It also takes from senders and from the broker what would drop a message unseen: expiry, delay,
revoking, time limits. What a sender asked for there is judged by the task, which keeps what it refuses.
"""

from __future__ import annotations

from typing import Any

from celery.exceptions import InvalidTaskError
from celery.worker.request import Request

WITHHELD = "(withheld)"


class WithheldRequest(Request):
    """A request whose arguments are shown to nobody but the task."""

    def __init__(self, message: Any, **options: Any) -> None:
        """Take the message; raises ``InvalidTaskError`` when no call can be made of it, so that it is kept as refused."""
        headers = dict(options.pop("headers", None) or message.headers)
        headers |= {"argsrepr": WITHHELD, "kwargsrepr": WITHHELD, "shadow": None, "timelimit": None}
        asked = {name: headers.pop(name, None) for name in ("eta", "expires")}
        super().__init__(message, headers=headers, **options)
        # For the task, which refuses what it cannot honour.
        self._request_dict["asked_eta"], self._request_dict["asked_expires"] = asked["eta"], asked["expires"]
        if not isinstance(self._args, (list, tuple)) or not isinstance(self._kwargs, dict):
            raise InvalidTaskError("its arguments are not a list and a mapping")

    def revoked(self) -> bool:
        """Say no: nobody who merely reaches the broker may make an app's message disappear."""
        return False

    def info(self, safe: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002 - Celery's signature
        """Describe the request to remote control and Flower, without its arguments."""
        described: dict[str, Any] = super().info(safe=safe)
        return described | {"args": WITHHELD, "kwargs": WITHHELD}
