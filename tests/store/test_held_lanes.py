"""The sessions that hold lanes: lent to one turn at a time, used again, and none left open once they are closed."""

from __future__ import annotations

from store.held_lanes import PostgresLanes
from tests.tasks.ward import Ward


def test_a_session_is_used_again_and_closed_with_the_rest(ward: Ward) -> None:
    lane, lanes = ward.submit().lane_id, PostgresLanes(ward.url, actor="test")
    assert lane is not None
    with lanes.hold(lane) as held:
        assert held is not None
        first = held._session
    with lanes.hold(lane) as held:
        assert held is not None
        assert held._session is first
    lanes.close()
    assert first.closed


def test_one_that_comes_back_after_the_closing_is_closed(ward: Ward) -> None:
    lane, lanes = ward.submit().lane_id, PostgresLanes(ward.url, actor="test")
    assert lane is not None
    with lanes.hold(lane) as held:
        assert held is not None
        lanes.close()
        assert not held._session.closed, "its turn goes on"
    assert held._session.closed
