"""Three questions about one command: what was intended, what happened, what is authoritative now. And the port behind.

Each answer stands alone: one that cannot be given says why, and the others are given all the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from canonical.lifecycle import State
from canonical.plain_words import Line
from canonical.ports import Operation


class ChartSays(StrEnum):
    """What the chart says of a command, read just now."""

    #: It says what was written.
    SAYS_IT = "saysIt"
    #: It says something else.
    DIFFERS = "differs"
    #: The entry is not there.
    NOT_THERE = "notThere"
    #: Nothing of it was sent.
    NOT_SENT = "notSent"
    #: A request left and nobody knows yet what became of it.
    NOT_KNOWN = "notKnown"
    #: It could not be read; the words say why.
    NOT_READ = "notRead"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer, line by line (clinical content); ``trouble`` says in words why it cannot be given, or not whole."""

    lines: tuple[Line, ...] = ()
    trouble: str = ""


@dataclass(frozen=True, kw_only=True)
class ChartAnswer(Answer):
    """What is authoritative now; ``read_at`` (UTC) is when it was asked, ``says`` what it came to."""

    says: ChartSays
    read_at: datetime


@dataclass(frozen=True, kw_only=True)
class Headline:
    """For whoever is woken: ``what`` it is, whether it is ``safe``, what to do ``next``, a sentence each."""

    what: str
    safe: str
    next: str


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """The three answers about the command ``id``."""

    id: UUID
    head: Headline
    intended: Answer
    happened: Answer
    now: ChartAnswer


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Where a command is; each look-up brings it, so that each can speak for itself. ``app`` is the one that sent it."""

    app: str
    connection: str
    state: State
    reason: str
    sent_as: str | None


@dataclass(frozen=True, kw_only=True)
class IntendedRecord:
    """What was accepted. ``received`` and ``decided`` are envelopes as JSON bytes; ``detail`` that of the first event.

    ``consent`` is its reference with the version pinned and the version in force; times are UTC.
    """

    standing: Standing
    received: bytes
    decided: bytes | None
    received_at: datetime
    actor: str
    assurance: str
    consent: tuple[str, int, int]
    detail: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class HappenedRecord:
    """All that is remembered of it, oldest first, as rows by column name; times are UTC."""

    standing: Standing
    events: tuple[dict[str, Any], ...]
    attempts: tuple[dict[str, Any], ...]
    decisions: tuple[dict[str, Any], ...]


@dataclass(frozen=True, kw_only=True)
class JournaledOperation:
    """One operation as it was journaled, and the version that its answer named."""

    operation: Operation
    version: str | None


@dataclass(frozen=True, kw_only=True)
class NowRecord:
    """What is needed to ask the chart: operations, the target of what was not sent, versions that are known to be ours.

    ``labels`` are the security labels of its envelope, ``asks_at`` (UTC) when an unknown outcome is asked for at the earliest.
    """

    standing: Standing
    correlation_id: str
    state_since: datetime
    asks_at: datetime
    target: str | None
    labels: tuple[dict[str, Any], ...]
    operations: tuple[JournaledOperation, ...]
    own_versions: frozenset[str]


class ExplanationRecords(Protocol):
    """The look-ups, one statement each; ``None``: there is no such command. Raise ``StoreUnavailableError``. Thread-safe."""

    def intended(self, tenant: str, command: UUID) -> IntendedRecord | None:
        """Return what was accepted."""
        ...

    def happened(self, tenant: str, command: UUID) -> HappenedRecord | None:
        """Return what is remembered."""
        ...

    def now(self, tenant: str, command: UUID) -> NowRecord | None:
        """Return what is needed to ask the chart."""
        ...
