"""Which side of the body a concept names, by words and by SNOMED CT's qualifiers. It never adds a side.

A single letter counts only as a capital that stands alone (``R knee``), since ``L5`` and ``Vitamin D`` name no side.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from canonical.code_systems import SNOMED_CT
from canonical.concepts import codes, words

_LEFT, _RIGHT = frozenset({"left"}), frozenset({"right"})
_WORDS = {
    "left": _LEFT,
    "lt": _LEFT,
    "right": _RIGHT,
    "rt": _RIGHT,
    "bilateral": _LEFT | _RIGHT,
    "both": _LEFT | _RIGHT,
}
_LETTERS = {"L": _LEFT, "R": _RIGHT}
#: SNOMED CT qualifier values: left, right, right and left.
_QUALIFIERS = {"7771000": _LEFT, "24028007": _RIGHT, "51440002": _LEFT | _RIGHT}
_WORD = re.compile(r"(?<![\w-])[^\W\d_]+(?![\w]|-\w)")


def sides(concepts: Iterable[Mapping[str, Any] | None]) -> frozenset[str]:
    """Return the sides, ``left`` and ``right``, that any of ``concepts`` (JSON) names."""
    found: set[str] = set()
    for concept in concepts:
        for text in words(concept):
            found |= _in_text(text)
        for system, code in codes(concept):
            found |= _QUALIFIERS.get(code, frozenset()) if system == SNOMED_CT else frozenset()
    return frozenset(found)


def _in_text(text: str) -> frozenset[str]:
    said = [_WORDS.get(word.casefold()) or _LETTERS.get(word) or frozenset() for word in _WORD.findall(text)]
    return frozenset().union(*said)


def disagree(code: Mapping[str, Any] | None, body_site: Iterable[Mapping[str, Any]]) -> bool:
    """Whether a code and body sites (JSON) both name a side, and not the same."""
    one, other = sides([code]), sides(body_site)
    return bool(one and other and one != other)
