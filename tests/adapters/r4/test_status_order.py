from typing import Any

import pytest

from adapters.r4.status_order import ORDER, check_forward
from adapters.r4.validity import STATUS
from canonical.errors import NeedsPersonError

PAIRS = [
    (resource_type, element, was, becomes, ranks.index(before), ranks.index(after))
    for (resource_type, element), ranks in ORDER.items()
    for before in ranks
    for after in ranks
    for was in sorted(before)
    for becomes in sorted(after)
]


def resource(resource_type: str, **says: Any) -> dict[str, Any]:
    return {"resourceType": resource_type, "id": "x1", **says}


@pytest.mark.parametrize(("resource_type", "element", "was", "becomes", "before", "after"), PAIRS)
def test_a_status_never_goes_back(
    resource_type: str, element: str, was: str, becomes: str, before: int, after: int
) -> None:
    one, other = resource(resource_type, **{element: was}), resource(resource_type, **{element: becomes})
    if after >= before:
        check_forward(one, other)
        return
    with pytest.raises(NeedsPersonError) as caught:
        check_forward(one, other)
    assert caught.value.kind == "status_backwards"
    assert element in str(caught.value)


@pytest.mark.parametrize("resource_type", sorted({name for name, _ in ORDER}))
def test_out_of_an_error_there_is_no_way_and_into_it_there_is(resource_type: str) -> None:
    error = resource(resource_type, status="entered-in-error")
    for status in sorted(STATUS[resource_type] - {"entered-in-error"}):
        check_forward(resource(resource_type, status=status), error)
        with pytest.raises(NeedsPersonError):
            check_forward(error, resource(resource_type, status=status))
    check_forward(error, error)


def test_a_verification_as_an_error_is_one_too_and_what_has_no_rank_goes_anywhere() -> None:
    error = {"coding": [{"code": "entered-in-error"}]}
    with pytest.raises(NeedsPersonError):
        check_forward(resource("Condition", verificationStatus=error), resource("Condition"))
    check_forward(resource("Condition", clinicalStatus={"text": "resolved"}), resource("Condition"))
    check_forward(resource("Observation", status="final"), resource("Observation", status="unknown"))


def test_every_rank_is_of_the_types_own_statuses() -> None:
    for (resource_type, element), ranks in ORDER.items():
        assert sum(len(rank) for rank in ranks) == len(frozenset().union(*ranks))
        if element == "status":
            assert frozenset().union(*ranks) <= STATUS[resource_type]
