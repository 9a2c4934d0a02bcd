"""Putting together what explains commands; ``wiring.py`` does the rest. Importing it builds nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, tzinfo

from sqlalchemy import Engine

from canonical.ports import Ehr
from reconcile.explaining.explainer import Explainer
from store.explanations import StoredExplanations


def explainer(
    engine: Engine,
    *,
    ehrs: Callable[[str, str], Ehr],
    zone: Callable[[str, str], tzinfo],
    clock: Callable[[], datetime],
) -> Explainer:
    """Return what answers the three questions about the commands of ``engine``."""
    return Explainer(records=StoredExplanations(engine), ehrs=ehrs, zone=zone, clock=clock)
