from __future__ import annotations

from dataclasses import replace

import pytest

from canonical.action import ActionSpec, action_specs
from canonical.policy import ALWAYS_A_PERSON, NEVER_OURS, PROTECTED, Direction, Need, Owner, PolicySet, Rule, implied
from canonical.reviewer import Licence
from tests.canonical.policies import policies, shipped

SPECS = list(action_specs().values())


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.type)
def test_an_action_without_a_file_is_reviewed_and_a_prescriber_has_the_last_word(spec: ActionSpec) -> None:
    policy = PolicySet({}, shipped().queue, shipped().high_alert).action(spec.type)
    for group in spec.field_groups:
        row = policy.group(group.name)
        assert (row.rule, row.significance) == (Rule(group.policy), group.significance)
        assert row.decide == {Licence.PRESCRIBER}
    assert policy.protected
    assert set(policy.operations) == set(spec.operations)
    for name, rule in spec.operations.items():
        row_of = policy.operation(name)
        if rule.high_risk and (spec.type, name) not in ALWAYS_A_PERSON:
            assert row_of.needs_person is Need.UNLESS_AUTHORED_BY
            assert row_of.unless_authored_by == {Licence.PRESCRIBER}
            assert not row_of.asserted


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.type)
def test_whose_entry_it_is_is_never_ours_to_change(spec: ActionSpec) -> None:
    for rules in (shipped(), policies()):
        policy = rules.action(spec.type)
        assert {policy.group(name).owner for name in NEVER_OURS} == {Owner.NOT_OURS}


def test_what_nobody_declared_is_held_to_the_strictest_rows() -> None:
    policy = implied(action_specs()["VitalReading"])
    assert policy.group("of the site").rule is Rule.EXACT_MATCH
    row = policy.operation("of-tomorrow")
    assert (row.needs_person, row.direction, row.whole_entry) == (Need.ALWAYS, Direction.REDUCES, True)


def test_every_protected_action_and_every_reserved_operation_is_there() -> None:
    assert set(action_specs()) >= PROTECTED
    assert all(name in action_specs()[action].operations for action, name in ALWAYS_A_PERSON)


def test_every_shipped_policy_has_an_owner_and_a_review_to_come() -> None:
    assert set(shipped().actions) == set(action_specs())
    for policy in shipped().actions.values():
        assert policy.owner
        assert policy.note
        assert policy.reviewed is not None
        assert policy.next_review is not None
        assert policy.reviewed < policy.next_review


def test_the_version_is_of_every_row_and_of_nothing_else() -> None:
    rules = shipped()
    again = PolicySet(dict(sorted(rules.actions.items(), reverse=True)), rules.queue, rules.high_alert)
    assert again.version == rules.version
    assert len(rules.version) == 64
    tasks = rules.actions["CareTask"]
    group = replace(tasks.groups["who"], decide=frozenset({Licence.PRESCRIBER}))
    others = (
        PolicySet(
            {**rules.actions, "CareTask": replace(tasks, groups={**tasks.groups, "who": group})},
            rules.queue,
            rules.high_alert,
        ),
        PolicySet(rules.actions, rules.queue.model_copy(update={"round_limit": 4}), rules.high_alert),
        PolicySet(rules.actions, rules.queue, replace(rules.high_alert, classes=rules.high_alert.classes[1:])),
    )
    assert len({rules.version, *(one.version for one in others)}) == 4
