import pytest

from canonical.wording import begins, ends, holds, plain


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("History OF  breast-cancer", "history of breast-cancer"),
        ("Breast cancer (history of)", "breast cancer history of"),
        ("Suspected cancer (situation)", "suspected cancer (situation)"),
        ("h/o stroke; doesn’t smoke", "h/o stroke doesn’t smoke"),
        ("", ""),
        ("— !", ""),
    ],
)
def test_a_text_is_its_words(text: str, words: str) -> None:
    assert plain(text) == words


def test_phrases_are_whole_words() -> None:
    assert holds("a known side-effect, mild", ["side-effect"])
    assert not holds("the left side, effectively", ["side effect"])
    assert begins("No evidence of it", ["no"])
    assert not begins("No-reflow", ["no"])
    assert not begins("Noonan syndrome", ["no"])
    assert ends("Pneumonia - ruled out.", ["ruled out"])
    assert not ends("ruled out", ["ruled out"])
    assert not ends("it was ruled outright", ["ruled out"])


def test_no_phrase_is_said_by_nothing() -> None:
    assert not holds("anything", [])
    assert not begins("anything", [])
    assert not ends("anything", [])
