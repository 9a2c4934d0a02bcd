import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sandbox.call import WRITES, Interaction
from sandbox.faults import Facts, Fault, FaultBook, Rule

CREATE = Facts(
    method="POST",
    path="/fhir/Observation",
    type="Observation",
    interaction=Interaction.CREATE,
    client="app",
    headers={"if-none-exist": "identifier=urn:test|a"},
)


def facts(interaction: Interaction) -> Facts:
    return Facts(method="GET", path="/fhir/x", type="x", interaction=interaction, client=None, headers={})


def firings(rule: Rule, number: int) -> list[bool]:
    return [rule.fires(CREATE) for _ in range(number)]


def test_a_rule_without_frequency_always_fires() -> None:
    assert firings(Rule(fault=Fault.CONFLICT), 3) == [True, True, True]


def test_the_nth_matching_request_is_met() -> None:
    assert firings(Rule(fault=Fault.CONFLICT, nth=2), 3) == [False, True, False]
    assert firings(Rule(fault=Fault.CONFLICT, nth=(1, 3)), 3) == [True, False, True]


def test_the_first_so_many_are_met() -> None:
    assert firings(Rule(fault=Fault.CONFLICT, times=2), 3) == [True, True, False]


def test_a_rule_ends_after_its_most() -> None:
    assert sum(firings(Rule(fault=Fault.CONFLICT, probability=1.0, max_times=2), 9)) == 2


@given(probability=st.floats(0, 1), seed=st.integers())
def test_the_same_seed_draws_the_same(probability: float, seed: int) -> None:
    rules = [Rule(fault=Fault.CONFLICT, probability=probability, seed=seed) for _ in range(2)]
    assert firings(rules[0], 30) == firings(rules[1], 30)


def test_a_probability_is_met_in_the_long_run() -> None:
    assert 120 < sum(firings(Rule(fault=Fault.CONFLICT, probability=0.15, seed=7), 1000)) < 180


@pytest.mark.parametrize(
    ("match", "fires"),
    [
        ({}, True),
        ({"method": "POST"}, True),
        ({"method": "PUT"}, False),
        ({"path": "^/fhir/Obs"}, True),
        ({"path": "^/Obs"}, False),
        ({"type": "Observation", "client": "app"}, True),
        ({"type": "Patient"}, False),
        ({"client": "other"}, False),
        ({"interaction": "create"}, True),
        ({"interaction": "update"}, False),
        ({"headers": {"If-None-Exist": r"\|a$"}}, True),
        ({"headers": {"If-None-Exist": r"\|b$"}}, False),
        ({"headers": {"If-Match": "."}}, False),
    ],
)
def test_a_rule_is_for_what_it_matches(match: dict[str, object], *, fires: bool) -> None:
    rule = Rule.model_validate({"fault": "conflict", "match": match})
    assert rule.fires(CREATE) is fires
    assert rule.shown()["matched"] == fires


@pytest.mark.parametrize("interaction", list(Interaction))
@pytest.mark.parametrize("fault", list(Fault))
def test_a_fault_meets_only_what_it_can_happen_to(fault: Fault, interaction: Interaction) -> None:
    fires = Rule(fault=fault).fires(facts(interaction))
    if fault in {
        Fault.COMMIT_THEN_DROP,
        Fault.LATE_COMMIT,
        Fault.ERROR_AFTER_COMMIT,
        Fault.CONFLICT,
        Fault.DUPLICATE_DELIVERY,
        Fault.ANSWER_WITHOUT_COMMIT,
    }:
        assert fires == (interaction in WRITES)
    elif fault is Fault.READ_LAG:
        assert fires == (interaction is Interaction.READ)
    elif fault is Fault.STALE_SEARCH:
        assert fires == (interaction is Interaction.SEARCH)
    else:
        assert fires == (interaction is not Interaction.TOKEN)


def test_the_token_endpoint_is_met_by_name_only() -> None:
    rule = Rule.model_validate({"fault": "throttle", "match": {"interaction": "token"}})
    assert rule.fires(facts(Interaction.TOKEN))


def test_the_first_rule_that_fires_is_the_one() -> None:
    book = FaultBook()
    book.replace([Rule(fault=Fault.THROTTLE, nth=2), Rule(fault=Fault.CONFLICT, id="mine")])
    met = [rule.fault for _ in range(2) if (rule := book.choose(CREATE))]
    assert met == [Fault.CONFLICT, Fault.THROTTLE]
    assert [(it["id"], it["matched"], it["fired"]) for it in book.shown()] == [("rule-1", 2, 1), ("mine", 1, 1)]


@pytest.mark.parametrize(
    "rule",
    [
        {"fault": "earthquake"},
        {"fault": "conflict", "nth": 1, "times": 1},
        {"fault": "conflict", "probability": 1.5},
        {"fault": "conflict", "match": {"path": "("}},
        {"fault": "conflict", "match": {"headers": {"x": "("}}},
        {"fault": "conflict", "match": {"colour": "blue"}},
        {"fault": "conflict", "parameters": {"status": 200}},
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(rule: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Rule.model_validate(rule)
