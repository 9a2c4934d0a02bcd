"""The demonstration's faults: as many as said, known to the sandbox, and over before the quarantine is."""

from collections.abc import Iterable
from datetime import timedelta

import pytest

from cli.demo.faults import SHARE, TIMINGS, rules
from sandbox.call import Interaction
from sandbox.faults import Fault, Rule


def drawn(interaction: Interaction, seed: int = 3) -> list[Rule]:
    played = (Rule.model_validate(it) for it in rules(seed, drop_answer_of="demo-1"))
    return [it for it in played if it.match.interaction is interaction and it.probability is not None]


def share_of(played: Iterable[Rule]) -> float:
    none = 1.0
    for rule in played:
        assert rule.probability is not None
        none *= 1 - rule.probability
    return 1 - none


@pytest.mark.parametrize("interaction", [Interaction.CREATE, Interaction.UPDATE])
def test_the_share_of_failing_writes_is_as_said(interaction: Interaction) -> None:
    assert share_of(drawn(interaction)) == pytest.approx(SHARE)


def test_the_quarantine_outlasts_everything_the_ehr_does() -> None:
    slowest = max(rule.parameters.seconds for rule in drawn(Interaction.CREATE) if rule.fault is Fault.LATE_COMMIT)
    stale = max(rule.parameters.seconds for rule in drawn(Interaction.SEARCH))
    assert timedelta(seconds=slowest) < TIMINGS.slowest_commit
    assert timedelta(seconds=stale) < TIMINGS.search_lag
    assert TIMINGS.quarantine > TIMINGS.request + TIMINGS.slowest_commit + TIMINGS.search_lag


def test_one_answer_is_lost_in_any_case_and_only_once() -> None:
    lost = Rule.model_validate(rules(3, drop_answer_of="demo-3-0001")[0])
    assert lost.fault is Fault.COMMIT_THEN_DROP
    assert lost.times == 1
    assert lost.match.headers == {"x-correlation-id": "^demo-3-0001$"}


def test_the_same_seed_draws_the_same_faults() -> None:
    assert rules(3, drop_answer_of="x") == rules(3, drop_answer_of="x")
    assert rules(3, drop_answer_of="x") != rules(4, drop_answer_of="x")
