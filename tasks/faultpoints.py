"""Named steps of a write at which a test may stop or kill the process; without a plan, they do nothing at all.

The plan is a setting that only tests give: ``{"after_claim": "kill"}``. Not a way to inject wrong results.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from canonical.errors import ConfigurationError

#: Every step that can be named, in the order of a write.
STEPS = (
    "after_lock",
    "after_plan",
    "after_claim",
    "before_send",
    "after_answer",
    "after_carry_on",
    "after_settle",
    "after_probe_claim",
    "after_probe_answer",
    "before_accept_commit",
    "after_accept_commit",
)
_SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


@dataclass
class Faultpoints:
    """What to do at which step: ``kill`` or ``stop`` this process, optionally once over all processes.

    ``once_in`` is a directory (path) in which a marker file is made before the fault; a step whose marker exists passes.
    The marker also proves to the test that the fault fired.
    """

    plan: Mapping[str, str] = field(default_factory=dict)
    once_in: Path | None = None
    _lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        """Refuse a plan that names no step or no fault."""
        unknown = (set(self.plan) - set(STEPS)) | (set(self.plan.values()) - set(_SIGNALS))
        if unknown:
            raise ConfigurationError(f"faultpoints: unknown step or fault: {', '.join(sorted(unknown))}")

    def reach(self, step: str) -> None:
        """Do what the plan says for ``step``; nothing, when it says nothing."""
        fault = self.plan.get(step)
        if fault is None or not self._first(step):
            return
        # To this very thread: it must not go on by itself until another one has taken the signal.
        signal.pthread_kill(threading.get_ident(), _SIGNALS[fault])

    def _first(self, step: str) -> bool:
        if self.once_in is None:
            return True
        try:
            with self._lock, (self.once_in / step).open("x") as marker:
                marker.write(str(os.getpid()))
        except FileExistsError:
            return False
        return True
