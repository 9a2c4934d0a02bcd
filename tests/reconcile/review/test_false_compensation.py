"""An EHR that says that it took an entry back, and did not: the entry counts as in the chart, and a person is asked."""

from __future__ import annotations

from datetime import timedelta

from canonical.explanation import ChartSays, Standing
from reconcile.explaining.explainer import Asker
from tests.reconcile.review.bench import NURSE
from tests.reconcile.review.whole_desk import WholeDesk
from tests.tasks.ward import heart_rate

WHY = "typed for another patient"


def age(whole: WholeDesk, seconds: float) -> None:
    """Let all that is applied have been applied so much longer ago."""
    whole.look(
        "UPDATE commands SET state_since = state_since - %(by)s, due_at = due_at - %(by)s WHERE state = 'applied'",
        by=timedelta(seconds=seconds),
    )


def test_a_success_that_changed_nothing_is_caught_and_the_entry_stays_in_the_chart(whole: WholeDesk) -> None:
    root = whole.written(heart_rate())
    back = whole.desk.compensate(NURSE, root, operation="retract", reason=WHY)
    whole.lie()
    whole.run(back)
    assert whole.lied() == 1
    assert whole.entry(root)["status"] == "final"
    assert (whole.state(back), whole.state(root)) == ("applied", "verified"), (
        "an answer is no proof that it was taken back"
    )
    age(whole, 60)
    whole.services.verifier.run(back)
    assert (whole.state(back), whole.state(root)) == ("in_review", "verified")
    assert whole.station.ward.cases(back) == ["proof_failed"]
    assert whole.station.ward.events(back)[-2:] == ["answered_applied", "proof_failed"]
    views = {name: whole.desk.command(NURSE, command).status for name, command in (("root", root), ("back", back))}
    assert views == {"root": "inChart", "back": "needsAttention"}

    def mine(_standing: Standing) -> Asker:
        return Asker(shows=True)

    told = whole.services.explainer.explain("t1", back, mine)
    assert told is not None
    assert told.now.says is ChartSays.DIFFERS
    assert "status" in next(line.text for line in told.now.lines if line.label == "Observation")
