"""Whatever the policies say and people do to a chart, the machine overwrites nothing that the author did not see."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from canonical import exact_json
from canonical.policy import ActionPolicy, Owner, PolicySet, Rule
from canonical.queue_policy import ROLLBACKS, SIGNIFICANCES, Merge
from reconcile.review.engine import ConflictEngine, Looked
from reconcile.review.merging import MOST_MERGES
from store.intake import Accepted
from tasks.turn import LaneTurn
from tests.reconcile.review.bench import ReviewBench
from tests.reconcile.review.tasks import change, edit, engine_of, put_task

_NAMES = count()
_VALUES: dict[str, list[Any]] = {
    "description": ["Call her", "Visit her", "Write to her"],
    "priority": ["routine", "urgent", "asap"],
    "owner": [{"reference": f"CareTeam/t{number}"} for number in (1, 2, 3)],
    "businessStatus": [{"text": "waiting"}, {"text": "called"}],
    "note": [[{"text": "first"}], [{"text": "first"}, {"text": "second"}], [{"text": "another"}]],
}
_FIELDS = sorted(_VALUES)
GROUPS = ("what", "who", "due", "status", "time", "note")
SEEABLE = ("status", *_FIELDS)
#: What a clinician may do besides to a field that may be missing.
_CLEARED = frozenset({"businessStatus", "note"})


def some(fields: list[str], *, may_clear: bool, most: int = 2) -> st.SearchStrategy[dict[str, Any]]:
    """Return values of some of ``fields``; ``None`` takes one out of the chart."""
    return st.dictionaries(st.sampled_from(fields), st.integers(0, 2), min_size=1, max_size=most).map(
        lambda chosen: {name: _value(name, number, may_clear=may_clear) for name, number in chosen.items()}
    )


@st.composite
def stories(draw: st.DrawFn) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return what an author wants and what clinicians do meanwhile: mostly to other fields, else to any."""
    order = draw(st.permutations(_FIELDS))
    mine, theirs = (order[:2], order[2:]) if draw(st.integers(0, 3)) else (order, order)
    wanted = draw(some(mine, may_clear=False))
    return wanted, draw(st.lists(some(theirs, may_clear=True), min_size=1, max_size=3))


def _value(name: str, number: int, *, may_clear: bool) -> Any:
    if may_clear and name in _CLEARED and number == 2:
        return None
    return _VALUES[name][number % len(_VALUES[name])]


@st.composite
def lenient(draw: st.DrawFn) -> dict[str, Any]:
    """Return rows as no file could say them: any rule, any owner, any significance, every rung of the ladder."""
    rows = {
        group: {
            "rule": draw(st.sampled_from([Rule.MERGE] * 6 + [Rule.APPEND] * 2 + [*Rule])),
            "significance": draw(st.sampled_from(SIGNIFICANCES)),
            "owner": draw(st.sampled_from([Owner.AUTHOR] * 12 + [*Owner])),
        }
        for group in GROUPS
    }
    return {"rows": rows, "whole_entry": draw(st.sampled_from([False, False, False, True]))}


def policies_of(base: PolicySet, drawn: dict[str, Any]) -> PolicySet:
    policy = base.action("CareTask")
    groups = {name: replace(row, **drawn["rows"].get(name, {})) for name, row in policy.groups.items()}
    update = replace(policy.operation("update"), whole_entry=drawn["whole_entry"])
    changed: ActionPolicy = replace(
        policy, protected=False, groups=groups, operations={**policy.operations, "update": update}
    )
    rungs = tuple(Merge(significance=one, rollback=way) for one in SIGNIFICANCES for way in ROLLBACKS)
    queue = base.queue.model_copy(update={"merge": rungs})
    return replace(base, actions={**base.actions, "CareTask": changed}, queue=queue)


