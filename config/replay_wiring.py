"""Putting replays together; ``wiring.py`` does the rest. Importing it builds nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import Engine

from canonical.ports import ConnectionSettings, Ehr
from canonical.replay_store import ReplayBook
from config.review_wiring import Doors
from reconcile.replay_desk import ReplayDesk
from reconcile.replaying import Replaying
from store.cases import Cases
from store.replays import StoredReplays
from tasks.hints import Hints
from tasks.preview import Previewer


@dataclass(frozen=True, kw_only=True)
class Replays:
    """What a process has of replays: what remembers them, where people ask for them, and what takes an item to its end."""

    book: ReplayBook
    desk: ReplayDesk
    work: Replaying


def replays(
    engine: Engine,
    connections: Mapping[tuple[str, str], ConnectionSettings],
    *,
    ehrs: Callable[[str, str], Ehr],
    doors: Doors,
    previewer: Previewer,
    hints: Hints,
) -> Replays:
    """Return what there is of replays: they go through the door that everybody uses."""
    book = StoredReplays(engine)
    work = Replaying(
        book=book,
        cases=Cases(engine),
        ehrs=ehrs,
        connections=connections,
        previewer=previewer,
        receiver=doors.receiver,
        admissions=doors.admissions,
        hints=hints,
    )
    return Replays(book=book, desk=ReplayDesk(book=book, connections=connections), work=work)
