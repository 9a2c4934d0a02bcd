"""What a replay is: an operator's wish that commands be sent again, its states, what may become of an item. No SQL, no EHR."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from uuid import UUID

from canonical.lifecycle import State


class Mode(StrEnum):
    """Which bytes are sent again."""

    #: Those that were journaled, while their mapping version is in force; under another one a person approves new bytes.
    STORED = "stored"
    #: Those that were journaled, under the mapping version they were made with, whatever is in force now.
    PINNED = "pinned"
    #: New ones, made by the mapping in force, each approved by a person.
    REGENERATED = "regenerated"


class ReplayState(StrEnum):
    """Where a replay is."""

    #: Its dry run is over: it can be looked at, and started.
    DRAFT = "draft"
    RUNNING = "running"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    DONE = "done"


class Step(StrEnum):
    """What a person does to a replay."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"


#: Why a command that was given in place of another waits for a person.
REPLAYED = "replayed"

R, D = ReplayState, Step
#: The only legal steps. What was begun is not called back; what was not, is not begun.
STEPS: Mapping[tuple[ReplayState, Step], ReplayState] = MappingProxyType(
    {
        (R.DRAFT, D.START): R.RUNNING,
        (R.RUNNING, D.PAUSE): R.PAUSED,
        (R.PAUSED, D.RESUME): R.RUNNING,
        (R.DRAFT, D.CANCEL): R.CANCELLED,
        (R.RUNNING, D.CANCEL): R.CANCELLED,
        (R.PAUSED, D.CANCEL): R.CANCELLED,
    }
)


class ItemState(StrEnum):
    """Where an item is."""

    PENDING = "pending"
    BEGUN = "begun"
    OVER = "over"


class Result(StrEnum):
    """What became of an item, or would."""

    #: Dry run: it would be sent.
    WOULD_SEND = "would_send"
    #: Dry run: a person would have to approve it by itself.
    WOULD_ASK = "would_ask"
    #: The command itself was handed to be sent again.
    SENT = "sent"
    #: A new command was given in its place.
    GIVEN = "given"
    #: The EHR has it: nothing was sent.
    ALREADY_THERE = "already_there"
    #: Nothing was sent; a person approves it by itself.
    AWAITS_APPROVAL = "awaits_approval"
    #: Nothing was sent; a person must look.
    NEEDS_PERSON = "needs_person"
    #: Nothing was sent, and nothing will be by this replay.
    REFUSED = "refused"


#: How items end that put something on its way.
ON_ITS_WAY = frozenset({Result.SENT, Result.GIVEN})
#: Ended or going on in a way that a replay has no part in → why.
NOT_TO_REPLAY: Mapping[State, str] = MappingProxyType(
    {
        **dict.fromkeys((State.RECEIVED, State.READY, State.SENDING, State.UNKNOWN), "goes-on-by-itself"),
        **dict.fromkeys((State.PENDING_REMOTE, State.APPLIED, State.PARKED), "goes-on-by-itself"),
        **dict.fromkeys((State.AWAITING_APPROVAL, State.CONFLICTED, State.INCOMPLETE), "its-case-decides"),
        State.TAKING_BACK: "goes-on-by-itself",
        State.PARTLY_TAKEN_BACK: "taken-back",
        State.VERIFIED: "in-the-chart",
        State.COMPENSATED: "taken-back",
        State.WITHDRAWN: "withdrawn",
        State.EXPIRED: "expired",
        State.SUPERSEDED: "superseded",
    }
)
#: States that a replay may put in motion.
REPLAYABLE = frozenset(State) - frozenset(NOT_TO_REPLAY)
#: Why an item ended as it did, in words that say what to do.
WHY: Mapping[str, str] = MappingProxyType(
    {
        "goes-on-by-itself": "It is not over and goes on by itself: wait for it.",
        "its-case-decides": "A person decides it in its case: decide it there.",
        "in-the-chart": "It is in the chart already. Nothing was sent.",
        "taken-back": "It was in the chart and was taken back. If it is wanted again, its author sends it anew.",
        "withdrawn": "Its author took it back. If it is wanted after all, its author sends it anew.",
        "expired": "Its deadline passed. Only its author can say that it is still right: they send it anew.",
        "superseded": "A later command replaced it. Nothing was sent; look at that one.",
        "already-replayed": "Another command was given in its place already: look at that one.",
        "probe-found": "The EHR has it. Nothing was sent.",
        "probe-found-after-end": "The EHR has it, although it ended as not written. Nothing was sent; a case says so.",
        "probe-cannot-tell": "The EHR could not tell whether it is there. Nothing was sent; look in the chart.",
        "not-in-bulk": "This is decided one by one: decide it in its case.",
        "bytes-differ": "Other bytes would leave than those that were approved. Approve them in its case.",
        "new-approval": "It is approved anew, by itself, before anything is sent.",
        "claimed-by-another": "A colleague has its case. Nothing was sent; ask them for it.",
        "moved-meanwhile": "Something happened to it meanwhile. Nothing was sent; look at it again.",
        "no-case": "It waits for a person and has no open case. Nothing was sent; look at its page.",
        "connection-gone": "Its EHR connection is not configured any more: put it back, then replay it.",
        "not-understood": "The EHR's answer could not be understood. Nothing was sent; look in the chart.",
        "would-stop": "It would stop before it is sent: the reason is beside it.",
        "door-refused": "The door would not take it now: the reason is beside it.",
        "resent": "It is on its way again.",
        "given": "A new command was given in its place.",
        "nothing-there": "The EHR does not have it: it would be sent.",
    }
)


