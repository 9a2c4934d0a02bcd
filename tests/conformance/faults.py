"""What goes wrong between us and an EHR, as scenarios that can befall any operation of any adapter, and what holds after.

A write is counted where it was committed: versions that a client made, and what waits for the EHR's staff. However a command
ends, the chart holds it once or not at all, as its state says, and the same command again sends nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from adapters.wire import Answer, Wire
from canonical.action import action_specs
from canonical.capabilities import Capabilities, PreconditionKind, Way
from canonical.ports import Resource
from store.intake import Accepted
from tests.conformance import examples
from tests.conformance.connection import Connection
from tests.conformance.desk import Desk

#: Ends where the write is there, where it waits, and where a person looks.
VERIFIED, PENDING, REVIEW, CONFLICT = "verified", "pending_remote", "in_review", "conflicted"
_WRITING = ("create", "update", "patch", "transaction")


@dataclass(frozen=True, kw_only=True)
class Case:
    """One command that a scenario befalls: whose it is, and what it changes."""

    desk: Desk
    patient: str
    accepted: Accepted
    root: Accepted | None

    @property
    def target(self) -> str:
        """``Type/id`` of what a change is about."""
        assert self.root is not None
        return self.desk.reference(self.root.command_id)


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Something that goes wrong.

    ``begins`` and ``ends`` make and unmake it around the first ``turns``; ``leaves``: state in which a command may rest after
    it → how much of the command is committed then: ``all``, ``none``, or ``some`` (one operation of it); ``shows``: of
    these triggers the events tell at least one; ``befalls`` tells an operation that it cannot befall.
    """

    name: str
    begins: Callable[[Case], None]
    leaves: Mapping[str, str]
    shows: tuple[str, ...] = ()
    ends: Callable[[Case], None] = field(default=lambda case: case.desk.sandbox.faults())
    turns: int = 1
    befalls: Callable[[Capabilities, str, str], bool] = field(default=lambda _declared, _action, _operation: True)


def _fault(name: str, times: int = 1, **parameters: Any) -> Callable[[Case], None]:
    """Return what befalls the next ``times`` writes."""
    rules = [
        {"id": kind, "fault": name, "match": {"interaction": kind}, "times": times, "parameters": parameters}
        for kind in _WRITING
    ]
    return lambda case: case.desk.sandbox.faults(*rules)


class _AnsweredOnce:
    """A wire whose next write is answered here, and never leaves; reads go on."""

    def __init__(self, wire: Wire, answer: Answer) -> None:
        self._wire, self._answers = wire, [answer]

    def request(self, *args: Any, **named: Any) -> Any:
        return self._answers.pop() if self._answers else self._wire.request(*args, **named)

    def read(self, *args: Any, **named: Any) -> Any:
        return self._wire.read(*args, **named)

    def close(self) -> None:
        self._wire.close()


def _answered(of: Callable[[Connection], Answer]) -> Callable[[Case], None]:
    """Return that the EHR answers the next write in this way, in its own words, and does nothing."""

    def begins(case: Case) -> None:
        ehr, connection = case.desk.ehr, case.desk.connection
        name = "_native_wire" if connection.native else "_wire"
        setattr(ehr, name, _AnsweredOnce(getattr(ehr, name), of(connection)))

    return begins


def _unanswered(case: Case) -> None:
    """Give the EHR its own wires back."""
    for name in ("_wire", "_native_wire"):
        wire = getattr(case.desk.ehr, name)
        setattr(case.desk.ehr, name, wire._wire if isinstance(wire, _AnsweredOnce) else wire)


def _edited(case: Case) -> None:
    """Let a clinician change what the author of the command saw."""
    kind, _, id_ = case.target.partition("/")
    (entry,) = (item for item in case.desk.sandbox.resources(kind) if item["id"] == id_)
    case.desk.sandbox.edit(_otherwise(entry))


def _otherwise(entry: Resource) -> Resource:
    if "valueQuantity" in entry:
        return {**entry, "valueQuantity": {**entry["valueQuantity"], "value": entry["valueQuantity"]["value"] + 1}}
    if entry["resourceType"].startswith("Medication"):
        return {**entry, "status": "stopped"}
    if "item" in entry:
        first, *others = entry["item"]
        return {**entry, "item": [{**first, "text": "as a clinician says"}, *others]}
    name = next(name for name in ("code", "vaccineCode", "description", "topic", "type", "title") if name in entry)
    said = entry[name]
    # Another thing, not only another word for it: an EHR may word its own codes as it likes.
    return {**entry, name: f"{said}, today" if isinstance(said, str) else {"text": "as a clinician says"}}


def _moved_meanwhile(case: Case) -> None:
    status = case.desk.sandbox.admin.get("settings").json()["stale_status"]
    _fault("conflict", status=status)(case)


def _locked(case: Case) -> None:
    case.desk.sandbox.admin.post("lock", json={"reference": case.target}).raise_for_status()


def _unlocked(case: Case) -> None:
    case.desk.sandbox.admin.post("lock", json={"reference": case.target, "seconds": 0}).raise_for_status()


def _unseen(case: Case) -> None:
    """Let reads and searches of the entry's type see the chart as it was an hour ago."""
    said = case.desk.said(case.accepted.command_id)
    ((kind, _), *_) = case.desk.capabilities.support(said["type"], said["operation"]).needs
    rules = [
        {"id": name, "fault": name, "match": {"type": kind}, "parameters": {"seconds": 3600}}
        for name in ("read_lag", "stale_search")
    ]
    case.desk.sandbox.faults(*rules)


def _creates(_declared: Capabilities, action: str, operation: str) -> bool:
    return action_specs()[action].operations[operation].creates


def _changes(declared: Capabilities, action: str, operation: str) -> bool:
    return not _creates(declared, action, operation)


