"""Putting the review desk together; ``wiring.py`` does the rest. Importing it builds nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from canonical.policy import PolicySet
from canonical.ports import ConnectionSettings, Ehr
from reconcile.review.desk import CaseDesk
from reconcile.review.engine import ConflictEngine
from reconcile.review.look import ChartReader
from reconcile.review.surroundings import Surroundings
from store.cases import Cases
from store.look_list import Looks
from tasks.hints import Hints
from tasks.preparation import Preparation

#: Option of a connection: the zone in which its people read a clock (IANA name).
TIME_ZONE = "time_zone"
#: Option of a connection: what its people call their EHR.
EHR_NAME = "ehr_name"


def case_desk(
    engine: Engine,
    connections: Mapping[tuple[str, str], ConnectionSettings],
    *,
    ehrs: Callable[[str, str], Ehr],
    preparation: Preparation,
    policies: PolicySet,
    hints: Hints,
    clock: Callable[[], datetime],
) -> CaseDesk:
    """Return the desk over the cases of ``engine``; a connection's ``time_zone`` and ``ehr_name`` are options of it."""

    def zone(tenant: str, name: str) -> tzinfo:
        settings = connections.get((tenant, name))
        named = settings.options.get(TIME_ZONE) if settings is not None else None
        return ZoneInfo(str(named)) if named else UTC

    def ehr_names(tenant: str) -> Mapping[str, str]:
        return {
            name: str(item.options.get(EHR_NAME) or name)
            for (owner, name), item in connections.items()
            if owner == tenant
        }

    cases = Cases(engine)
    return CaseDesk(
        cases=cases,
        reader=ChartReader(cases=cases, preparation=preparation, clock=clock),
        surroundings=Surroundings(ehrs=ehrs, zone=zone),
        policies=policies,
        zone=zone,
        ehr_names=ehr_names,
        hints=hints,
    )


def conflict_engine(engine: Engine, desk: CaseDesk) -> ConflictEngine:
    """Return the machine that works conflicts beside ``desk``: the same cases, the same look at the chart, the same policies."""
    return ConflictEngine(
        cases=desk.cases, looks=Looks(engine), reader=desk.reader, policies=desk.policies, hints=desk.hints
    )
