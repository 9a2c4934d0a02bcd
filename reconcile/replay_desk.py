"""Asking for replays, looking at them and steering them: who may, and how large they may be. What they do: ``replays.py``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

import structlog

from canonical.errors import FieldError, RefusedError
from canonical.ports import ConnectionSettings
from canonical.replay import NOT_TO_REPLAY, Mode, Replay, ReplayItem, Selection, Step, Wish, replay_limits
from canonical.replay_store import ReplayBook
from canonical.review_desk import ReviewError
from canonical.reviewer import Reviewer, Right
from reconcile.review.desk import require

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class ReplayDesk:
    """Replays of a tenant for those who may act on many commands; ``connections`` are those of every tenant."""

    book: ReplayBook
    connections: Mapping[tuple[str, str], ConnectionSettings]

    def ask(
        self,
        reviewer: Reviewer,
        selection: Selection,
        *,
        reason: str,
        mode: Mode = Mode.STORED,
        dry_run: bool = True,
        batch: int | None = None,
        per_minute: int | None = None,
    ) -> Replay:
        """Store a replay, which the next sweep begins.

        Raises ``ReviewError`` ``not-permitted`` and ``RefusedError`` ``invalid-field`` (too many, none, unknown, too fast).
        """
        require(reviewer, Right.BULK)
        limits = replay_limits()
        self._check(reviewer, selection)
        wish = Wish(
            tenant=reviewer.tenant,
            person=reviewer.actor,
            reason=reason,
            selection=selection,
            mode=mode,
            batch=_within("/batchSize", batch or limits.batch, limits.most_batch),
            per_minute=_within("/ratePerMinute", per_minute or limits.per_minute, limits.most_per_minute),
            dry_run=dry_run,
        )
        made = self.book.add(wish)
        log.info("replay asked for", action="replay.asked", replay=str(made), dry_run=dry_run, mode=mode.value)
        return self._found(reviewer, made)

    def show(self, reviewer: Reviewer, replay: UUID) -> Replay:
        """Return one replay; raises ``ReviewError`` ``not-found`` or ``not-permitted``."""
        require(reviewer, Right.SEE_ROWS)
        return self._found(reviewer, replay)

    def items(self, reviewer: Reviewer, replay: UUID, *, after: int = 0, limit: int = 50) -> tuple[ReplayItem, ...]:
        """Return items in order, those after number ``after``; raises as :meth:`show`."""
        self.show(reviewer, replay)
        return self.book.items(replay, after=after, limit=limit)

    def step(self, reviewer: Reviewer, replay: UUID, step: Step) -> Replay:
        """Start, pause, resume or cancel; raises ``ReviewError`` (``not-possible``: it is not in a state for that)."""
        require(reviewer, Right.BULK)
        found = self._found(reviewer, replay)
        if not self.book.step(reviewer.tenant, replay, step):
            raise ReviewError(
                "not-possible",
                f"This replay is {found.state.value}: it cannot {step.value}. Nothing was changed; look at it again.",
            )
        log.info("replay steered", action=f"replay.{step.value}", replay=str(replay))
        return self._found(reviewer, replay)

    def _found(self, reviewer: Reviewer, replay: UUID) -> Replay:
        found = self.book.find(reviewer.tenant, replay)
        if found is None:
            raise ReviewError("not-found", "There is no such replay.")
        return found

    def _check(self, reviewer: Reviewer, selection: Selection) -> None:
        name = selection.connection
        if name is not None and (reviewer.tenant, name) not in self.connections:
            raise _invalid("/selection/connection", "This tenant has no such EHR connection. Nothing was planned.")
        if selection.state in NOT_TO_REPLAY:
            raise _invalid("/selection/state", "Commands in this state are never replayed. Nothing was planned.")
        narrows = any(value for name, value in vars(selection).items() if name != "commands")
        if selection.commands and narrows:
            raise _invalid(
                "/selection", "Name commands or say what they have in common, not both. Nothing was planned."
            )
        if not selection.commands and not narrows:
            raise _invalid("/selection", "Say which commands: name them, or what they have in common.")


def _within(pointer: str, value: int, most: int) -> int:
    if not 1 <= value <= most:
        raise _invalid(pointer, f"It is 1 to {most}. Nothing was planned.")
    return value


def _invalid(pointer: str, sentence: str) -> RefusedError:
    return RefusedError(
        "invalid-field", sentence, errors=(FieldError(pointer=pointer, code="invalid", detail=sentence),)
    )
