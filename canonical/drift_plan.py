"""When settled writes are looked at again, which of them, and how many at once: data, and the drawing of a sample. No clock."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

#: Option of a connection: how many looks a minute its EHR bears.
LOOKS_PER_MINUTE = "looks_per_minute"
#: A draw is a number of this many bits.
_BITS = 32


@dataclass(frozen=True, kw_only=True)
class Step:
    """One look in the life of a write: ``after`` its proof, at a ``part`` (0 to 1) of the writes that are not of high risk."""

    after: timedelta
    part: float


@dataclass(frozen=True, kw_only=True)
class DriftPlan:
    """The whole of ``data/drift.toml``; ``high_risk`` are action types, ``looks_per_minute`` and ``incident_writes`` counts."""

    steps: tuple[Step, ...]
    high_risk: frozenset[str]
    looks_per_minute: int
    again: timedelta
    lease: timedelta
    incident_writes: int
    incident_within: timedelta

    def is_sampled(self, command: UUID, step: int, *, high_risk: bool) -> bool:
        """Return whether a write is looked at in its ``step`` (0: the first); the same whenever it is asked."""
        drawn = hashlib.sha256(command.bytes + step.to_bytes(2)).digest()[: _BITS // 8]
        return high_risk or int.from_bytes(drawn) < self.steps[step].part * 2**_BITS

    def following(self, step: int, *, proven_at: datetime, now: datetime) -> tuple[int, datetime] | None:
        """Return the step after ``step`` and when it is due, leaving out what is past; ``None``: there is none any more."""
        later = ((at, proven_at + self.steps[at].after) for at in range(step + 1, len(self.steps)))
        return next((found for found in later if found[1] > now), None)


def plan_from(data: Mapping[str, Any]) -> DriftPlan:
    """Return the plan that a TOML document holds; raises ``ValueError`` naming what cannot be, ``KeyError`` what is missing."""
    steps = tuple(Step(after=timedelta(minutes=row["after_minutes"]), part=row["part"]) for row in data["looks"])
    if not steps or [step.after for step in steps] != sorted({step.after for step in steps}):
        raise ValueError("looks: at least one, each later than the one before")
    if any(not 0 <= step.part <= 1 for step in steps):
        raise ValueError("looks: part is between 0 and 1")
    return DriftPlan(
        steps=steps,
        high_risk=frozenset(data["high_risk"]),
        looks_per_minute=_positive(data, "looks_per_minute"),
        again=timedelta(minutes=_positive(data, "again_minutes")),
        lease=timedelta(minutes=_positive(data, "lease_minutes")),
        incident_writes=_positive(data, "incident_writes"),
        incident_within=timedelta(minutes=_positive(data, "incident_minutes")),
    )


def _positive(data: Mapping[str, Any], name: str) -> int:
    value = int(data[name])
    if value < 1:
        raise ValueError(f"{name}: 1 or more")
    return value


@cache
def drift_plan() -> DriftPlan:
    """Return the plan that this product brings."""
    return plan_from(tomllib.loads((files("canonical") / "data" / "drift.toml").read_text("utf-8")))
