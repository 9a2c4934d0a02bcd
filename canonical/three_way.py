"""Base, current, proposed: what an author saw, what the chart says now and what it is to say, compared field by field.

Pure and on canonical words; what to do about a difference is policy (``canonical/policy.py``).
"""

from __future__ import annotations

from enum import StrEnum


class FieldState(StrEnum):
    """How one field stands between author and chart."""

    #: Neither changed it.
    SAME = "same"
    #: Only one of them changed it.
    INDEPENDENT = "independent"
    #: Both did, to different values; or the author would change what they never saw.
    OVERLAPPING = "overlapping"
    #: The chart already says what is proposed.
    ALREADY_THERE = "already_there"
