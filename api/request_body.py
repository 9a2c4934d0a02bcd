"""Reading a request's body within its limit; parsing belongs to :mod:`canonical.exact_json`, never to the framework."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from canonical import exact_json
from canonical.envelope import field_errors
from canonical.errors import RefusedError

#: A sender that is slower holds memory and a connection for nothing; the largest batch needs 140 kB/s.
BODY_TIME = timedelta(seconds=30)
Model = TypeVar("Model", bound=BaseModel)


async def read_body(request: Request, *, limit: int, expected: str = "application/json") -> bytes:
    """Return the body of at most ``limit`` bytes, in UTF-8 and of the media type ``expected``.

    Raises ``RefusedError`` ``unsupported-media-type``, ``body-too-large`` (as soon as it is known; the rest is not read),
    ``body-too-slow`` (it had :data:`BODY_TIME`) or ``malformed-request`` (the sender went away).
    """
    media_type, _, parameters = request.headers.get("content-type", "").partition(";")
    charset = parameters.strip().lower().replace('"', "")
    if media_type.strip().lower() != expected or charset not in {"", "charset=utf-8"}:
        raise RefusedError("unsupported-media-type", f"Send {expected} in UTF-8. Nothing was accepted.")
    if request.headers.get("content-encoding", "identity") != "identity":
        raise RefusedError("unsupported-media-type", "Send the body without a content encoding. Nothing was accepted.")
    too_large = RefusedError("body-too-large", f"At most {limit} bytes are accepted. Nothing was accepted.")
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > limit:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_TIME.total_seconds()):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit:
                    raise too_large
    except TimeoutError:
        raise RefusedError("body-too-slow", "The body did not arrive in time. Nothing was accepted.") from None
    except ClientDisconnect:
        raise RefusedError("malformed-request", "The body ended before its end. Nothing was accepted.") from None
    return bytes(body)


def parse_object(raw: bytes) -> dict[str, Any]:
    """Return the JSON object in ``raw``.

    Raises ``RefusedError`` ``malformed-json`` or ``invalid-field``.
    """
    try:
        value = exact_json.parse(raw)
    except exact_json.InvalidJsonError as error:
        raise RefusedError("malformed-json", f"The body is {error}.") from None
    if not isinstance(value, dict):
        raise RefusedError("invalid-field", "The body must be a JSON object.")
    return value


def parse_model(model: type[Model], value: Mapping[str, Any]) -> Model:
    """Return ``value`` as ``model``; raises ``RefusedError`` ``invalid-field`` naming each field."""
    try:
        return model.model_validate(value, by_alias=True, by_name=False)
    except ValidationError as error:
        raise RefusedError(
            "invalid-field", "The body has fields that cannot be accepted.", errors=field_errors(error)
        ) from None
