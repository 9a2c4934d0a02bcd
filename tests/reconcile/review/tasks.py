"""Tasks on the sandbox's chart: what a clinician put there, what an author would change, and the engine beside the desk."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from canonical.policy import PolicySet
from reconcile.review.engine import ConflictEngine
from store.intake import Accepted
from store.look_list import Looks
from tests.reconcile.review.bench import ReviewBench

#: Fields of a task as its author sees them → the elements of the chart.
SHOWN = ("status", "description", "priority", "owner", "note")


def engine_of(bench: ReviewBench, policies: PolicySet | None = None) -> ConflictEngine:
    """Return the engine over the bench's cases, with ``policies`` in place of the bench's own."""
    desk = bench.desk
    return ConflictEngine(
        cases=desk.cases,
        looks=Looks(bench.station.ward.engine),
        reader=desk.reader,
        policies=policies or desk.policies,
        hints=desk.hints,
    )


def put_task(bench: ReviewBench, name: str, **over: Any) -> dict[str, Any]:
    """Put a task into the chart, as a clinician would, and return it as stored."""
    bench.station.server.put(
        {
            "resourceType": "Task",
            "id": name,
            "status": "requested",
            "intent": "proposal",
            "for": {"reference": "Patient/p1"},
            "description": "Call her about the missed doses",
            "priority": "routine",
            "owner": {"reference": "CareTeam/t1"},
            **over,
        }
    )
    return bench.station.server.get(f"Task/{name}")


def edit(bench: ReviewBench, name: str, **over: Any) -> dict[str, Any]:
    """Change the task in the chart, as a clinician would."""
    now = bench.station.server.get(f"Task/{name}")
    bench.station.server.put({**now, **over})
    return bench.station.server.get(f"Task/{name}")


def change(
    bench: ReviewBench, stored: dict[str, Any], shown: tuple[str, ...] = SHOWN, new: Any = None, **wanted: Any
) -> Accepted:
    """Submit the change of a task by a nurse who had the fields ``shown`` of ``stored`` on the screen."""
    target = {
        "reference": f"Task/{stored['id']}",
        "versionId": stored["meta"]["versionId"],
        "seenAt": datetime.now(UTC).isoformat(),
        "seen": {name: stored.get(name) for name in shown},
    }
    action = {"type": "CareTask", "operation": "update", **wanted}
    return bench.station.ward.submit(action, target=target, author={"role": "nurse"}, new=new)


def look_again(bench: ReviewBench) -> None:
    """Make every conflict due for a look, as some minutes would."""
    bench.station.ward.query("UPDATE cases SET next_look_at = '-infinity' WHERE closed_at IS NULL")
