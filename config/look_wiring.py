"""Putting together whatever looks at the chart on its own account; ``wiring.py`` does the rest. Importing it builds nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine

from canonical.drift_plan import drift_plan
from canonical.incomplete import rest_plan
from canonical.ports import ConnectionSettings
from config.ehrs import Ehrs
from config.notification_wiring import echo_guard
from config.review_wiring import conflict_engine
from reconcile.acceptance_look import AcceptanceLook
from reconcile.drift_look import DriftLook
from reconcile.echo_look import EchoLook
from reconcile.incomplete_look import IncompleteLook
from reconcile.review.desk import CaseDesk
from reconcile.review.engine import ConflictEngine
from store.drift import DriftWatchBook
from store.incomplete_writes import StoredIncompleteWrites
from store.waiting_writes import StoredWaitingWrites
from tasks.hints import Hints
from tasks.notification_intake import NotificationIntake


@dataclass(frozen=True, kw_only=True)
class Looks:
    """One for each reason to look: a conflict, a settled write, what staff must accept, what is half there, a notification."""

    conflict_engine: ConflictEngine
    drift_look: DriftLook
    acceptance_look: AcceptanceLook
    incomplete_look: IncompleteLook
    echo_look: EchoLook
    notification_intake: NotificationIntake


def looks_of(
    engine: Engine,
    connections: Mapping[tuple[str, str], ConnectionSettings],
    cases: CaseDesk,
    *,
    ehrs: Ehrs,
    hints: Hints,
    clock: Callable[[], datetime],
    actor: str,
) -> Looks:
    """Return all looks, with the plans that this product brings; ``actor`` names this process in events."""
    engine_look = conflict_engine(engine, cases)
    drift = DriftLook(book=DriftWatchBook(engine, actor=actor, plan=drift_plan()), ehrs=ehrs)
    waiting = StoredWaitingWrites(engine, actor=actor)
    acceptance = AcceptanceLook(writes=waiting, ehrs=ehrs, connections=connections)
    guard = echo_guard(
        engine,
        connections,
        ehrs=ehrs,
        capabilities=ehrs.capabilities,
        looks=(engine_look, drift, acceptance),
        hints=hints,
        clock=clock,
    )
    rest = StoredIncompleteWrites(engine, actor=actor)
    return Looks(
        conflict_engine=engine_look,
        drift_look=drift,
        acceptance_look=acceptance,
        incomplete_look=IncompleteLook(writes=rest, ehrs=ehrs, plan=rest_plan()),
        echo_look=guard.look,
        notification_intake=guard.intake,
    )
