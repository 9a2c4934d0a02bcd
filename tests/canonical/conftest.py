"""Hypothesis without a deadline: how long one example takes says more about the machine than about the rule."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("writeback", deadline=None)
settings.load_profile("writeback")
