"""How notifications of a connection's EHR prove themselves, as its file says it. Secrets are named here, never held."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from config.connection_auth import Entry


class _Named(Entry):
    """A secret by the file or the environment variable that has it."""

    secret_file: Annotated[str, Field(min_length=1)] | None = None
    secret_env: Annotated[str, Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        if (self.secret_file is None) == (self.secret_env is None):
            raise ValueError("needs either secret_file or secret_env")
        return self


class SignedNotifications(_Named):
    """An HMAC over id, time and raw body, as Standard Webhooks has it; ``tolerance``: seconds the time may be away from ours."""

    kind: Literal["signed"]
    tolerance: Annotated[int, Field(ge=10, le=3_600)] = 300


class HeaderNotifications(_Named):
    """A secret that the EHR sends along, as the ``channel.header`` of an R4 Subscription lets it: ``Authorization: Bearer …``."""

    kind: Literal["header"]


class HubNotifications(_Named):
    """An HMAC over the raw body alone, as WebSub has it: ``X-Hub-Signature: sha256=…``."""

    kind: Literal["hub"]


NotificationAuth = Annotated[SignedNotifications | HeaderNotifications | HubNotifications, Field(discriminator="kind")]