@dataclass
class Trial:
    """One command and what people do to its entry meanwhile; ``seen`` is what its author had on the screen, of ``version``."""

    bench: ReviewBench
    turn: LaneTurn
    engine: ConflictEngine
    accepted: Accepted
    name: str
    version: str
    seen: dict[str, Any] = field(default_factory=dict)

    def live_through(self, edits: list[dict[str, Any]]) -> int:
        """Edit, take a turn, look, and so on; return how often the machine merged."""
        merges, ward = 0, self.bench.station.ward
        for told in edits:
            _edited(self.bench, self.name, told)
            self._take_turn()
            if ward.state(self.accepted.command_id) != "conflicted":
                return merges
            before = self._chart()
            found = self.engine.run(self.bench.case_of(self.accepted.command_id))
            assert self._chart() == before, "a look writes nothing"
            if found is not Looked.MERGED:
                return merges
            merges += 1
        self._take_turn()
        assert ward.state(self.accepted.command_id) == "verified"
        return merges

    def _chart(self) -> dict[str, Any]:
        return self.bench.station.server.get(f"Task/{self.name}")

    def _take_turn(self) -> None:
        before = self._chart()
        self.bench.station.ward.run(self.accepted.lane_id, self.turn)
        # Of the very version that they named, its author answers for what they did not look at.
        if before["meta"]["versionId"] != self.version:
            check(self.seen, before, self._chart())


def check(seen: dict[str, Any], before: dict[str, Any], after: dict[str, Any]) -> None:
    """Fail where our write changed what somebody else had written unseen; what was only added to is kept."""
    for name in _FIELDS:
        was, now = before.get(name), after.get(name)
        if exact_json.equal(was, now) or was is None:
            continue
        if isinstance(was, list) and isinstance(now, list) and all(item in now for item in was):
            continue
        assert name in seen, f"{name} was never seen"
        assert exact_json.equal(seen[name], was), f"{name} was moved by somebody else"


#: Rows by which nothing is left to a person but what no row may give away.
EVERYTHING_MERGES: dict[str, Any] = {
    "rows": {name: {"rule": Rule.MERGE, "significance": "low", "owner": Owner.AUTHOR} for name in GROUPS},
    "whole_entry": False,
}
#: All that there is to see, or any part of it.
_SHOWN = st.one_of(st.just(set(SEEABLE)), st.just(set(SEEABLE)), st.sets(st.sampled_from(SEEABLE), min_size=1))


def test_the_machine_overwrites_nothing_that_the_author_did_not_see(bench: ReviewBench) -> None:
    turn, merged = bench.station.ward.turn(chart=bench.station.ehr), []

    @given(
        drawn=lenient(),
        at_first=some(_FIELDS, may_clear=False),
        shown=_SHOWN,
        story=stories(),
    )
    @example(
        drawn=EVERYTHING_MERGES,
        at_first={"priority": "routine"},
        shown=set(SEEABLE),
        story=({"priority": "urgent"}, [{"note": _VALUES["note"][0]}, {"owner": _VALUES["owner"][1]}, {"note": None}]),
    )
    @settings(max_examples=40, deadline=None)
    def holds(
        drawn: dict[str, Any],
        at_first: dict[str, Any],
        shown: set[str],
        story: tuple[dict[str, Any], list[dict[str, Any]]],
    ) -> None:
        wanted, edits = story
        stored = put_task(bench, f"any{next(_NAMES)}", **at_first)
        engine = engine_of(bench, policies_of(bench.desk.policies, drawn))
        accepted = change(bench, stored, tuple(sorted(shown)), **wanted)
        trial = Trial(
            bench=bench,
            turn=turn,
            engine=engine,
            accepted=accepted,
            name=stored["id"],
            version=stored["meta"]["versionId"],
            seen={field: stored.get(field) for field in shown},
        )
        merged.append(trial.live_through(edits))

    holds()
    # A machine that merges nothing overwrites nothing: here it did merge, and again and again on the same chart.
    assert max(merged) == MOST_MERGES


def _edited(bench: ReviewBench, name: str, told: dict[str, Any]) -> None:
    if not told:
        return
    now = bench.station.server.get(f"Task/{name}")
    kept = {field: value for field, value in {**now, **told}.items() if value is not None}
    bench.station.server.put(kept)


def test_the_check_notices_an_overwritten_value(bench: ReviewBench) -> None:
    """A proof that could not fail would be none."""
    stored = put_task(bench, "noticed")
    moved = edit(bench, "noticed", priority="asap")
    for after in ({**moved, "priority": "urgent"}, {**moved, "owner": None}):
        with pytest.raises(AssertionError, match=r"never seen|somebody else"):
            check({"priority": stored["priority"]}, moved, after)
    check({"priority": stored["priority"]}, stored, {**stored, "priority": "urgent"})
