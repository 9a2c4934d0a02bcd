"""The page of what each EHR takes, and what its tables must say to be worth reading."""

from pathlib import Path

import pytest

from adapters import adapters
from adapters.vendor_list import overview, page, section
from canonical.action import action_specs
from canonical.capabilities import Way

PAGE = Path(__file__).parents[2] / "docs/vendors.md"
OPERATIONS = [(spec.type, operation) for spec in action_specs().values() for operation in spec.operations]


def test_the_page_is_the_tables() -> None:
    told = "docs/vendors.md is not what the adapters declare: python -m adapters.vendor_list > docs/vendors.md"
    assert PAGE.read_text("utf-8") == page(), told


def test_every_operation_has_one_row_and_every_ehr_a_column() -> None:
    known = {key: adapter.capabilities for key, adapter in adapters().items()}
    head, _, *rows = overview(known).splitlines()
    assert [f"`{key}`" in head for key in known] == [True] * len(known)
    assert [row.split("`")[1] for row in rows] == [".".join(name) for name in OPERATIONS]


@pytest.mark.parametrize("key", sorted(adapters()))
def test_every_fact_of_an_ehr_has_its_source_and_every_refusal_its_reason(key: str) -> None:
    declared = adapters()[key].capabilities
    assert all(write.source and write.answer for write in declared.writes.values())
    assert all(change.source and change.what for change in declared.known_changes)
    assert all(limit.most and (limit.source or not limit.confirmed) for limit in declared.limits)
    refused = [declared.support(*name) for name in OPERATIONS if declared.support(*name).way is Way.REFUSED]
    assert all(support.why.endswith(".") for support in refused)
    told = section(key, declared)
    assert all(support.why in told for support in refused)
