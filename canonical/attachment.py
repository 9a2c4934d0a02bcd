"""R4 ``Attachment`` whose content travels with it: nothing by link, its size and hash as the content has them.

Source: HL7 FHIR R4 (4.0.1), data types, ``Attachment``: ``size`` in octets before base64, ``hash`` SHA-1 in base64.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Annotated, Literal, Self

from pydantic import StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from canonical.clinical_time import ClinicalInstant
from canonical.datatypes import Code, DataType, PositiveInt, Text

#: What servers of clinical notes must accept inline. Source: US Core, clinical notes guidance (5 MiB).
MOST_OCTETS = 5 * 1024 * 1024
#: The same in base64, where three octets are four characters.
_MOST_CHARACTERS = -(-MOST_OCTETS // 3) * 4
PLAIN_TEXT = ("text/plain", "text/plain; charset=utf-8")

Base64 = Annotated[str, StringConstraints(min_length=4, max_length=_MOST_CHARACTERS, pattern=r"^[A-Za-z0-9+/]+={0,2}$")]
ContentType = Literal[
    "text/plain", "text/plain; charset=utf-8", "text/html", "text/rtf", "application/rtf", "application/pdf",
    "application/xml", "text/xml", "application/xhtml+xml", "image/jpeg", "image/png", "image/tiff",
]  # fmt: skip


class Attachment(DataType):
    """A document's content in ``data`` (base64)."""

    content_type: ContentType
    language: Code | None = None
    data: Base64
    size: PositiveInt | None = None
    hash: Base64 | None = None
    title: Text | None = None
    creation: ClinicalInstant | None = None

    @model_validator(mode="after")
    def _is_what_it_says(self) -> Self:
        content = self.content()
        if self.size is not None and self.size != len(content):
            raise PydanticCustomError("attachment_size", "the content has another number of octets than 'size' says")
        if self.hash is not None and self.hash != hash_of(content):
            raise PydanticCustomError("attachment_hash", "the content has another SHA-1 than 'hash' says")
        if self.content_type in PLAIN_TEXT and self.plain_text() is None:
            raise PydanticCustomError("attachment_text", "plain text is UTF-8 with something to read in it")
        return self

    def content(self) -> bytes:
        """Return the octets of ``data``."""
        try:
            return base64.b64decode(self.data, validate=True)
        except binascii.Error:
            raise PydanticCustomError("attachment_base64", "'data' is base64 without line breaks") from None

    def plain_text(self) -> str | None:
        """Return the content where it is plain text that people can read, else ``None``."""
        if self.content_type not in PLAIN_TEXT:
            return None
        try:
            text = self.content().decode("utf-8")
        except UnicodeDecodeError:
            return None
        return text if text.strip() else None


def hash_of(content: bytes) -> str:
    """Return the SHA-1 of ``content`` in base64, as ``Attachment.hash`` wants it; it finds damage and secures nothing."""
    return base64.b64encode(hashlib.sha1(content, usedforsecurity=False).digest()).decode()
