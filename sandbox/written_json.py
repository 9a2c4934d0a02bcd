"""JSON whose numbers come back as they were written (`72.50`, `1e-3`); not a check of what the JSON means."""

from decimal import Decimal
from typing import Any, Self

import simplejson


class MalformedJson(ValueError):
    """The text is not JSON; the message says where, never what."""


class WrittenDecimal(Decimal):
    """A number that remembers its own spelling."""

    __slots__ = ("text",)

    text: str

    def __new__(cls, text: str) -> Self:
        number = super().__new__(cls, text)
        number.text = text
        return number

    def __str__(self) -> str:
        return self.text

    def __reduce__(self) -> tuple[type[Self], tuple[str]]:
        return type(self), (self.text,)


def _written_int(text: str) -> int | WrittenDecimal:
    return WrittenDecimal(text) if text == "-0" else int(text)


def _no_constant(_text: str) -> Any:
    raise MalformedJson("NaN and Infinity are not JSON.")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise MalformedJson("An object names the same member twice.")
    return members


def loads(text: bytes | str) -> Any:
    """Parse JSON.

    Raises:
        MalformedJson: the text is no JSON, no UTF-8, names a member twice or is nested too deeply; refuse it.
    """
    try:
        return simplejson.loads(
            text if isinstance(text, str) else text.decode("utf-8"),
            parse_float=WrittenDecimal,
            parse_int=_written_int,
            parse_constant=_no_constant,
            object_pairs_hook=_unique,
        )
    except MalformedJson:
        raise
    except simplejson.JSONDecodeError as error:
        raise MalformedJson(f"Not JSON: line {error.lineno}, column {error.colno}.") from None
    except UnicodeDecodeError:
        raise MalformedJson("Not UTF-8.") from None
    except RecursionError:
        raise MalformedJson("Nested too deeply.") from None
    except ValueError:
        raise MalformedJson("A number is too long.") from None


def dumps(value: Any) -> str:
    """Write JSON, compact, numbers as they were read."""
    return str(simplejson.dumps(value, ensure_ascii=False, separators=(",", ":")))
