"""Commands that are in the chart only in part, before the whole desk: made on the sandbox, shown, and taken back part by part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from canonical.case_views import CasePage, PartRow
from canonical.review_desk import Decided, Decision, ReviewError, Verb
from canonical.reviewer import Reviewer
from reconcile import taking_back
from tests.compound_factories import care_gap_closure_json
from tests.factories import Json, vital_reading_json
from tests.reconcile.conftest import Noted
from tests.reconcile.review.bench import NURSE
from tests.reconcile.review.whole_desk import WholeDesk
from tests.sandbox_fixture import RunningSandbox

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
