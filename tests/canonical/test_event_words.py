"""Every event and every state has its words."""

from canonical.event_words import EVENT_WORDS, NOTE_WORDS, event_words
from canonical.events import Note
from canonical.lifecycle import State, Trigger
from canonical.safety_words import SAFETY, headline


def test_every_trigger_and_every_note_has_words_of_its_own() -> None:
    assert (set(EVENT_WORDS), set(NOTE_WORDS)) == (set(Trigger), set(Note))
    told = [*EVENT_WORDS.values(), *NOTE_WORDS.values()]
    assert len(set(told)) == len(told)


def test_an_event_of_a_later_version_is_told_by_its_name() -> None:
    assert event_words("turned_over") == "turned over"
    assert event_words("glass_broken").startswith("Somebody opened")
    assert event_words("received") == "It was received and stored"


def test_every_state_says_whether_it_is_safe() -> None:
    assert set(SAFETY) == set(State)
    for state in State:
        assert headline(state, "", None).safe.split(":")[0].split(" ")[0] in {"Safe", "Not"}


def test_what_was_removed_in_the_ehr_is_not_said_to_be_proven() -> None:
    assert "proven" not in headline(State.COMPENSATED, "removed-in-ehr", None).safe
