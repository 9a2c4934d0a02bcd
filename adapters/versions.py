"""Opaque version ids: out of an ``ETag`` or a resource, into an ``If-Match``. They are compared for equality, never ordered.

Source: HL7 FHIR R4 (4.0.1), RESTful API, "Managing Resource Contention"; RFC 9110 §8.8.3.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from canonical.errors import InvalidPayloadError

_ETAG = re.compile(r'(?:[Ww]/)?"(?P<quoted>[^"]{1,128})"|(?P<bare>[A-Za-z0-9\-._~]{1,128})')
#: What an entity tag may hold (RFC 9110), so that a version can never end the header and begin another.
_VERSION = re.compile(r"[\x21\x23-\x7e\x80-\xff]{1,128}")


def version_from_etag(value: str) -> str | None:
    """Return the version in an entity tag (``W/"0"``, ``"10-1"``, ``0``), or ``None`` where there is none."""
    found = _ETAG.fullmatch(value.strip())
    return (found["quoted"] or found["bare"]) if found else None


def version_of(resource: Mapping[str, Any]) -> str | None:
    """Return the version that a resource body states of itself."""
    meta = resource.get("meta")
    version = meta.get("versionId") if isinstance(meta, Mapping) else None
    return version if isinstance(version, str) and version else None


def http_date(instant: str) -> str:
    """Return the HTTP date (RFC 9110, whole seconds, never later) of a FHIR instant, for ``If-Unmodified-Since``.

    Raises :class:`InvalidPayloadError` for a text that is no instant: send nothing.
    """
    try:
        moment = datetime.fromisoformat(instant).astimezone(UTC)
    except ValueError:
        raise InvalidPayloadError("The time of the target's last change cannot be stated in a header.") from None
    return format_datetime(moment.replace(microsecond=0), usegmt=True)


def if_match(version: str) -> str:
    """Return the ``If-Match`` value for a version; quoted, since servers are known to ignore an unquoted one silently.

    Raises :class:`InvalidPayloadError` for a version that no header can carry: send nothing.
    """
    if _VERSION.fullmatch(version) is None:
        raise InvalidPayloadError("The version of the target cannot be stated in a header.")
    return f'W/"{version}"'
