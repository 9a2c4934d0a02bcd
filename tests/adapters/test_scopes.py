import pytest

from adapters.scopes import covers


@pytest.mark.parametrize(
    ("granted", "right", "expected"),
    [
        ("system/Observation.cruds", "u", True),
        ("system/Observation.crs", "u", False),
        ("system/*.*", "c", True),
        ("system/*.read", "s", True),
        ("system/*.read", "c", False),
        ("system/Observation.write", "u", True),
        ("system/Patient.cruds", "c", False),
        ("system/Observation.c?category=x|vital-signs", "c", True),
        ("user/Observation.cruds", "c", False),
        ("openid system/Observation.c", "c", True),
        ("", "c", False),
    ],
)
def test_scope_is_judged_by_its_meaning(granted: str, right: str, expected: bool) -> None:  # noqa: FBT001 - a table
    assert covers(granted, "Observation", right) is expected
