"""A divergence as a test that can be played again: a kind of action, faults of the EHR and their order, nothing of anybody. Pure.

It is made of what record and chart say of one command. Whoever plays it uses a synthetic patient and examples of the action.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from canonical.incident.report import (
    ActKind,
    ChartSide,
    CommandRecord,
    Divergence,
    DivergenceKind,
    JudgedCommand,
    RecordedAttempt,
)
from canonical.incident.traces import CLAIMS, SEND, entry_of, is_known, traces
from canonical.lifecycle import Trigger
from canonical.outcome import Outcome, ProbeVerdict

K = DivergenceKind
#: The database lets no event be taken away, and no command be stored without one.
_NOT_PLAYED = frozenset({"no-command", "no-receipt-event", "left-at-the-door"})


class Do(StrEnum):
    """What a step of a scenario does."""

    #: The command of the scenario is given; where it changes an entry, that is written and proven first.
    SUBMIT = "submit"
    #: The EHR meets the next write (``on`` ``write``) or the next look for it (``on`` ``look``) with the fault ``what``;
    #: ``stale``: the look sees the chart as it was before the write.
    FAULT = "fault"
    #: A worker takes a turn, or the proof a look.
    TURN = "turn"
    #: A person decides to send it again.
    RESEND = "resend"
    #: Somebody changes the entry in the EHR: ``what`` is ``named``, ``unnamed``, or ``forgotten``, by a write of this service
    #: that the record does not have; ``on`` ``send``: just before the next write.
    EDIT = "edit"
    #: Somebody takes the entry out in the EHR; ``what`` as of an edit.
    REMOVE = "remove"
    #: The EHR loses the entry, history and all, as by a restored backup.
    LOSE = "lose"
    #: The record loses what it knew: the row is as ``what`` says.
    ALTER = "alter"


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step; ``what`` and ``on`` as :class:`Do` says."""

    do: Do
    what: str = ""
    on: str = ""


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What is played and what must come of it.

    ``first`` is the kind of the first divergence, ``worse`` what made it worse, if anything did. ``behaviour`` is how the EHR
    differs from what its adapter declares.
    """

    first: DivergenceKind
    worse: ActKind | None
    adapter: str
    action: str
    operation: str
    steps: tuple[Step, ...]
    behaviour: dict[str, str] = field(default_factory=dict)


def scenario_of(judged: JudgedCommand, found: Divergence) -> Scenario:
    """Return the scenario in which ``found``, the first divergence of the command, comes about again.

    Raises ``ValueError`` for what no play can bring about, since the tables themselves refuse it.
    """
    if found.why in _NOT_PLAYED:
        raise ValueError(found.why)
    worse = found.worse
    return Scenario(
        first=found.kind,
        worse=worse.kind if worse is not None and worse.command == found.command else None,
        adapter=judged.adapter,
        action=judged.record.action,
        operation=judged.record.operation,
        steps=tuple(_steps(judged, found)),
        behaviour=_behaviour(judged.record, found, judged.chart),
    )


def _behaviour(record: CommandRecord, found: Divergence, chart: ChartSide) -> dict[str, str]:
    """Return by which guard that was sent the EHR did not go."""
    doubled = any(len(trace.all) > 1 for trace in traces(record, chart))
    guards = {item.precondition or "" for item in record.attempts if item.kind == SEND}
    told: dict[str, str] = {}
    if doubled and any(guard.startswith("If-None-Exist") for guard in guards):
        told["if_none_exist"] = "ignore"
    if found.kind is K.OVERWRITTEN_UNSEEN and any(guard.startswith("If-Match") for guard in guards):
        told["precondition"] = "none"
    return told


def _steps(judged: JudgedCommand, found: Divergence) -> Iterator[Step]:
    record, chart = judged.record, judged.chart
    yield Step(do=Do.SUBMIT)
    made = dict.fromkeys({item.n for item in record.attempts}, 0)
    for trace in traces(record, chart):
        for _, n in trace.all:
            if n is not None:
                made[n] = made.get(n, 0) + 1
    yield from _requests(record, found, made)
    if any(event.trigger == Trigger.PROVEN for event in record.events):
        yield Step(do=Do.TURN)
    yield from _afterwards(record, found, chart)


def _requests(record: CommandRecord, found: Divergence, made: dict[int, int]) -> Iterator[Step]:
    """Yield the requests in their order, each with what the EHR did with it."""
    decided = _decided_before(record)
    for item in record.attempts:
        if item.kind == SEND:
            if item.n in decided:
                yield Step(do=Do.RESEND)
            if found.kind is K.OVERWRITTEN_UNSEEN and item.n == found.attempt:
                yield Step(do=Do.EDIT, what="unnamed", on="send")
            fault = _fault_of_send(item, made.get(item.n, 0))
            on = "write"
        else:
            fault, on = _fault_of_look(item, made.get(item.n, 0)), "look"
        if fault is not None:
            yield Step(do=Do.FAULT, what=fault, on=on)
        yield Step(do=Do.TURN)


def _decided_before(record: CommandRecord) -> frozenset[int]:
    """Return the numbers of the requests that a person, or a replay, had sent again."""
    decided, numbers = False, set[int]()
    for event in record.events:
        decided = decided or event.trigger == Trigger.RESEND_DECIDED
        if decided and event.trigger in CLAIMS and event.attempt is not None:
            numbers.add(event.attempt)
            decided = False
    return frozenset(numbers)


def _fault_of_send(item: RecordedAttempt, left: int) -> str | None:
    """Return the fault by which a request comes to its outcome, and leaves so many versions in the chart."""
    taken = item.outcome in {Outcome.APPLIED, Outcome.APPLIED_UNVERIFIED, Outcome.ALREADY_AT_TARGET}
    if left > 1:
        return "duplicate_delivery"
    if taken:
        return None if left else "answer_without_commit"
    if item.outcome == Outcome.THROTTLED:
        return "throttle"
    if item.outcome in {None, Outcome.UNKNOWN}:
        return "commit_then_drop" if left else "drop_before_commit"
    return "error_after_commit" if left else "error_before_commit"


def _fault_of_look(item: RecordedAttempt, left: int) -> str | None:
    """Return the fault by which a look for what is there, or is not, comes to its outcome."""
    if item.outcome == Outcome.UNAVAILABLE:
        return "error_before_commit"
    return "stale" if left and item.outcome == f"probe_{ProbeVerdict.NOT_APPLIED.value}" else None


def _afterwards(record: CommandRecord, found: Divergence, chart: ChartSide) -> Iterator[Step]:
    """Yield what happened to the entry, or to the record, once it was written."""
    if found.kind is K.RECORD_DISAGREES:
        yield Step(do=Do.ALTER, what=found.why)
    elif found.kind is K.RECORDED_BUT_ABSENT:
        if any(event.trigger == Trigger.PROVEN for event in record.events):
            yield Step(do=Do.LOSE)
    elif found.kind is K.DRIFT_AFTER_PROOF:
        yield from _edits(record, chart) if found.version is not None else (Step(do=Do.EDIT, what="unnamed"),)
    elif found.kind is K.WRITTEN_WITHOUT_RECORD and found.attempt is None:
        yield Step(do=Do.EDIT, what="forgotten")


def _edits(record: CommandRecord, chart: ChartSide) -> Iterator[Step]:
    told = 0
    for trace in traces(record, chart):
        entry = entry_of(chart, trace.operation.reference)
        if entry is None or trace.kept is None:
            continue
        for version in entry.versions[entry.versions.index(trace.kept[0]) + 1 :]:
            if not version.is_ours and not is_known(version, chart):
                did = Do.REMOVE if version.is_removal else Do.EDIT
                told += 1
                yield Step(do=did, what="named" if version.is_named else "unnamed")
    if not told:
        yield Step(do=Do.EDIT, what="unnamed")


# -- as a file


def to_toml(scenario: Scenario) -> str:
    """Return the scenario as a file for ``tests/scenarios``."""
    lines = [
        "# A regression case, written out by `writeback incident`. The patient is synthetic, the action an example.",
        f'first = "{scenario.first.value}"',
        *([f'worse = "{scenario.worse.value}"'] if scenario.worse is not None else []),
        f'adapter = "{scenario.adapter}"',
        f'action = "{scenario.action}"',
        f'operation = "{scenario.operation}"',
        *_table("behaviour", scenario.behaviour),
    ]
    for step in scenario.steps:
        told = {"do": step.do.value, "what": step.what, "on": step.on}
        lines += ["", "[[step]]", *(f'{name} = "{value}"' for name, value in told.items() if value)]
    return "\n".join(lines) + "\n"


def _table(name: str, members: dict[str, str]) -> list[str]:
    return ["", f"[{name}]", *(f'{key} = "{value}"' for key, value in sorted(members.items()))] if members else []


def from_toml(text: str) -> Scenario:
    """Return the scenario of a file.

    Raises ``ValueError`` (or ``KeyError``, naming the member) where it is none: correct the file.
    """
    said: dict[str, Any] = tomllib.loads(text)
    unknown = set(said) - {"first", "worse", "adapter", "action", "operation", "behaviour", "step"}
    if unknown:
        raise ValueError(f"a scenario has no members {sorted(unknown)}")
    return Scenario(
        first=DivergenceKind(said["first"]),
        worse=ActKind(said["worse"]) if "worse" in said else None,
        adapter=said["adapter"],
        action=said["action"],
        operation=said["operation"],
        steps=tuple(Step(**(step | {"do": Do(step["do"])})) for step in said["step"]),
        behaviour=dict(said.get("behaviour", {})),
    )
