"""A chart that keeps every version and all marks, loses what it is told to lose, and commits late; no real EHR."""

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from canonical.outcome import Outcome, Settlement
from canonical.ports import Fetched, Operation, Resource, Trace
from tests.tasks.chart import Chart


class Weather(Enum):
    """What becomes of one write request."""

    FINE = auto()
    REPLY_LOST = auto()
    REQUEST_LOST = auto()
    #: Lost for us; committed when the EHR comes to it.
    LATE = auto()
    DOWN = auto()
    THROTTLED = auto()
    LOCKED = auto()
    REFUSED = auto()


#: Weather in which nothing is written, with the answer.
_NOTHING_DONE = {
    Weather.REQUEST_LOST: Outcome.UNKNOWN,
    Weather.DOWN: Outcome.UNAVAILABLE,
    Weather.THROTTLED: Outcome.THROTTLED,
    Weather.LOCKED: Outcome.LOCKED,
    Weather.REFUSED: Outcome.REJECTED_PAYLOAD,
}


@dataclass
class RememberingChart(Chart):
    """``forecast`` is the weather of the next requests; ``versions`` every version of ours and theirs, in order."""

    forecast: list[Weather] = field(default_factory=list)
    versions: dict[str, list[tuple[Resource, str]]] = field(default_factory=dict)
    late: list[Operation] = field(default_factory=list)
    fell: set[Weather] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.on_send = self._under_weather

    def _under_weather(self, operation: Operation) -> Settlement | None:
        weather = self.forecast.pop(0) if self.forecast else Weather.FINE
        self.fell.add(weather)
        if weather in _NOTHING_DONE:
            return Settlement(outcome=_NOTHING_DONE[weather])
        if weather is Weather.LATE:
            self.late.append(operation)
            return Settlement(outcome=Outcome.UNKNOWN)
        if weather is Weather.REPLY_LOST:
            self.lose_answers += 1
        return None

    def land(self) -> None:
        """Commit what the EHR was slow to commit."""
        with self.lock:
            while self.late:
                self._write(self.late.pop(0))

    def _stored(self, reference: str, version: int, body: Resource) -> Settlement:
        known = self.versions.setdefault(reference, [])
        if version == len(known) + 1:
            known.append((body, "us"))
        return super()._stored(reference, version, body)

    def edit(self, reference: str, **members: Any) -> None:
        super().edit(reference, **members)
        self.versions[reference].append((self.resources[reference][1], "a clinician"))

    def marked(self, mark: str) -> list[str]:
        """References of which any version of ours carries ``mark``: the mark of a write is never taken away."""
        return [
            reference
            for reference, versions in self.versions.items()
            if any(body["mark"] == mark and who == "us" for body, who in versions)
        ]

    def written(self, mark: str) -> int:
        """How many versions were written under ``mark``."""
        return sum(body["mark"] == mark and who == "us" for known in self.versions.values() for body, who in known)

    def fetch(self, reference: str, trace: Trace) -> Fetched:
        plain, _, version = reference.partition("/_history/")
        if not version:
            return super().fetch(reference, trace)
        known = self.versions.get(plain, [])
        if int(version) > len(known):
            return Fetched(resource=None)
        return Fetched(resource=known[int(version) - 1][0], version=version)
