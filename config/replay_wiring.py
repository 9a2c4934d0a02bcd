"""Putting replays together; ``wiring.py`` does the rest. Importing it builds nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlalchemy import Engine

from canonical.ports import ConnectionSettings, Ehr
from config.review_wiring import Doors
from reconcile.replaying import Replaying
from store.cases import Cases
from store.replays import StoredReplays
from tasks.hints import Hints
from tasks.preview import Previewer


def replaying(
    engine: Engine,
    connections: Mapping[tuple[str, str], ConnectionSettings],
    *,
    ehrs: Callable[[str, str], Ehr],
    doors: Doors,
    previewer: Previewer,
    hints: Hints,
) -> Replaying:
    """Return what takes items to their end: through the door that everybody uses, and by the same probes as a lost answer."""
    return Replaying(
        book=StoredReplays(engine),
        cases=Cases(engine),
        ehrs=ehrs,
        connections=connections,
        previewer=previewer,
        receiver=doors.receiver,
        admissions=doors.admissions,
        hints=hints,
    )
