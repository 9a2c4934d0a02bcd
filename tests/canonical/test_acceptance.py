from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canonical.acceptance import LATEST, SOONEST, Seen, Sighting, asked_at_once, is_void, judge, next_look, time_box

AGES = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=90))
SEEN = st.lists(st.sampled_from(Seen), min_size=1, max_size=4)


@given(AGES, AGES)
def test_the_longer_it_waits_the_more_seldom_it_is_asked_for(one: timedelta, other: timedelta) -> None:
    younger, older = sorted((one, other))
    assert SOONEST <= next_look(younger) <= next_look(older) <= LATEST


def test_a_week_of_waiting_costs_an_ehr_few_looks_and_the_first_hour_has_several() -> None:
    age, looks, first_hour = timedelta(0), 0, 0
    while age < timedelta(days=7):
        age += next_look(age)
        looks += 1
        first_hour += age <= timedelta(hours=1)
    assert first_hour >= 8
    assert looks <= 50


@given(SEEN)
def test_a_refused_part_is_for_a_person_and_all_parts_must_show(seen: list[Seen]) -> None:
    found = judge([Sighting(seq=at, seen=item) for at, item in enumerate(seen)])
    if Seen.REFUSED in seen:
        assert found is Seen.REFUSED
    else:
        assert (found is Seen.VISIBLE) == (set(seen) == {Seen.VISIBLE})


def concept(code: str) -> dict[str, Any]:
    return {"coding": [{"code": code}]}


@pytest.mark.parametrize(
    ("shown", "said", "void"),
    [
        ({"status": "final"}, {"status": "final"}, False),
        ({"status": "entered-in-error"}, {"status": "final"}, True),
        ({"verificationStatus": concept("refuted")}, {"verificationStatus": concept("confirmed")}, True),
        ({"verificationStatus": concept("refuted")}, {"verificationStatus": concept("refuted")}, False),
        ({"verificationStatus": {"text": "unsure"}}, {}, False),
        ({"docStatus": "entered-in-error", "status": "current"}, {"status": "current"}, True),
    ],
)
def test_an_entry_that_does_not_count_was_turned_down_unless_that_was_what_was_sent(
    shown: dict[str, Any], said: dict[str, Any], *, void: bool
) -> None:
    assert is_void(shown, said) is void


def test_a_connection_may_say_how_long_its_staff_take_and_how_often_it_is_asked() -> None:
    assert (time_box({}), time_box({"accepted_within_days": 0.5})) == (timedelta(days=7), timedelta(hours=12))
    assert (asked_at_once({}), asked_at_once({"waiting_asked_at_once": 0})) == (2, 0)
