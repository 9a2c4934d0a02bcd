"""What is asked of the store for incomplete commands: by its index, whatever else was ever written or is left to people."""

from __future__ import annotations

from store.database import rows, transaction
from store.incomplete_writes import DUE
from tests.tasks.ward import Ward


def test_only_what_is_due_and_left_to_no_person_is_read_in_the_order_of_its_time(ward: Ward) -> None:
    with transaction(ward.engine) as connection:
        # Where there are few rows reading all of them is cheaper; asked is whether the index can do it.
        connection.execute("SET LOCAL enable_seqscan = off")
        connection.execute("SET LOCAL enable_sort = off")
        plan = "\n".join(next(iter(row.values())) for row in rows(connection, f"EXPLAIN {DUE}", {"limit": 10}))
    scan = plan[plan.index("ix_commands_incomplete_due") :].splitlines()
    assert "Index Cond: (due_at <= statement_timestamp())" in scan[1]
    assert "Filter" not in "".join(scan[1:3])
