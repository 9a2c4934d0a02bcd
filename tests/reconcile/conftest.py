from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import pytest

from canonical.ports import ConnectionSettings
from config.wiring import Services
from store.connections import sync_connections
from tests.tasks.ward import Ward
from tests.ward_services import services_of


@dataclass
class Noted:
    """Hands that only note what they are given; ``busy`` ones take nothing on."""

    busy: bool = False
    lanes: list[int] = field(default_factory=list)
    commands: list[UUID] = field(default_factory=list)
    callbacks: list[int] = field(default_factory=list)
    cases: list[int] = field(default_factory=list)
    settled: list[UUID] = field(default_factory=list)
    waiting: list[UUID] = field(default_factory=list)
    incomplete: list[UUID] = field(default_factory=list)
    entries: list[int] = field(default_factory=list)

    def dispatch(self, lane_id: int) -> bool:
        self.lanes.append(lane_id)
        return not self.busy

    def verify(self, command_id: UUID) -> bool:
        self.commands.append(command_id)
        return not self.busy

    def notify(self, callback_id: int) -> bool:
        self.callbacks.append(callback_id)
        return not self.busy

    def look(self, case_id: int) -> bool:
        self.cases.append(case_id)
        return not self.busy

    def recheck(self, command_id: UUID) -> bool:
        self.settled.append(command_id)
        return not self.busy

    def inquire(self, command_id: UUID) -> bool:
        self.waiting.append(command_id)
        return not self.busy

    def complete(self, command_id: UUID) -> bool:
        self.incomplete.append(command_id)
        return not self.busy

    def reread(self, entry_id: int) -> bool:
        self.entries.append(entry_id)
        return not self.busy


@pytest.fixture
def services(ward: Ward, redis_url: str, tmp_path: Path) -> Iterator[Services]:
    with services_of(ward, redis_url, tmp_path) as services:
        yield services


@pytest.fixture
def hands() -> Noted:
    return Noted()


def let_wait(ward: Ward, seconds: float) -> None:
    """Make everything that waits have waited so much longer."""
    ward.query(
        "UPDATE commands SET due_at = due_at - make_interval(secs => %(s)s), "
        "state_since = state_since - make_interval(secs => %(s)s)",
        s=seconds,
    )


def other_connection(ward: Ward) -> int:
    """Set up a second EHR of the ward's tenant and return its connection's id."""
    settings = ConnectionSettings(
        tenant="t1",
        name="south",
        adapter="chart",
        base_url="http://none",
        timings=ward.chart.timings,
        max_in_flight=8,
    )
    return sync_connections(ward.engine, [settings])[0].id
