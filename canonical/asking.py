"""Asking the author of a command: the question as their app is shown it, and what they may answer. Nothing is stored here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum, auto

from canonical import exact_json
from canonical.lifecycle import TRANSITIONS, State, Trigger

#: Stage of a decision that is the author's own word, or that they said none.
AUTHOR_STAGE = "author"
#: Why an app is told of a command whose author is asked.
ASKED = "author-asked"


class Answer(StrEnum):
    """What an author may say."""

    #: It is meant as it was sent.
    KEEP = "keep"
    #: It is not wanted any more.
    WITHDRAW = "withdraw"
    #: They do not know either.
    UNSURE = "unsure"
    #: They said nothing in time; nobody sends this.
    NONE = "none"


ANSWER_WORDS: Mapping[Answer, str] = {
    Answer.KEEP: "it is meant as it was sent",
    Answer.WITHDRAW: "it is not wanted any more",
    Answer.UNSURE: "they do not know either",
    Answer.NONE: "the author did not answer in time",
}


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a reviewer asks, in free words (clinical content: for the app alone); times are UTC."""

    asked_at: datetime
    answer_by: datetime
    text: str


@dataclass(frozen=True, kw_only=True)
class AuthorsAnswer:
    """What an author said, in ``text`` in free words; ``by_system`` and ``by`` are who, ``actor`` is the app for the events."""

    answer: Answer
    by: str
    by_system: str | None
    text: str
    actor: str

    def content(self) -> bytes:
        """Return what is kept of it as canonical JSON: equal for the same answer sent again."""
        told = {"answer": self.answer.value, "text": self.text, "by": {"system": self.by_system, "value": self.by}}
        return exact_json.canonical_bytes(told)


class Taken(Enum):
    """What came of an answer."""

    #: It is recorded, and the case is back with the reviewers.
    RECORDED = auto()
    #: It is recorded, and the command ended.
    WITHDRAWN = auto()
    #: The same answer was recorded before; nothing was changed.
    REPEATED = auto()
    #: Nobody asks, or not any more; nothing was changed.
    NOT_ASKED = auto()


def may_end(state: State, *, maybe_there: bool) -> bool:
    """Whether an author's word alone may end a command: only where it cannot be in the chart."""
    return not maybe_there and (state, Trigger.AUTHOR_WITHDREW) in TRANSITIONS
