import pytest

from adapters.scopes import covers, writes_beyond


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


NEEDED = {"Observation": {"c", "u"}, "MedicationStatement": {"c"}}


@pytest.mark.parametrize(
    ("granted", "beyond"),
    [
        ("system/Observation.crus system/MedicationStatement.c", ""),
        ("system/Observation.crus system/MedicationStatement.cu", "system/MedicationStatement.cu"),
        ("system/Observation.cruds", "system/Observation.cruds"),
        ("system/Observation.write system/Observation.read", ""),
        ("system/Observation.*", "system/Observation.*"),
        ("system/Condition.write system/Condition.rs", "system/Condition.write"),
        ("system/*.read", ""),
        ("system/*.write", "system/*.write"),
        ("openid launch some/other.words", ""),
        ("", ""),
    ],
)
def test_rights_to_write_that_nobody_needs_are_named(granted: str, beyond: str) -> None:
    assert " ".join(writes_beyond(granted, NEEDED)) == beyond
