"""Putting the review desk together; ``wiring.py`` does the rest. Importing it builds nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from canonical.admission import AdmissionStore
from canonical.capabilities import Capabilities
from canonical.part_store import PartCompensations
from canonical.policy import PolicySet
from canonical.ports import ConnectionSettings, Ehr
from canonical.review_desk import ReviewDesk
from reconcile.explaining.explainer import Explainer
from reconcile.review.board import Board
from reconcile.review.case_search import CaseSearch
from reconcile.review.command_desk import CommandDesk
from reconcile.review.desk import CaseDesk
from reconcile.review.engine import ConflictEngine
from reconcile.review.look import ChartReader
from reconcile.review.part_desk import PartDesk
from reconcile.review.review_desk import Desk
from reconcile.review.search import CommandSearch
from reconcile.review.surroundings import Surroundings
from store.case_search import StoredCaseSearch
from store.cases import Cases
from store.command_records import StoredCommandRecords
from store.glass import StoredGlass
from store.look_list import Looks
from store.review_figures import StoredReviewFigures
from tasks.hints import Hints
from tasks.preparation import Preparation
from tasks.receive import Receiver

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


@dataclass(frozen=True, kw_only=True)
class Doors:
    """What the desk needs beside cases: what EHRs can do, and the door through which it gives commands of its own."""

    capabilities: Callable[[ConnectionSettings], Capabilities]
    receiver: Receiver
    admissions: AdmissionStore
    parts: PartCompensations


def review_desk(
    engine: Engine,
    connections: Mapping[tuple[str, str], ConnectionSettings],
    cases: CaseDesk,
    explainer: Explainer,
    *,
    ehrs: Callable[[str, str], Ehr],
    doors: Doors,
    clock: Callable[[], datetime],
) -> ReviewDesk:
    """Return the whole desk around ``cases``: commands, search and board as well."""
    records = StoredCommandRecords(engine)

    def names(tenant: str) -> tuple[str, ...]:
        return tuple(name for owner, name in connections if owner == tenant)

    return Desk(
        cases=cases,
        parts=PartDesk(cases=cases, receiver=doors.receiver, store=doors.parts),
        commands=CommandDesk(
            cases=cases.cases,
            records=records,
            connections=connections,
            ehrs=ehrs,
            capabilities=doors.capabilities,
            policies=cases.policies,
            receiver=doors.receiver,
            admissions=doors.admissions,
            glass=StoredGlass(engine),
            clock=clock,
        ),
        finding=CommandSearch(records=records, connections=names),
        explainer=explainer,
        finding_cases=CaseSearch(finder=StoredCaseSearch(engine), ehr_names=cases.ehr_names),
        figures=Board(figures=StoredReviewFigures(engine), policies=cases.policies),
    )


def conflict_engine(engine: Engine, desk: CaseDesk) -> ConflictEngine:
    """Return the machine that works conflicts beside ``desk``: the same cases, the same look at the chart, the same policies."""
    return ConflictEngine(
        cases=desk.cases, looks=Looks(engine), reader=desk.reader, policies=desk.policies, hints=desk.hints
    )
