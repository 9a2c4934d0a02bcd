"""How entries that a notification names are looked at, and when two systems are in a loop: data with an owner. No clock."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_NUMBERS = (
    *("loop_writes", "loop_minutes", "lease_seconds", "under_way_seconds"),
    *("away_seconds", "grace_seconds", "remembered_days"),
)


@dataclass(frozen=True, kw_only=True)
class EchoPlan:
    """The whole of ``data/echoes.toml``; ``loop_writes`` is a count of one app's writes to one entry."""

    loop_writes: int
    loop_within: timedelta
    lease: timedelta
    under_way: timedelta
    away: timedelta
    grace: timedelta
    remembered: timedelta


def echo_plan_from(data: Mapping[str, Any]) -> EchoPlan:
    """Return the plan that a TOML document holds; raises ``ValueError`` naming what cannot be, ``KeyError`` what is missing."""
    for name in _NUMBERS:
        if not isinstance(data[name], int) or isinstance(data[name], bool) or data[name] < 1:
            raise ValueError(f"{name}: a whole number, 1 or more")
    if data["loop_writes"] < 2:
        raise ValueError("loop_writes: one write that was undone is no loop")
    return EchoPlan(
        loop_writes=data["loop_writes"],
        loop_within=timedelta(minutes=data["loop_minutes"]),
        lease=timedelta(seconds=data["lease_seconds"]),
        under_way=timedelta(seconds=data["under_way_seconds"]),
        away=timedelta(seconds=data["away_seconds"]),
        grace=timedelta(seconds=data["grace_seconds"]),
        remembered=timedelta(days=data["remembered_days"]),
    )


@cache
def echo_plan() -> EchoPlan:
    """Return the plan that this product brings."""
    return echo_plan_from(tomllib.loads((files("canonical") / "data" / "echoes.toml").read_text("utf-8")))
