"""JSON values as charts have them, for Hypothesis: decimals as written, members of any name, lists in lists."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.factories import decimal

#: Written in more than one way on purpose: ``72.5`` and ``72.50`` are equal and not the same.
NUMBERS = st.sampled_from(["0", "1", "72", "72.5", "72.50", "72.500", "0.10", "1e-3", "-4.0"]).map(decimal)
WORDS = st.sampled_from(["", "a", "ab", "1", "true", "a/b", "m~n"])
LEAVES = st.one_of(st.booleans(), NUMBERS, WORDS)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=3)),
    max_leaves=8,
)
NAMES = ("dosage", "status", "note", "code")


def projections(values: st.SearchStrategy[Any] = VALUES) -> st.SearchStrategy[dict[str, Any]]:
    """Projections of an entry: some of four fields."""
    return st.dictionaries(st.sampled_from(NAMES), values, max_size=len(NAMES))