@dataclass(frozen=True, kw_only=True)
class ReplayLimits:
    """The whole of ``data/replay.toml``; counts, and ``mended`` reasons of an end."""

    most_items: int
    most_batch: int
    most_per_minute: int
    batch: int
    per_minute: int
    lease: timedelta
    again: timedelta
    mended: frozenset[str]


@cache
def replay_limits() -> ReplayLimits:
    """Return the limits that this product brings."""
    data = tomllib.loads((files("canonical") / "data" / "replay.toml").read_text("utf-8"))
    counts = {name: int(data[name]) for name in ("most_items", "most_batch", "most_per_minute", "batch", "per_minute")}
    return ReplayLimits(
        **counts,
        lease=timedelta(minutes=data["lease_minutes"]),
        again=timedelta(seconds=data["again_seconds"]),
        mended=frozenset(data["mended"]),
    )


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which commands: those named, or all that are in a replayable state and match what is given. Times are UTC."""

    commands: tuple[UUID, ...] = ()
    connection: str | None = None
    action_type: str | None = None
    state: State | None = None
    case_kind: str | None = None
    received_from: datetime | None = None
    received_to: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Wish:
    """A replay as it was asked for: by whom (``person``), why, of what, how fast; ``batch`` and ``per_minute`` are counts."""

    tenant: str
    person: str
    reason: str
    selection: Selection
    mode: Mode
    batch: int
    per_minute: int
    dry_run: bool


@dataclass(frozen=True, kw_only=True)
class Replay:
    """A replay as it stands; ``counts`` are items by result, those that are not over under ``pending`` or ``begun``."""

    id: UUID
    tenant: str
    person: str
    reason: str
    mode: Mode
    batch: int
    per_minute: int
    dry_run: bool
    state: ReplayState
    created_at: datetime
    counts: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class ItemResult:
    """What became of an item: ``why`` is a key of :data:`WHY`, ``error`` a code of what stopped it.

    ``bytes`` says which were, or would be, sent (``stored``, ``regenerated``, ``first``); the digests (SHA-256, hex) and
    the names in ``changed`` tell how new ones differ. No content.
    """

    result: Result
    why: str
    error: str = ""
    bytes: str = ""
    mapping_pinned: str | None = None
    mapping_now: str | None = None
    stored_digest: str | None = None
    planned_digest: str | None = None
    changed: tuple[str, ...] = ()
    new_command: UUID | None = None
    case_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class TakenItem:
    """One item that was begun, once: ``tries`` must be given back with its result."""

    replay: Replay
    seq: int
    tries: int
    command: UUID
    connection: str


@dataclass(frozen=True, kw_only=True)
class ReplayItem:
    """One item as it stands; ``waits_for``: why it is not begun (``drift-incident``, ``connection-closed``, ``switched-off``)."""

    seq: int
    command: UUID
    connection: str
    state: ItemState
    result: ItemResult | None
    waits_for: str


@dataclass(frozen=True, kw_only=True)
class ReplayOf:
    """What a command carries that is given in place of another, when it comes to the door.

    ``family`` is the first command of the intent, ``command`` the one it stands for; ``stored``: the bytes journaled for that one
    are sent; ``needs_person``: it waits for its own approval, whatever policy says.
    """

    replay: UUID
    family: UUID
    command: UUID
    stored: bool
    needs_person: bool


def replay_key(replay: UUID, command: UUID) -> str:
    """Return the idempotency key of the command that ``replay`` gives in place of ``command``: the same whenever it is asked."""
    return "replay:" + hashlib.sha256(replay.bytes + command.bytes).hexdigest()
