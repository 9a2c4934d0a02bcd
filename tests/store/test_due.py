"""What is due costs what is due: also right after an outage, when the planner's figures still say that nothing is open."""

import pytest

from bench import drift_filling, sweeps
from store import due, look_list
from store.database import open_engine, rows, transaction


@pytest.mark.parametrize(
    ("sweep", "statement", "parameters"),
    [
        ("due", due._DUE_LANES, {"limit": 200, "idle": None}),
        ("conflicted", look_list._FIND, {"limit": 20}),
    ],
)
def test_what_fell_due_at_once_is_not_compared_with_all_that_is_open(
    database_url: str, sweep: str, statement: str, parameters: dict[str, object]
) -> None:
    engine = open_engine(database_url)
    drift_filling.fill(engine, settled=1_000, due=0)
    with transaction(engine) as connection:
        for setting in sweeps.SETTINGS[sweep]:
            rows(connection, setting, {"due": 300})
        plan = [row["QUERY PLAN"] for row in rows(connection, f"EXPLAIN (ANALYZE) {statement}", parameters)]
    engine.dispose()
    assert any("rows=300" in line for line in plan), plan
    assert not [line for line in plan if "Removed by Join Filter" in line], plan
