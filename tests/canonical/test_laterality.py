import pytest

from canonical.laterality import disagree, sides
from tests.factories import SNOMED_CT

LEFT, RIGHT, BOTH = {"left"}, {"right"}, {"left", "right"}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Left knee pain", LEFT),
        ("pain, LEFT knee", LEFT),
        ("Rt. wrist", RIGHT),
        ("R knee pain", RIGHT),
        ("Pain (L)", LEFT),
        ("bilateral otitis", BOTH),
        ("both knees", BOTH),
        ("left and right", BOTH),
        ("L5 radiculopathy", set()),
        ("L-dopa dyskinesia", set()),
        ("r/o", set()),
        ("upright posture", set()),
        ("leftover", set()),
        ("", set()),
    ],
)
def test_a_side_is_a_word_or_a_capital_that_stands_alone(text: str, named: set[str]) -> None:
    assert sides([{"text": text}]) == named
    assert sides([{"coding": [{"system": "x", "code": "1", "display": text}]}]) == named


@pytest.mark.parametrize(("code", "named"), [("7771000", LEFT), ("24028007", RIGHT), ("51440002", BOTH), ("1", set())])
def test_snomed_s_qualifiers_name_a_side(code: str, named: set[str]) -> None:
    assert sides([{"coding": [{"system": SNOMED_CT, "code": code}]}]) == named
    assert sides([{"coding": [{"system": "http://example.org", "code": code}]}]) == set()


def test_only_two_named_sides_can_disagree() -> None:
    left, right, none = {"text": "left ear"}, {"text": "right ear"}, {"text": "ear"}
    assert disagree(left, [right])
    assert disagree(left, [left, right])
    assert disagree({"text": "both ears"}, [left])
    for code, site in ((left, [left]), (left, [none]), (none, [right]), (left, []), (None, [right])):
        assert not disagree(code, site)
