"""The numbers of the echo guard: whole, with an owner, and none of them senseless."""

import tomllib
from datetime import date
from importlib.resources import files

import pytest

from canonical.case_kinds import case_kind
from canonical.echo import LOOP
from canonical.echo_plan import echo_plan, echo_plan_from
from canonical.reviewer import Pool

DATA = tomllib.loads((files("canonical") / "data" / "echoes.toml").read_text("utf-8"))


def test_the_numbers_have_an_owner_and_a_date() -> None:
    assert DATA["owner"]
    assert isinstance(DATA["reviewed"], date)
    assert echo_plan().loop_writes >= 2


@pytest.mark.parametrize("name", sorted(set(DATA) - {"owner", "reviewed"}))
def test_a_number_that_cannot_be_is_refused_by_name(name: str) -> None:
    for wrong in (0, -1, 1.5, True, "3"):
        with pytest.raises(ValueError, match=name):
            echo_plan_from(DATA | {name: wrong})


def test_one_write_that_was_undone_is_no_loop() -> None:
    with pytest.raises(ValueError, match="no loop"):
        echo_plan_from(DATA | {"loop_writes": 1})


def test_a_loop_is_an_alert_for_operations() -> None:
    kind = case_kind(LOOP)
    assert (kind.severity, kind.pool, kind.maybe_there, kind.drifted) == (1, Pool.OPERATIONS, False, False)
