"""The review desk over one EHR's desk: a second clinician's edit in the EHR, the case it opens, and a person's decision.

The desk is the product's own, put together as the service does it; only the hints to workers are noted instead of sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from canonical.case_views import CasePage
from canonical.ports import ConnectionSettings, Resource
from canonical.review_desk import Decided, Decision, FieldPick, Pick, Verb
from canonical.reviewer import Licence, Reviewer
from canonical.ruling import Verdict
from config.policy_files import read_policies
from config.review_wiring import case_desk, conflict_engine
from reconcile.review.desk import CaseDesk
from reconcile.review.engine import ConflictEngine, Looked
from reconcile.review.judging import verdict_of
from reconcile.review.look import Look
from store.intake import Accepted
from tasks.patients import Patients
from tasks.preparation import Preparation
from tests.conformance.desk import Desk
from tests.factories import Json, acknowledged_json
from tests.reconcile.review.bench import NotedHints, person

#: Whoever edits in the EHR while an author edits through us, and through which system.
OTHER_CLINICIAN = {"name": "Dr A. Ruiz", "role": "physician", "reference": "Practitioner/d1"}
OTHER_SYSTEM = "urn:example:ward-system"
#: Who decides: licensed for every group of these actions.
DECIDER = person("cy-prescriber", Licence.PRESCRIBER)
SECOND = person("fay-prescriber", Licence.PRESCRIBER)


@dataclass
class Reviewing:
    """``desk`` is the EHR's; ``cases`` the review desk over it, ``engine`` the machine beside that one."""

    desk: Desk
    cases: CaseDesk
    engine: ConflictEngine

    def case_of(self, command: UUID) -> int:
        """Return the open case of a command."""
        found = self.cases.cases.open_case_of("t1", command)
        assert found is not None, self.desk.told(command)
        return found

    def page(self, command: UUID, reviewer: Reviewer = DECIDER) -> CasePage:
        """Open a command's case."""
        return self.cases.open(reviewer, self.case_of(command))

    def decide(
        self,
        page: CasePage,
        verb: Verb,
        picks: Mapping[str, Pick] | None = None,
        *,
        reviewer: Reviewer = DECIDER,
        **more: Any,
    ) -> Decided:
        """Decide a case on the page that ``reviewer`` was shown."""
        fields = {name: FieldPick(pick=pick) for name, pick in (picks or {}).items()}
        decision = Decision(verb=verb, view=page.view, fields=fields, **more)
        return self.cases.decide(reviewer, page.row.id, decision)

    def look(self, command: UUID) -> Look:
        """Compare what the author saw, what the chart says and what is proposed, as the desk does."""
        case = self.cases.cases.find("t1", self.case_of(command))
        assert case is not None
        return self.cases.reader.look(case)

    def verdict(self, command: UUID) -> Verdict:
        """Return what policy says of it."""
        return verdict_of(self.look(command), self.cases.policies, authenticated=False)

    def let_machine_look(self, command: UUID) -> Looked:
        """Let the conflict engine look at a command's case now."""
        case = self.case_of(command)
        self.desk.ward.query("UPDATE cases SET next_look_at = '-infinity' WHERE id = %(case)s", case=case)
        return self.engine.run(case)


def reviewing(desk: Desk) -> Reviewing:
    """Put the review desk together over the EHR of ``desk``."""

    def ehrs(_tenant: str, _connection: str) -> Any:
        return desk.ehr

    settings = ConnectionSettings(
        tenant="t1", name="north", adapter=desk.adapter.key, base_url=desk.sandbox.url, options=dict(desk.options)
    )
    cases = case_desk(
        desk.ward.engine,
        {("t1", "north"): settings},
        ehrs=ehrs,
        preparation=Preparation(ehrs=ehrs, patients=Patients(clock=lambda: datetime.now(UTC))),
        policies=read_policies(),
        hints=NotedHints(),  # type: ignore[arg-type]
        clock=lambda: datetime.now(UTC),
    )
    return Reviewing(desk=desk, cases=cases, engine=conflict_engine(desk.ward.engine, cases))


def change(desk: Desk, patient: str, of: Accepted, said: Json) -> Accepted:
    """Submit a change of what ``of`` made by an author who has the whole entry on the screen, and knows its version."""
    stored = desk.stored(desk.reference(of.command_id))
    version = desk.ehr.version_of(stored)
    target = {
        "command": str(of.command_id),
        **({} if version is None else {"versionId": version}),
        "seen": dict(desk.ehr.project(stored)),
        "acknowledged": acknowledged_json(),
    }
    return desk.submit(patient, said, target=target)


def entry(desk: Desk, reference: str) -> Resource:
    """Return an entry as the EHR keeps it."""
    kind, _, id_ = reference.partition("/")
    (found,) = (item for item in desk.sandbox.resources(kind) if item["id"] == id_)
    return found


def edit(desk: Desk, reference: str, **over: Any) -> Resource:
    """Let the other clinician change an entry in the EHR; return it as the EHR stored it."""
    return desk.sandbox.edit({**entry(desk, reference), **over}, by=OTHER_CLINICIAN, system=OTHER_SYSTEM)
