from datetime import timedelta

import pytest

from canonical.acknowledging import (
    BY_ITS_AUTHOR,
    Fallback,
    How,
    Owed,
    Owing,
    fallback_of,
    in_words,
    owing,
)
from canonical.events import move
from canonical.lifecycle import ENDED, NEEDS_PERSON, TRANSITIONS, State, Trigger
from tests.factories import NOW


@pytest.mark.parametrize(("state", "trigger"), sorted(TRANSITIONS))
def test_every_move_says_what_is_owed_after_it(state: State, trigger: Trigger) -> None:
    target, found = TRANSITIONS[state, trigger], owing(move(state, trigger))
    if target in ENDED:
        by_author = trigger in BY_ITS_AUTHOR
        assert (found is Owing.AT_ONCE) is not by_author
        assert not (by_author and state in NEEDS_PERSON and found is not Owing.NO_MORE)
    elif target in NEEDS_PERSON:
        assert found is (Owing.UNCHANGED if state in NEEDS_PERSON else Owing.WHEN_LATE)
    else:
        assert found is (Owing.NO_MORE if state in NEEDS_PERSON else Owing.UNCHANGED)


def test_what_is_in_the_chart_is_never_owed() -> None:
    into = [pair for pair, target in TRANSITIONS.items() if target is State.VERIFIED]
    assert into
    assert all(owing(move(*pair)) in {Owing.NO_MORE, Owing.UNCHANGED} for pair in into)


def test_nothing_is_written_to_a_chart_without_the_connection_s_word() -> None:
    assert fallback_of({}) is Fallback.CASE
    assert fallback_of({"unacknowledged": "message"}) is Fallback.MESSAGE


def test_what_is_owed_is_told_in_a_sentence() -> None:
    owed = Owed(sequence=3, severity=2, owed_at=NOW, due_at=NOW + timedelta(hours=2))
    assert in_words(None) == ""
    assert (
        in_words(owed)
        == f"Its app has until {NOW + timedelta(hours=2):%Y-%m-%d %H:%M} UTC to confirm that its author saw where it is."
    )
    for fallback, said in ((Fallback.MESSAGE, "sent a message"), (Fallback.CASE, "operations were asked")):
        late = Owed(sequence=3, severity=2, owed_at=NOW, due_at=NOW, fallback=fallback, fallback_at=NOW)
        assert said in in_words(late)
    for how in How:
        done = Owed(sequence=3, severity=2, owed_at=NOW, due_at=NOW, acknowledged_at=NOW, how=how)
        assert f"{NOW:%Y-%m-%d %H:%M} UTC" in in_words(done)
