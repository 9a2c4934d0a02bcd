"""The sweep that ends what is taken back: of commands whose last compensation did not reach a proof, once each."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest

from store.part_compensations import StoredPartCompensations
from tests.reconcile.review.conftest import bench as review_bench
from tests.reconcile.review.conftest import server, whole
from tests.reconcile.review.part_bench import BOTH, PartBench, events, readings
from tests.reconcile.review.whole_desk import WholeDesk

__all__ = ["bench", "server", "whole"]
bench = review_bench


@pytest.fixture
def parts(whole: WholeDesk) -> PartBench:
    return PartBench(whole)


def one_ended(parts: PartBench) -> UUID:
    """Return a command of which one part was taken back and the other's compensation was withdrawn."""
    root = parts.stopped(readings())
    parts.decide(parts.page(root), BOTH)
    last, first = parts.undoing(root)
    parts.whole.run(root)
    assert parts.whole.state(last) == "verified"
    parts.whole.look("UPDATE commands SET after = '{}', state = 'withdrawn' WHERE id = %(id)s", id=first)
    return root


def test_nothing_is_ended_while_something_is_under_way(parts: PartBench) -> None:
    root = parts.stopped(readings())
    parts.decide(parts.page(root), BOTH)
    assert (parts.swept(), parts.whole.state(root)) == (0, "taking_back")
    assert not parts.whole.services.part_compensations.finish(root)


def test_what_was_refused_after_a_part_was_taken_back_ends_with_a_part_standing(parts: PartBench) -> None:
    root = one_ended(parts)
    before = parts.whole.state(root)
    assert (before, parts.swept(), parts.swept()) == ("taking_back", 1, 0)
    assert (parts.whole.state(root), events(parts, root)[-1]) == ("partly_taken_back", "part_stands")
    (case,) = parts.whole.look("SELECT kind, holds FROM cases WHERE command_id = %(r)s AND closed_at IS NULL", r=root)
    assert case == {"kind": "part_stands", "holds": False}
    assert parts.chart(root) == {".1": "final", ".2": "entered-in-error"}


def test_two_sweepers_at_once_end_it_once(parts: PartBench) -> None:
    root = one_ended(parts)
    engine = parts.whole.station.ward.engine
    both = threading.Barrier(2)

    def sweep(number: int) -> bool:
        store = StoredPartCompensations(engine, None, actor=f"sweep-{number}")  # type: ignore[arg-type]
        assert store.due(limit=5) == [root]
        both.wait(20)
        return store.finish(root)

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(sweep, range(2))) == [False, True]
    assert events(parts, root).count("part_stands") == 1
