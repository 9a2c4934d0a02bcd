"""Words in what somebody wrote, compared whole and without regard to case. It understands nothing and decides nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

#: A word may hold what ties it together: ``h/o``, ``no-reflow``, ``doesn't``; brackets are words of their own sentence.
_WORD = re.compile(r"\(?[^\W_]+(?:['’/-][^\W_]+)*\)?")


def plain(text: str) -> str:
    """Return the words of ``text`` in lower case, one space apart; brackets stay at a word that stands alone in them."""
    words = (word if word.startswith("(") and word.endswith(")") else word.strip("()") for word in _WORD.findall(text))
    return " ".join(word.casefold() for word in words)


def holds(text: str, phrases: Iterable[str]) -> bool:
    """Whether one of ``phrases`` stands anywhere in ``text``."""
    return any(f" {phrase} " in f" {plain(text)} " for phrase in phrases)


def begins(text: str, phrases: Iterable[str]) -> bool:
    """Whether ``text`` begins with one of ``phrases``."""
    return any(f"{plain(text)} ".startswith(f"{phrase} ") for phrase in phrases)


def ends(text: str, phrases: Iterable[str]) -> bool:
    """Whether ``text`` ends with one of ``phrases``, and says something before it."""
    return any(f" {plain(text)}".endswith(f" {phrase}") and plain(text) != phrase for phrase in phrases)
