from __future__ import annotations

from pathlib import Path

from canonical.action import action_specs
from config.policy_files import read_policies
from config.policy_page import page, section

PAGE = Path(__file__).parents[2] / "docs/policies.md"


def test_the_page_is_the_tables() -> None:
    told = "docs/policies.md is not what the files say: python -m config.policy_page > docs/policies.md"
    assert PAGE.read_text("utf-8") == page(read_policies()), told


def test_every_group_and_every_operation_of_an_action_has_its_row() -> None:
    for spec in action_specs().values():
        said = section(read_policies().action(spec.type))
        assert all(f"| **{group.name}** | `{group.fields[0]}`" in said for group in spec.field_groups)
        assert all(f"| `{operation}` |" in said for operation in spec.operations)
