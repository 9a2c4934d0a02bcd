"""A place to work cases: a ward on the sandbox's chart, the desk over it, and people who may decide. Not the pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from canonical.case_views import CasePage
from canonical.ports import ConnectionSettings
from canonical.review_desk import Decided, Decision, FieldPick, Pick, Verb
from canonical.reviewer import Licence, Pool, Reviewer, Right
from config.policy_files import read_policies
from config.review_wiring import case_desk
from reconcile.review.desk import CaseDesk
from store.intake import Accepted
from tasks.patients import Patients
from tasks.preparation import Preparation
from tests.factories import concept, dosage_json, medication_change_json
from tests.interop.station import Station

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ALL_RIGHTS = frozenset({Right.SEE_ROWS, Right.SEE_CONTENT, Right.DECIDE})


def person(subject: str, *licences: Licence, **more: Any) -> Reviewer:
    """Return somebody of tenant t1 who may see and decide clinical cases within their licence."""
    usual: dict[str, Any] = {
        "tenant": "t1",
        "issuer": "https://people.example",
        "subject": subject,
        "name": subject.replace("-", " ").title(),
        "licences": frozenset(licences),
        "rights": ALL_RIGHTS,
        "pools": frozenset({Pool.CLINICAL}),
    }
    return Reviewer(**(usual | more))


PHARMACIST = person("ada-pharmacist", Licence.PHARMACIST)
SECOND_PHARMACIST = person("bo-pharmacist", Licence.PHARMACIST)
PRESCRIBER = person("cy-prescriber", Licence.PRESCRIBER)
NURSE = person("di-nurse", Licence.NURSE)
ENGINEER = person(
    "ed-engineer",
    Licence.OPERATIONS,
    rights=frozenset({Right.SEE_ROWS, Right.SEE_CONTENT, Right.DECIDE, Right.BULK, Right.OVERSEE}),
    pools=frozenset({Pool.OPERATIONS}),
)


def dose(milligrams: str, text: str | None = None) -> dict[str, Any]:
    """Return the directions of one tablet of so many milligrams, once a day."""
    amount = {"value": int(milligrams), "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}
    return dosage_json(text=text or f"Take {milligrams} mg by mouth once daily", doseAndRate=[{"doseQuantity": amount}])


@dataclass
class NotedHints:
    """Hints that are only noted."""

    lanes: list[int] = field(default_factory=list)
    commands: list[UUID] = field(default_factory=list)

    def dispatch(self, lane_id: int) -> bool:
        self.lanes.append(lane_id)
        return True

    def verify(self, command_id: UUID) -> bool:
        self.commands.append(command_id)
        return True


@dataclass
class ReviewBench:
    """``station`` is ward and chart; ``desk`` decides its cases."""

    station: Station
    desk: CaseDesk
    hints: NotedHints

    def statement(self, name: str, milligrams: str = "10") -> dict[str, Any]:
        """Put an active medication statement into the chart, as a clinician would, and return it as stored."""
        self.station.server.put(
            {
                "resourceType": "MedicationStatement",
                "id": name,
                "status": "active",
                "subject": {"reference": "Patient/p1"},
                "medicationCodeableConcept": concept(RXNORM, "29046", "lisinopril"),
                "dosage": [dose(milligrams)],
            }
        )
        return self.station.server.get(f"MedicationStatement/{name}")

    def change_dose(self, stored: dict[str, Any], milligrams: str, **more: Any) -> Accepted:
        """Submit a dose change by somebody who saw ``stored``."""
        seen = {
            "status": stored["status"],
            "medication": stored["medicationCodeableConcept"],
            "dosage": stored["dosage"],
        }
        target = {
            "reference": f"MedicationStatement/{stored['id']}",
            "versionId": stored["meta"]["versionId"],
            "seenAt": datetime.now(UTC).isoformat(),
            "seen": seen,
        }
        action = medication_change_json("changeDose", dosage=[dose(milligrams)])
        return self.station.ward.submit(action, target=target, author={"role": "pharmacist"}, **more)

    def conflict(self, name: str) -> tuple[Accepted, int]:
        """Return a dose change from 10 to 20 mg whose chart moved to 5 mg meanwhile, and its case."""
        stored = self.statement(name)
        accepted = self.change_dose(stored, "20")
        self.move_chart(name, "5")
        self.station.run(accepted.lane_id)
        assert self.station.ward.state(accepted.command_id) == "conflicted"
        return accepted, self.case_of(accepted.command_id)

    def move_chart(self, name: str, milligrams: str) -> None:
        now = self.station.server.get(f"MedicationStatement/{name}")
        self.station.server.put({**now, "dosage": [dose(milligrams)]})

    def case_of(self, command: UUID) -> int:
        found = self.desk.cases.open_case_of("t1", command)
        assert found is not None
        return found

    def chart(self, name: str) -> dict[str, Any]:
        return self.station.server.get(f"MedicationStatement/{name}")

    def decide(
        self,
        reviewer: Reviewer,
        page: CasePage,
        verb: Verb,
        picks: Mapping[str, FieldPick | Pick] | None = None,
        **more: Any,
    ) -> Decided:
        fields = {
            name: pick if isinstance(pick, FieldPick) else FieldPick(pick=pick) for name, pick in (picks or {}).items()
        }
        decision = Decision(verb=verb, view=page.view, fields=fields, **more)
        return self.desk.decide(reviewer, page.row.id, decision)


def open_bench(station: Station) -> ReviewBench:
    """Set the desk up over the station's ward."""

    def ehrs(_tenant: str, _connection: str) -> Any:
        return station.ehr

    hints = NotedHints()
    settings = ConnectionSettings(tenant="t1", name="north", adapter="fhir_r4", base_url=station.server.url)
    desk = case_desk(
        station.ward.engine,
        {("t1", "north"): settings},
        ehrs=ehrs,
        preparation=Preparation(ehrs=ehrs, patients=Patients(clock=lambda: datetime.now(UTC))),
        policies=read_policies(),
        hints=hints,  # type: ignore[arg-type]
        clock=lambda: datetime.now(UTC),
    )
    return ReviewBench(station=station, desk=desk, hints=hints)
