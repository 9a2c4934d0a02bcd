"""A ward with commands that ended or stand still, and the replays of one process over them. The chart is our own port."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from canonical.admission import patient_key
from canonical.command import Command
from canonical.events import move
from canonical.lifecycle import State, Trigger
from canonical.outcome import Outcome, Settlement
from canonical.ports import Operation
from canonical.replay import ItemResult, Mode, Replay, ReplayItem, Selection, Step
from config.wiring import Services
from reconcile.replay_desk import ReplayDesk
from reconcile.replays import run_once
from store.cases import Cases
from store.database import transaction
from store.intake import Accepted
from store.moves import apply_move
from tests.reconcile.conftest import Noted
from tests.reconcile.review.bench import ENGINEER
from tests.tasks.ward import Ward


def refused(_operation: Operation) -> Settlement:
    """Answer as an EHR that lacks something only its owners can add."""
    return Settlement(outcome=Outcome.REJECTED_SITE_CONFIG, status=422, vendor_code="X1")


def as_ever(_operation: Operation) -> None:
    """Answer as the chart does."""


@dataclass
class ReplayBench:
    """Replays over ``ward``, by the parts of ``services``."""

    ward: Ward
    services: Services

    def __post_init__(self) -> None:
        """Make the ward's consent one that the door takes, too."""
        self.ward.query(
            "UPDATE consents SET patient_key = %(key)s, actions = '{*}', apps = '{*}'",
            key=patient_key("t1", "north", "Patient/p1"),
        )

    @property
    def desk(self) -> ReplayDesk:
        return self.services.replays.desk

    def submit(self, action: dict[str, Any] | None = None, **envelope: Any) -> Accepted:
        key = patient_key("t1", "north", "Patient/p1")
        return self.ward.submit(action, new={"patient_key": key}, **envelope)

    def turned_down(self, **envelope: Any) -> Accepted:
        """Return a command that the EHR refused for want of a setting; the EHR goes on refusing."""
        accepted = self.submit(**envelope)
        self.ward.chart.on_send = refused
        self.ward.run(accepted.lane_id)
        assert self.ward.state(accepted.command_id) == "in_review"
        return accepted

    def mend(self) -> None:
        """Let the EHR take what it refused."""
        self.ward.chart.on_send = as_ever

    def end(self, command: UUID, trigger: Trigger = Trigger.REFUSED_BY_PERSON, reason: str = "") -> None:
        """End a command as a person or a sweep does."""
        with transaction(self.ward.engine) as connection:
            source = State(self.ward.state(command))
            assert apply_move(connection, command, move(source, trigger, reason), actor="person:somebody")

    def ended_by_consent(self) -> Accepted:
        """Return a command that was tried once, and whose consent ended before it was sent again; it is in force again."""
        accepted = self.submit()
        self.ward.chart.on_send = lambda _operation: Settlement(outcome=Outcome.UNAVAILABLE)
        self.ward.run(accepted.lane_id)
        self.mend()
        self.end(accepted.command_id, Trigger.CONSENT_ENDED, "consent-revoked")
        self.ward.query("UPDATE connections SET not_before = '-infinity', failures = 0")
        return accepted

    def lost(self) -> Accepted:
        """Return a command that is in the chart, and of which nobody knew it: its probe could not tell."""
        accepted = self.submit()
        self.ward.chart.lose_answers = 1
        self.ward.run(accepted.lane_id)
        assert self.ward.state(accepted.command_id) == "unknown"
        self.ward.query("UPDATE commands SET state = 'in_review' WHERE id = %(id)s", id=accepted.command_id)
        self.ward.query(
            "INSERT INTO cases (tenant, command_id, connection_id, action_type, kind, pool, severity, due_at) "
            "SELECT tenant, id, connection_id, action_type, 'cannot_tell', 'clinical', 1, now() FROM commands WHERE id = %(id)s",
            id=accepted.command_id,
        )
        self.let_quarantine_pass()
        return accepted

    def let_quarantine_pass(self) -> None:
        self.ward.query(
            "UPDATE attempts SET claimed_at = claimed_at - interval '1 hour', settled_at = settled_at - interval '1 hour'"
        )

    def ask(self, *commands: UUID, **over: Any) -> Replay:
        """Ask for a replay of these commands, not a dry run."""
        usual: dict[str, Any] = {"reason": "the setting is there now", "mode": Mode.STORED, "dry_run": False}
        return self.desk.ask(ENGINEER, Selection(commands=commands), **(usual | over))

    def sweep(self) -> dict[str, int]:
        return dict(run_once(self.services, Noted()))

    def step(self, replay: Replay, step: Step) -> Replay:
        return self.desk.step(ENGINEER, replay.id, step)

    def items(self, replay: Replay) -> tuple[ReplayItem, ...]:
        return self.desk.items(ENGINEER, replay.id, limit=1000)

    def result(self, replay: Replay) -> ItemResult:
        """Return what became of the one item of a replay."""
        (item,) = self.items(replay)
        assert item.result is not None, item
        return item.result

    def replayed(self, *commands: UUID, **over: Any) -> ItemResult:
        """Replay one command to its end and return what became of it."""
        replay = self.ask(*commands, **over)
        self.sweep()
        return self.result(replay)

    def state(self, replay: Replay) -> str:
        return self.desk.show(ENGINEER, replay.id).state.value

    def command(self, command: UUID) -> Command:
        return Cases(self.ward.engine).command(command)

    def drive(self, command: UUID) -> str:
        """Take the turns that a command is due for, and return its state."""
        lane = self.ward.query("SELECT lane_id FROM commands WHERE id = %(id)s", id=command)[0]["lane_id"]
        self.ward.run(lane)
        return self.ward.state(command)

    @property
    def entries(self) -> list[str]:
        """The entries that the chart has of the patient."""
        return [name for name in self.ward.chart.resources if name.startswith("Observation/")]
