"""What a machine may do about a difference, over the whole product of states and policies, and what it never may."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canonical import exact_json
from canonical.action import action_specs
from canonical.policy import PROTECTED, ActionPolicy, GroupPolicy, Need, OperationPolicy, Owner, PolicySet, Rule
from canonical.reviewer import Licence, Reviewer, Right
from canonical.risk import Facts
from canonical.ruling import Ruling, Verdict, groups_of, judge, judge_alone, who_may
from canonical.ruling_words import REASONS
from canonical.three_way import UNSEEN, Comparison, FieldDiff, FieldState, GroupDiff, compare
from tests.canonical.policies import policies, policy_of, shipped, with_groups

ACTION = "CareTask"
SPEC = action_specs()[ACTION]
NURSE = Facts(licence=Licence.NURSE, authenticated=True)
GOING = (Ruling.SEND, Ruling.MERGE, Ruling.APPEND)


def compared(base: Any, current: Any, proposed: Any, action: str = ACTION, **more: Any) -> Comparison:
    touched = more.pop("touched", tuple(proposed))
    spec = action_specs()[action]
    return compare(base=base, current=current, proposed=proposed, touched=touched, groups=spec.field_groups, **more)


def ruled(rules: PolicySet, comparison: Comparison, operation: str = "update", **more: Any) -> Verdict:
    members: dict[str, Any] = {"action_type": ACTION, "operation": operation, "facts": NURSE} | more
    return judge(rules, comparison, **members)


def open_policy(rule: Rule, **groups: Any) -> PolicySet:
    """A policy that leaves everything to one rule."""
    said = {"rule": rule, "significance": "low"} | groups
    return policies(replace(with_groups(ACTION, **said), protected=False))


#: The ways in which the two groups ``who`` (which the author changes) and ``due`` (which they do not) can stand.
SEEN = {"owner": "a", "priority": "routine"}
STANDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "nothing moved": (SEEN, SEEN),
    "the other group moved": (SEEN, SEEN | {"priority": "stat"}),
    "the same field moved": (SEEN, SEEN | {"owner": "c"}),
    "another field of the group moved": (SEEN | {"requester": "x"}, SEEN | {"requester": "y"}),
    "the field was not seen": ({"priority": "routine"}, SEEN),
    "the other group was not seen": ({"owner": "a"}, SEEN),
    "the field was not seen and is empty": ({"priority": "routine"}, {"priority": "routine"}),
    "the chart says it already": (SEEN, SEEN | {"owner": "b"}),
}
_R, _S, _M, _N = Ruling.REVIEW, Ruling.SEND, Ruling.MERGE, Ruling.MOOT
#: What becomes of it, by rule. ``append`` is of lists: it changes no other value.
BECOMES: dict[str, dict[Rule, Ruling]] = {
    "nothing moved": {Rule.MERGE: _S, Rule.REVIEW: _S, Rule.EXACT_MATCH: _S, Rule.APPEND: _R},
    "the other group moved": {Rule.MERGE: _M, Rule.REVIEW: _R, Rule.EXACT_MATCH: _R, Rule.APPEND: _R},
    "the same field moved": dict.fromkeys(Rule, _R),
    "another field of the group moved": dict.fromkeys(Rule, _R),
    "the field was not seen": dict.fromkeys(Rule, _R),
    "the other group was not seen": {Rule.MERGE: _S, Rule.REVIEW: _S, Rule.EXACT_MATCH: _R, Rule.APPEND: _R},
    "the field was not seen and is empty": {
        Rule.MERGE: _S, Rule.REVIEW: _S, Rule.EXACT_MATCH: _S, Rule.APPEND: Ruling.APPEND
    },
    "the chart says it already": dict.fromkeys(Rule, _N),
}  # fmt: skip


@pytest.mark.parametrize(("stands", "rule"), list(product(STANDS, Rule)), ids=str)
def test_every_rule_says_of_every_state_what_is_done(stands: str, rule: Rule) -> None:
    base, current = STANDS[stands]
    verdict = ruled(open_policy(rule), compared(base, current, current | {"owner": "b"}, touched=("owner",)))
    assert verdict.ruling is BECOMES[stands][rule]
    assert (verdict.reasons == ()) is (verdict.ruling in GOING)


@pytest.mark.parametrize(("stands", "owner", "rule"), list(product(STANDS, Owner, Rule)), ids=str)
def test_whose_word_it_is_only_ever_takes_away_from_what_a_machine_may_do(
    stands: str, owner: Owner, rule: Rule
) -> None:
    base, current = STANDS[stands]
    seen = compared(base, current, current | {"owner": "b"}, touched=("owner",))
    plain, owned = ruled(open_policy(rule), seen).ruling, ruled(open_policy(rule, owner=owner), seen).ruling
    assert owned in {plain, Ruling.REVIEW}
    if owner in {Owner.NOT_OURS, Owner.REVIEWER} and plain is not Ruling.MOOT:
        assert owned is Ruling.REVIEW


def test_what_is_the_chart_s_is_filled_where_it_says_nothing_and_never_replaced() -> None:
    rules = open_policy(Rule.MERGE, owner=Owner.CHART)
    assert ruled(rules, compared({"owner": None}, {}, {"owner": "b"})).ruling is Ruling.SEND
    assert ruled(rules, compared({"owner": "a"}, {"owner": "a"}, {"owner": "b"})).reasons == ("chart-owns",)


def test_a_note_is_added_beside_the_one_that_a_colleague_added() -> None:
    note, theirs, ours = ({"text": text} for text in ("first", "theirs", "ours"))
    seen = compared({"note": [note]}, {"note": [note, theirs]}, {"note": [note, theirs, ours]})
    assert seen.overlapping
    assert ruled(shipped(), seen).ruling is Ruling.APPEND


@pytest.mark.parametrize(
    "proposed",
    [[{"text": "first"}, {"text": "ours"}], [{"text": "ours"}], "ours", [{"text": "theirs"}, {"text": "first"}]],
)
def test_a_list_that_would_lose_what_a_colleague_added_goes_to_a_person(proposed: Any) -> None:
    here = [{"text": "first"}, {"text": "theirs"}]
    verdict = ruled(shipped(), compared({"note": [{"text": "first"}]}, {"note": here}, {"note": proposed}))
    assert (verdict.ruling, "not-an-addition" in verdict.reasons) == (Ruling.REVIEW, True)


def test_what_speaks_of_the_whole_entry_overlaps_with_whatever_moved_in_it() -> None:
    seen = compared(SEEN | {"status": "requested"}, SEEN | {"status": "requested", "priority": "stat"}, {
        **SEEN, "priority": "stat", "status": "completed"
    }, touched=())  # fmt: skip
    assert "whole-entry" in ruled(shipped(), seen, "complete").reasons
    partly = compared(
        {"status": "requested"}, SEEN | {"status": "requested"}, SEEN | {"status": "completed"}, touched=()
    )
    assert "whole-entry" in ruled(shipped(), partly, "complete").reasons


def test_an_approved_command_goes_unless_the_chart_moved_after_the_approval() -> None:
    facts = replace(NURSE, ai=True)
    still, moved = (compared(SEEN, SEEN | more, SEEN | more | {"owner": "b"}) for more in ({}, {"priority": "stat"}))
    assert ruled(shipped(), still, facts=facts).reasons == ("ai-authored",)
    assert ruled(shipped(), still, facts=replace(facts, approved=True)).ruling is Ruling.SEND
    assert "ai-authored" in ruled(shipped(), moved, facts=replace(facts, approved=True)).reasons


@pytest.mark.parametrize("action", sorted(PROTECTED))
def test_no_shipped_policy_merges_a_protected_entry_s_significant_fields(action: str) -> None:
    spec, policy = action_specs()[action], shipped().action(action)
    for group in spec.field_groups:
        if policy.group(group.name).significance != "high":
            continue
        said = {name: "a" for one in spec.field_groups for name in one.fields}
        other = next(one.fields[0] for one in spec.field_groups if one is not group)
        seen = compared(said, said | {other: "c"}, said | {other: "c", group.fields[0]: "b"}, action)
        for operation in spec.operations:
            verdict = judge(shipped(), seen, action_type=action, operation=operation, facts=NURSE)
            assert verdict.ruling is Ruling.REVIEW


def test_a_new_command_goes_or_waits_for_those_who_may_decide_all_that_it_states() -> None:
    assert judge_alone(
        shipped(), action_type="VitalReading", operation="record", fields=("valueQuantity",), facts=NURSE
    ).ruling is Ruling.SEND  # fmt: skip
    verdict = judge_alone(
        shipped(), action_type="AllergyUpdate", operation="assertNoneKnown", fields=("noneKnownScope",), facts=NURSE
    )
    assert (verdict.ruling, verdict.reasons) == (Ruling.REVIEW, ("always-a-person",))
    assert verdict.deciders == {Licence.PRESCRIBER}
    assert verdict.asked


def test_who_decides_must_be_allowed_to_decide_every_group_at_stake() -> None:
    base = SEEN | {"description": "call"}
    seen = compared(base, base | {"owner": "c", "description": "c"}, base | {"owner": "b", "description": "b"})
    rules = policies(
        policy_of(
            SPEC,
            groups={
                "who": GroupPolicy(
                    name="who",
                    rule=Rule.REVIEW,
                    significance="low",
                    decide=frozenset({Licence.NURSE, Licence.PHARMACIST}),
                    deadline={1: timedelta(hours=2)},
                ),
                "what": GroupPolicy(
                    name="what",
                    rule=Rule.REVIEW,
                    significance="high",
                    decide=frozenset({Licence.PHARMACIST}),
                    second_signature=True,
                    deadline={1: timedelta(hours=1), 2: timedelta(hours=4)},
                ),
            },
        )
    )
    verdict = ruled(rules, seen)
    assert verdict.deciders == {Licence.PHARMACIST}
    assert verdict.second_signature
    assert verdict.significance == "high"
    assert verdict.deadline == {1: timedelta(hours=1), 2: timedelta(hours=4)}
    assert verdict.policy == rules.version


def test_where_nobody_may_decide_all_of_it_a_prescriber_does() -> None:
    rules = policies(
        replace(
            with_groups(ACTION, decide=frozenset({Licence.NURSE})),
            operations={"update": OperationPolicy(name="update", decide=frozenset({Licence.PHARMACIST}))},
        )
    )
    seen = compared(SEEN, SEEN | {"owner": "c"}, SEEN | {"owner": "b"})
    assert ruled(rules, seen).deciders == {Licence.PRESCRIBER}


def reviewer(*licences: Licence, rights: frozenset[Right] = frozenset({Right.DECIDE})) -> Reviewer:
    return Reviewer(
        tenant="north", issuer="https://i", subject="s", name="N", licences=frozenset(licences), rights=rights
    )


def test_a_reviewer_without_licence_or_right_is_told_who_decides() -> None:
    seen = compared(SEEN, SEEN | {"owner": "c"}, SEEN | {"owner": "b"})
    verdict = ruled(shipped(), seen)
    assert who_may(verdict, reviewer(Licence.NURSE)) == ""
    assert "nurse or prescriber" in who_may(verdict, reviewer(Licence.OPERATIONS))
    assert "not decide" in who_may(verdict, reviewer(Licence.NURSE, rights=frozenset()))


def test_a_field_in_no_group_is_one_of_its_own() -> None:
    assert groups_of(ACTION, ("owner", "requester", "status", "x")) == ("who", "status", "x")


def lying(base: Any, current: Any) -> Comparison:
    """A comparison that calls an overlap none, as no comparison of ours should."""
    field = FieldDiff(
        name="owner",
        group="who",
        state=FieldState.INDEPENDENT,
        changed_by="author",
        base=base,
        current=current,
        proposed="b",
        pending=True,
        moved=False,
    )
    return Comparison(
        groups=(GroupDiff(name="who", significance="low", state=FieldState.INDEPENDENT, fields=(field,)),)
    )


@pytest.mark.parametrize("base", ["a", None, UNSEEN], ids=str)
@pytest.mark.parametrize("rule", list(Rule))
def test_what_would_be_lost_unseen_goes_to_a_person_also_where_nothing_else_noticed(base: Any, rule: Rule) -> None:
    verdict = ruled(open_policy(rule), lying(base, "c"))
    assert verdict.ruling is Ruling.REVIEW
    assert "unseen-value" in verdict.reasons


@pytest.mark.parametrize(("base", "current"), [("a", "a"), (None, None), (UNSEEN, None)], ids=str)
def test_what_was_seen_or_is_not_there_is_not_lost_unseen(base: Any, current: Any) -> None:
    assert ruled(open_policy(Rule.MERGE), lying(base, current)).ruling is Ruling.SEND


VALUES = st.sampled_from([None, "a", "b", ["x"], ["x", "y"], ["y", "x"]])
FIELDS = ("owner", "requester", "priority", "note", "status", "subject")
SAID = st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, VALUES))
GROUP = st.builds(
    GroupPolicy,
    name=st.just("any"),
    rule=st.sampled_from(Rule),
    significance=st.sampled_from(["low", "medium", "high"]),
    owner=st.sampled_from(Owner),
    decide=st.frozensets(st.sampled_from(Licence)),
)
OPERATION = st.builds(
    OperationPolicy, name=st.just("update"), needs_person=st.sampled_from(Need), whole_entry=st.booleans()
)


@st.composite
def any_policies(draw: st.DrawFn) -> PolicySet:
    """Policies nobody would let pass: every rule on every group, nothing protected, every rung open."""
    names = ("who", "due", "note", "status", "subject")
    policy: ActionPolicy = policy_of(
        SPEC,
        protected=draw(st.booleans()),
        groups={name: draw(GROUP) for name in names},
        operations={"update": draw(OPERATION)},
    )
    return policies(policy)


@given(
    any_policies(),
    st.one_of(st.none(), SAID),
    SAID,
    SAID,
    st.sets(st.sampled_from(FIELDS)),
    st.builds(Facts, licence=st.sampled_from(Licence), authenticated=st.booleans(), approved=st.booleans()),
)
def test_no_policy_lets_a_machine_overwrite_a_value_that_nobody_saw(
    rules: PolicySet, base: Any, current: Any, proposed: Any, touched: set[str], facts: Facts
) -> None:
    seen = compared(base, current, proposed, touched=touched)
    verdict = ruled(rules, seen, facts=facts)
    if verdict.ruling not in GOING:
        return
    for field in seen.author_fields:
        row = rules.action(ACTION).group(field.group)
        assert row.owner is not Owner.NOT_OURS
        adds = row.rule is Rule.APPEND and isinstance(field.current, list) and _all_kept(field.current, field.proposed)
        was_seen = field.base is not UNSEEN and exact_json.equal(field.base, field.current)
        assert field.current is None or adds or was_seen
        # Removed since: to write it is to write against somebody.
        assert field.current is not None or field.base in {UNSEEN, None}


def _all_kept(now: list[Any], then: Any) -> bool:
    return isinstance(then, list) and [item for item in then if item in now][: len(now)] == now


@given(any_policies(), SAID, SAID, SAID)
def test_what_overlaps_is_never_merged_by_a_machine(rules: PolicySet, base: Any, current: Any, proposed: Any) -> None:
    seen = compared(base, current, proposed)
    if ruled(rules, seen).ruling in {Ruling.SEND, Ruling.MERGE}:
        rows = rules.action(ACTION)
        overlapping = [group for group in seen.groups if group.state is FieldState.OVERLAPPING]
        assert all(rows.group(group.name).rule is Rule.APPEND for group in overlapping)


@given(any_policies(), SAID, SAID, SAID, st.builds(Facts, ai=st.booleans()))
def test_every_reason_is_told_in_words(rules: PolicySet, base: Any, current: Any, proposed: Any, facts: Facts) -> None:
    assert set(ruled(rules, compared(base, current, proposed), facts=facts).reasons) <= set(REASONS)