def _guarded(declared: Capabilities, action: str, operation: str) -> bool:
    kinds = {declared.writes[need].precondition for need in declared.support(action, operation).needs}
    return bool(kinds & {PreconditionKind.IF_MATCH, PreconditionKind.IF_UNMODIFIED_SINCE})


_NOTHING_DONE = {VERIFIED: "all", PENDING: "all", REVIEW: "none"}
SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        name="lost answer after commit",
        begins=_fault("commit_then_drop"),
        # Where the EHR hides what it took, or cannot tell our change from another, a person looks; it is there once.
        leaves={VERIFIED: "all", REVIEW: "some"},
        shows=("answer_lost",),
    ),
    Scenario(
        name="error after commit",
        begins=_fault("error_after_commit", status=502),
        leaves={VERIFIED: "all", REVIEW: "some"},
        shows=("answer_lost",),
    ),
    Scenario(
        name="lost answer before commit",
        begins=_fault("drop_before_commit"),
        leaves=_NOTHING_DONE,
        shows=("answer_lost",),
    ),
    Scenario(
        name="success status with failure inside",
        begins=_answered(lambda connection: connection.failure_inside),
        ends=_unanswered,
        leaves=_NOTHING_DONE,
        shows=("answered_refused", "answer_lost", "retry_scheduled"),
    ),
    Scenario(
        name="unknown error code",
        begins=_answered(lambda connection: connection.unknown_code),
        ends=_unanswered,
        leaves=_NOTHING_DONE,
        shows=("answered_refused", "answer_lost"),
    ),
    Scenario(
        name="capability missing",
        begins=_answered(lambda _connection: Answer(status=403)),
        ends=_unanswered,
        leaves={REVIEW: "none"},
        shows=("answered_refused",),
    ),
    Scenario(
        name="throttled",
        begins=_fault("throttle", retry_after=1),
        leaves={VERIFIED: "all", PENDING: "all"},
        shows=("connection_closed",),
    ),
    Scenario(
        name="accepted but not visible",
        begins=_unseen,
        turns=2,
        leaves={VERIFIED: "all", PENDING: "all", REVIEW: "all"},
        befalls=_creates,
    ),
    Scenario(
        name="stale version",
        begins=_edited,
        leaves={CONFLICT: "none"},
        shows=("target_moved",),
        befalls=_changes,
    ),
    Scenario(
        name="edited between read and write",
        begins=_moved_meanwhile,
        leaves={CONFLICT: "none"},
        shows=("answered_conflict",),
        befalls=_guarded,
    ),
    Scenario(
        name="locked",
        begins=_locked,
        ends=_unlocked,
        leaves=_NOTHING_DONE,
        shows=("retry_scheduled", "answered_refused"),
        befalls=_guarded,
    ),
)


def cases(declared: Capabilities, *, every_operation: bool = False) -> Iterator[tuple[Scenario, str, str]]:
    """Return which scenario befalls which operations: all that the EHR takes itself, or one of each kind."""
    for action, operation in operations(declared, every_operation=every_operation):
        for scenario in SCENARIOS:
            if scenario.befalls(declared, action, operation):
                yield scenario, action, operation


def operations(declared: Capabilities, *, every_operation: bool) -> list[tuple[str, str]]:
    """Return the operations that an EHR takes itself; of each kind (way, creating or changing) the last, or all."""
    taken: dict[tuple[Way, bool], list[tuple[str, str]]] = {}
    for action, operation in examples.operations():
        way = declared.support(action, operation).way
        if way in {Way.DIRECT, Way.REVIEW}:
            kind = (way, action_specs()[action].operations[operation].creates)
            taken.setdefault(kind, []).append((action, operation))
    return [item for found in taken.values() for item in (found if every_operation else found[-1:])]


def play(desk: Desk, scenario: Scenario, action: str, operation: str) -> str:
    """Let it befall one command; return the state in which the command rests. Raises ``AssertionError``."""
    patient = desk.admit()
    creates = action_specs()[action].operations[operation].creates
    root = None if creates else desk.made(patient, action, operation)
    said = examples.example(action, operation, desk.connection)
    accepted = desk.submit(patient, said) if root is None else desk.change(patient, root, action, operation)
    case = Case(desk=desk, patient=patient, accepted=accepted, root=root)
    scenario.begins(case)
    try:
        before = committed(desk, patient)
        for _ in range(scenario.turns):
            desk.take_turn(accepted)
    finally:
        scenario.ends(case)
    state = desk.drive(accepted)
    _look(case, scenario, state, committed(desk, patient) - before)
    return state


def committed(desk: Desk, patient: str) -> int:
    """Return how many writes of clients the EHR has committed about a patient, those that wait for its staff among them."""
    versions = (item for entry in desk.chart(patient) for item in desk.sandbox.history(_reference(entry)))
    return sum(1 for item in versions if item["source"] is None) + len(desk.held(patient))


def _reference(resource: Resource) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


def _look(case: Case, scenario: Scenario, state: str, done: int) -> None:
    """State, chart, events and repetition after the scenario."""
    desk, command = case.desk, case.accepted.command_id
    told = f"{scenario.name}: {desk.told(command)}, {done} committed"
    assert state in scenario.leaves, told
    planned = len(desk.operations(command))
    wanted = {"none": {0}, "all": {planned}, "some": {1, planned}}[scenario.leaves[state]]
    assert done in wanted, told
    events = desk.ward.events(command)
    assert not scenario.shows or set(scenario.shows) & set(events), told
    assert state != REVIEW or desk.ward.cases(command), f"a person is not asked: {told}"
    since = desk.last_request()
    assert desk.again(command).command_id == command
    desk.take_turn(case.accepted)
    assert desk.writes(since) == [], f"sent again: {told}"
