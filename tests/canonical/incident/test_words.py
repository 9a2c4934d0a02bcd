"""What a report says in sentences: every kind, every reason and every trouble has words of its own."""

from dataclasses import replace

import pytest

from canonical.incident.judgement import judge
from canonical.incident.report import ActKind, DivergenceKind, Unread
from canonical.incident.words import (
    ACT_WORDS,
    DIVERGENCE_WORDS,
    WHY_WORDS,
    act_words,
    divergence_words,
    signal_words,
    unread_words,
)
from canonical.unfit import UNFIT_WORDS
from tests.incident_factories import UNTIL
from tests.incident_table import DIVERGING


def test_every_kind_of_divergence_and_of_act_is_told() -> None:
    assert (set(DIVERGENCE_WORDS), set(ACT_WORDS)) == (set(DivergenceKind), set(ActKind))
    assert set(UNFIT_WORDS) < set(WHY_WORDS)


@pytest.mark.parametrize("name", DIVERGING)
def test_a_divergence_is_sentences_and_no_code(name: str) -> None:
    told, shown, _ = DIVERGING[name]
    for found in judge(told, shown, until=UNTIL):
        for text in (divergence_words(found), signal_words(found), *(act_words(act) for act in found.acts)):
            assert text.endswith(".")
            assert "_" not in text.replace("`", "") or text == signal_words(found)


def test_what_is_not_certain_says_why() -> None:
    told, shown, _ = DIVERGING["delivered twice by one request"]
    (found,) = judge(told, shown, until=UNTIL)
    assert found.version is not None
    assert "not certain" in divergence_words(replace(found, sure=False))
    by_content = replace(found, sure=False, version=replace(found.version, by_content=True))
    assert "somebody else may have entered it" in divergence_words(by_content)


@pytest.mark.parametrize(
    ("why", "said"),
    [
        ("outage", "The EHR did not answer."),
        ("history-http-403", "only the current version was looked at (HTTP 403)."),
        ("provenance-http-500", "The EHR did not show who acted on the entry (HTTP 500)."),
        ("of-a-later-version", "It could not be read (of-a-later-version)."),
    ],
)
def test_what_could_not_be_looked_at_is_told_with_its_reason(why: str, said: str) -> None:
    assert unread_words(Unread(why=why)).endswith(said)
