"""JSON whose decimals survive as they were written; not a general JSON toolkit.

A clinical ``72.50`` states its precision. Every parser and writer of clinical content in this product is this one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Self

import simplejson

#: FHIR resources nest a dozen levels; anything deeper is an attack on the parser.
DEPTH_LIMIT = 60
#: Half of a surrogate pair has no UTF-8; FHIR allows no control character but tab and line ends in a string.
_NOT_TEXT = re.compile("[\ud800-\udfff\x00-\x08\x0b\x0c\x0e-\x1f]")


class WrittenDecimal(Decimal):
    """A decimal that prints the text it was read from (``1e-3`` stays ``1e-3``)."""

    _text: str

    def __new__(cls, text: str) -> Self:
        """Keep ``text``, a JSON number with a fraction or an exponent."""
        number = super().__new__(cls, text)
        number._text = text
        return number

    def __str__(self) -> str:
        """Return the number as it was written."""
        return self._text

    def __reduce__(self) -> tuple[type[Self], tuple[str]]:
        """Copy and pickle by the written text."""
        return type(self), (self._text,)


class InvalidJsonError(ValueError):
    """The text is not JSON that can be accepted; the message never repeats any of it."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object that names a member twice: two readers would see two different values."""
    members = dict(pairs)
    if len(members) != len(pairs):
        msg = "an object names the same member twice"
        raise InvalidJsonError(msg)
    return members


def _check_text(text: str) -> None:
    if _NOT_TEXT.search(text):
        msg = "not text that could be kept: a string holds a control character or half a surrogate pair"
        raise InvalidJsonError(msg)


def _is_plain(text: str) -> bool:
    """Whether nothing in a JSON ``text`` can be amiss: no escape could hide a character, and no nesting is too deep."""
    shallow = text.count("{") + text.count("[") <= DEPTH_LIMIT
    return shallow and "\\" not in text and _NOT_TEXT.search(text) is None


def _check(value: Any, depth: int = 0) -> None:
    if isinstance(value, dict | list) and depth >= DEPTH_LIMIT:
        msg = f"nested deeper than {DEPTH_LIMIT} levels"
        raise InvalidJsonError(msg)
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, dict):
        for name, item in value.items():
            _check_text(name)
            _check(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check(item, depth + 1)


def parse(raw: bytes | str) -> Any:
    """Return the JSON value of ``raw`` (UTF-8) with every fraction as a :class:`WrittenDecimal`.

    Raises :class:`InvalidJsonError` (malformed, not UTF-8, NaN or Infinity, a member named twice, too deep,
    a string with control characters): refuse the input.
    """
    try:
        text = raw.decode("utf-8") if isinstance(raw, bytes) else raw
        value = simplejson.loads(text, parse_float=WrittenDecimal, object_pairs_hook=_unique, allow_nan=False)
    except InvalidJsonError:
        raise
    except simplejson.JSONDecodeError as error:
        msg = f"not well-formed JSON at line {error.lineno}, column {error.colno}"
        raise InvalidJsonError(msg) from None
    except (ValueError, RecursionError, InvalidOperation):
        msg = "not well-formed JSON in UTF-8"
        raise InvalidJsonError(msg) from None
    if not _is_plain(text):
        _check(value)
    return value


def dumps(value: Any) -> str:
    """Return compact JSON of ``value`` with members in their order and decimals as written."""
    text: str = simplejson.dumps(value, use_decimal=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text


def canonical_bytes(value: Any) -> bytes:
    """Return UTF-8 JSON in which member order and white space no longer matter, for digests.

    RFC 8785 with one difference: numbers stay as written, since ``72.5`` and ``72.50`` are two clinical statements.
    """
    text: str = simplejson.dumps(
        value, use_decimal=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, sort_keys=True
    )
    return text.encode()


def equal(one: Any, other: Any) -> bool:
    """Compare as JSON does, numbers by value: in Python ``True == 1``, in a chart it is not."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(equal(item, other[name]) for name, item in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(equal, one, other))
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def digest(value: Any) -> bytes:
    """Return the SHA-256 of :func:`canonical_bytes`, 32 bytes."""
    return hashlib.sha256(canonical_bytes(value)).digest()
