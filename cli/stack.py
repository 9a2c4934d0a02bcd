"""The product's processes as one list, for the commands that start all of them; what each does is its own command."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import httpx

from processes.child_spec import ChildSpec
from processes.embedded import ServerUrls

LOOPBACK = "127.0.0.1"
#: A worker ends its turn before it stops: a request on its way, its settle, and a little more.
STOP_GRACE = timedelta(seconds=45)


@dataclass(frozen=True, kw_only=True)
class Stack:
    """What runs: the service's processes on two servers, and next to them Flower and the sandbox if wanted.

    Args:
        environment: `WRITEBACK_…` variables beside the two server URLs.
        urls: of the two servers, known once they run.
        api_port: where the API listens on this machine.
        dispatchers: number of dispatch workers.
        threads: of each worker; None leaves it to the settings.
        flower_port: None runs no Flower.
        sandbox: arguments of `writeback sandbox`, and its address; None runs none.
        neighbours: more sandboxes, by name.
    """

    environment: Mapping[str, str]
    api_port: int
    urls: ServerUrls = field(default_factory=lambda: ServerUrls(database_url="", redis_url=""))
    dispatchers: int = 2
    threads: int | None = None
    flower_port: int | None = None
    sandbox: tuple[Sequence[str], str] | None = None
    neighbours: Mapping[str, tuple[Sequence[str], str]] = field(default_factory=dict)
    stop_grace: timedelta = STOP_GRACE
    _own: list[str] = field(default_factory=lambda: [sys.executable, "-m", "cli.main"])

    @property
    def api_url(self) -> str:
        return f"http://{LOOPBACK}:{self.api_port}"

    @property
    def told(self) -> dict[str, str]:
        """What each process is told by its environment."""
        servers = {"WRITEBACK_DATABASE_URL": self.urls.database_url, "WRITEBACK_REDIS_URL": self.urls.redis_url}
        return {**self.environment, **servers}

    def children(self) -> list[ChildSpec]:
        """Return what to start, in this order: the EHR first, and the door last, when the rest is there to work."""
        threads = ["--threads", str(self.threads)] if self.threads else []
        workers = [self._child(f"worker-{n}", "worker", *threads) for n in range(1, self.dispatchers + 1)]
        return [
            *self._sandbox(),
            *workers,
            self._child("notifier", "worker", "--role", "notify", "--threads", "4"),
            self._child("receiver", "worker", "--role", "receive", "--threads", "2"),
            self._child("poller", "poller"),
            self._child("scheduler", "scheduler"),
            *self._flower(),
            self._child("api", "api", "--port", str(self.api_port), ready=answers(f"{self.api_url}/healthz")),
        ]

    def _sandbox(self) -> list[ChildSpec]:
        own = {} if self.sandbox is None else {"sandbox": self.sandbox}
        others = {f"sandbox-{name}": it for name, it in self.neighbours.items()}
        return [
            self._child(name, "sandbox", *arguments, ready=answers(f"{origin}/fhir/metadata"))
            for name, (arguments, origin) in {**own, **others}.items()
        ]

    def _flower(self) -> list[ChildSpec]:
        return [] if self.flower_port is None else [self._child("flower", "flower", "--port", str(self.flower_port))]

    def _child(self, name: str, *words: str, ready: Callable[[], bool] | None = None) -> ChildSpec:
        # A child runs the code its parent runs, wherever it was started from.
        code = {"PYTHONPATH": str(Path(__file__).parents[1])}
        return ChildSpec(
            name=name,
            argv=[*self._own, *words],
            env={**self.told, **code},
            ready=ready,
            stop_grace=self.stop_grace,
        )


def answers(url: str) -> Callable[[], bool]:
    """Return a question: does something answer at `url` with success?"""

    def ask() -> bool:
        try:
            return httpx.get(url, timeout=1).is_success
        except httpx.TransportError:
            return False

    return ask
