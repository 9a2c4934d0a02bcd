"""The page of how what was written is undone is what actions and adapters declare."""

from pathlib import Path

from adapters import adapters
from adapters.compensation_list import page, section
from canonical.action import action_specs
from canonical.capabilities import Way

PAGE = Path(__file__).parents[2] / "docs/compensation.md"


def test_the_page_is_the_catalogue() -> None:
    told = "docs/compensation.md is out of date: python -m adapters.compensation_list > docs/compensation.md"
    assert PAGE.read_text("utf-8") == page(), told


def test_every_operation_that_an_ehr_takes_has_a_row() -> None:
    for key, adapter in adapters().items():
        taken = [
            f"{spec.type}.{operation}"
            for spec in action_specs().values()
            for operation in spec.operations
            if adapter.capabilities.support(spec.type, operation).way in {Way.DIRECT, Way.REVIEW}
        ]
        rows = [
            line.split("`")[1] for line in section(key, adapter.capabilities).splitlines() if line.startswith("| `")
        ]
        assert rows == taken
