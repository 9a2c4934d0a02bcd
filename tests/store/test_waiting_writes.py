"""What is asked of the store for writes that the EHR's staff must accept: by its indexes, whatever else was ever written."""

from __future__ import annotations

from datetime import timedelta

import pytest

from canonical.acceptance import Allowance
from store.database import rows, transaction
from store.waiting_writes import DUE, ENDED, allowed
from tests.tasks.ward import Ward

NORTH = Allowance(tenant="t1", name="north", most=5, time_box=timedelta(days=7))


@pytest.mark.parametrize(
    ("statement", "index"),
    [(DUE, "ix_commands_waiting_due"), (ENDED, "ix_commands_waiting_since")],
    ids=["due", "ended"],
)
def test_only_what_waits_at_a_connection_is_read_in_the_order_of_its_time(
    ward: Ward, statement: str, index: str
) -> None:
    names = allowed([NORTH]) | {"limit": 10, "otherwise": timedelta(days=7)}
    with transaction(ward.engine) as connection:
        # Where there are few rows reading all of them is cheaper; asked is whether the index can do it.
        connection.execute("SET LOCAL enable_seqscan = off")
        plan = "\n".join(next(iter(row.values())) for row in rows(connection, f"EXPLAIN {statement}", names))
    scan = plan[plan.index(index) :]
    assert "Index Cond: ((connection_id = k.id)" in scan
    assert "Filter" not in scan.splitlines()[1] + (scan.splitlines()[2] if len(scan.splitlines()) > 2 else "")
