"""Putting the look at incomplete commands together; ``wiring.py`` does the rest. Importing it builds nothing."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Engine

from canonical.incomplete import rest_plan
from canonical.ports import Ehr
from reconcile.incomplete_look import IncompleteLook
from store.incomplete_writes import StoredIncompleteWrites


def incomplete_look(engine: Engine, *, ehrs: Callable[[str, str], Ehr], actor: str) -> IncompleteLook:
    """Return what looks at incomplete commands, with the plan that this product brings."""
    return IncompleteLook(writes=StoredIncompleteWrites(engine, actor=actor), ehrs=ehrs, plan=rest_plan())
