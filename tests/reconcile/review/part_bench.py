"""Commands that are in the chart only in part, before the whole desk: made on the sandbox, shown, and taken back part by part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from canonical.case_views import CasePage
from canonical.incomplete import rest_plan
from canonical.part_views import PartRow
from canonical.review_desk import Decided, Decision, ReviewError, Verb
from canonical.reviewer import Licence, Reviewer
from reconcile import taking_back
from reconcile.incomplete_look import IncompleteLook
from store.incomplete_writes import StoredIncompleteWrites
from tests.compound_factories import care_gap_closure_json, listed_change_json
from tests.factories import Json, vital_reading_json
from tests.reconcile.conftest import Noted, let_wait
from tests.reconcile.review.bench import NURSE, NotedHints, ReviewBench, person
from tests.reconcile.review.whole_desk import WholeDesk
from tests.sandbox_fixture import RunningSandbox

OTHER_NURSE = person("gil-nurse", Licence.NURSE)
BOTH = {1: "retract", 2: "retract"}
WHY = "measured on another patient"
MARK = "urn:fhir-writeback:command"


def readings(number: int = 2) -> Json:
    """Return a closure whose evidence are so many readings, each another one."""
    codes = ("blood-pressure", "heart-rate", "body-temperature", "respiratory-rate")
    return care_gap_closure_json(evidence=[vital_reading_json(code) for code in codes[:number]])


@dataclass
class PartBench:
    """``whole`` is the desk and its chart."""

    whole: WholeDesk

    @property
    def sandbox(self) -> RunningSandbox:
        assert self.whole.station.server.sandbox is not None
        return self.whole.station.server.sandbox

    def stopped(
        self,
        action: Json,
        type: str = "Task",
        nth: int = 1,
        status: int = 422,
        approver: Reviewer | None = None,
        **more: Any,
    ) -> UUID:
        """Return a command whose ``nth`` write of ``type`` the EHR refused: what came before it stands."""
        command = self.whole.give(action, **more)
        if approver is not None:
            self.approve(command, approver)
        rule = {"fault": "error_before_commit", "match": {"method": "POST", "type": type}, "nth": nth}
        self.sandbox.faults({"id": "stop", **rule, "parameters": {"status": status}})
        self.whole.run(command)
        assert self.sandbox.fired() == {"stop": 1}
        self.sandbox.faults()
        assert self.whole.state(command) == "incomplete", self.whole.station.ward.reason(command)
        return command

    def approve(self, command: UUID, reviewer: Reviewer) -> None:
        """Let a person approve a command as it stands."""
        page = self.page(command, reviewer)
        self.whole.desk.decide(reviewer, page.row.id, Decision(verb=Verb.APPROVE, view=page.view))

    def case_of(self, command: UUID, kind: str | None = None) -> int:
        sql = "SELECT id FROM cases WHERE command_id = %(id)s AND closed_at IS NULL AND coalesce(kind = %(kind)s::text, true)"
        (found,) = self.whole.look(sql, id=command, kind=kind)
        return int(found["id"])

    def page(self, command: UUID, reviewer: Reviewer = NURSE) -> CasePage:
        return self.whole.desk.open(reviewer, self.case_of(command))

    def decide(
        self, page: CasePage, parts: Mapping[int, str], reviewer: Reviewer = NURSE, reason: str = WHY
    ) -> Decided:
        decision = Decision(verb=Verb.COMPENSATE, view=page.view, parts=parts, text=reason)
        return self.whole.desk.decide(reviewer, page.row.id, decision)

    def refused(self, page: CasePage, parts: Mapping[int, str], reviewer: Reviewer = NURSE, reason: str = WHY) -> str:
        """Return code and sentence with which it is refused; nothing was stored or moved."""
        before = self.whole.look("SELECT id, state, event_seq FROM commands ORDER BY id")
        try:
            self.decide(page, parts, reviewer, reason)
        except ReviewError as error:
            assert self.whole.look("SELECT id, state, event_seq FROM commands ORDER BY id") == before
            return f"{error.code}: {error}"
        raise AssertionError("it was carried out")

    def undoing(self, root: UUID) -> list[UUID]:
        """Return the commands that take parts of ``root`` back, in the order in which they were given."""
        sql = "SELECT id FROM commands WHERE undoes = %(root)s ORDER BY lane_seq"
        return [row["id"] for row in self.whole.look(sql, root=root)]

    def drive(self, root: UUID) -> None:
        """Let workers take turns until nothing of it moves any more."""
        for _ in range(2 + len(self.undoing(root))):
            self.whole.run(root)

    def swept(self) -> int:
        """Let the sweep run once, and return how many commands it ended."""
        return dict(taking_back.run_once(self.whole.services, Noted()))["ended"]

    def states(self, root: UUID) -> list[str]:
        """Return how each operation of a command is, in the order of writing."""
        sql = "SELECT state FROM operations WHERE command_id = %(root)s ORDER BY seq"
        return [row["state"] for row in self.whole.look(sql, root=root)]

    def chart(self, root: UUID, type: str = "Observation") -> dict[str, str]:
        """Return the status of each entry that a command made, by the tail of its mark."""
        found = {}
        for entry in self.whole.station.server.all(type):
            for name in entry.get("identifier", []):
                if name.get("system") == MARK and str(name.get("value")).startswith(str(root)):
                    found[str(name["value"]).removeprefix(str(root))] = entry["status"]
        return found

    def writes(self) -> list[str]:
        """Return what was written since the sandbox began, method and path."""
        return [
            f"{item['method']} {item['path'].partition('fhir/')[2]}"
            for item in self.sandbox.requests()
            if item["method"] in {"POST", "PUT"}
        ]


def told(parts: tuple[PartRow, ...]) -> list[tuple[int, str]]:
    """Return how each part stands, by place."""
    return [(part.seq, part.standing) for part in parts]


def events(bench: PartBench, command: UUID) -> list[str]:
    return bench.whole.station.ward.events(command)


def open_cases(bench: PartBench, command: UUID) -> list[str]:
    sql = "SELECT kind FROM cases WHERE command_id = %(id)s AND closed_at IS NULL ORDER BY kind"
    return [row["kind"] for row in bench.whole.look(sql, id=command)]


def closes(bench: PartBench) -> bool:
    return bench.whole.services.doors.balances.sheet().closes


def reject(bench: PartBench, command: UUID, reviewer: Reviewer = NURSE) -> None:
    """Let a person decide that a command is not sent."""
    page = bench.page(command, reviewer)
    choice = next(item for item in page.choices if item.verb == Verb.REJECT)
    decision = Decision(verb=Verb.REJECT, view=page.view, reason=choice.reasons[0][0], text="it is right")
    bench.whole.desk.decide(reviewer, page.row.id, decision)


def edit(bench: PartBench, root: UUID, seq: int) -> str:
    """Let somebody change what part ``seq`` wrote; return its reference."""
    sql = "SELECT reference FROM operations WHERE command_id = %(r)s AND seq = %(s)s"
    (row,) = bench.whole.look(sql, r=root, s=seq)
    entry = bench.whole.station.server.get(row["reference"])
    bench.sandbox.edit({**entry, "note": [{"text": "it is hers, and right"}]}, by={"name": "Dr. Ames"})
    return str(row["reference"])


def undone(bench: PartBench, root: UUID) -> list[int]:
    return [
        row["undoes_seq"] for row in bench.whole.look("SELECT undoes_seq FROM commands WHERE undoes = %(r)s", r=root)
    ]


def sweeper(bench: PartBench) -> IncompleteLook:
    ward, ehr = bench.whole.station.ward, bench.whole.station.ehr
    writes = StoredIncompleteWrites(ward.engine, actor="sweep")
    return IncompleteLook(writes=writes, ehrs=lambda _tenant, _name: ehr, plan=rest_plan())


def locked(bench: PartBench) -> UUID:
    """Return a command whose own entry was locked until its budget was gone: a machine may send the rest."""
    command = bench.whole.give(readings())
    bench.whole.look("UPDATE commands SET spent = 7 WHERE id = %(id)s", id=command)
    rule = {"fault": "error_before_commit", "match": {"method": "POST", "type": "Task"}, "parameters": {"status": 423}}
    bench.sandbox.faults({"id": "stop", **rule})
    bench.whole.run(command)
    bench.sandbox.faults()
    assert bench.whole.state(command) == "incomplete"
    let_wait(bench.whole.station.ward, 301)
    return command


def statements(bench: PartBench, *names: str) -> tuple[str, ...]:
    """Put active medication statements into the chart of the patient, and no others."""
    for entry in bench.whole.station.server.all("MedicationStatement"):
        bench.sandbox.delete(f"MedicationStatement/{entry['id']}")
    desk = ReviewBench(station=bench.whole.station, desk=bench.whole.services.case_desk, hints=NotedHints())
    for name in names:
        desk.statement(name)
    return names


def listed(entry: dict[str, Any], operation: str, **over: Any) -> dict[str, Any]:
    """Return a change of ``entry`` by somebody who saw it as it is."""
    seen = {"status": entry["status"], "medication": entry["medicationCodeableConcept"], "dosage": entry["dosage"]}
    item = listed_change_json(
        operation, f"MedicationStatement/{entry['id']}", versionId=entry["meta"]["versionId"], seen=seen
    )
    item["action"] |= over
    return item


def attested() -> dict[str, Any]:
    return {"ai": {"model": "scribe", "version": "3"}}
