from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from canonical.remote_change import ChangeSource, RemoteChange, chart_change, sentence

BERLIN = ZoneInfo("Europe/Berlin")
SEEN_AT = datetime(2026, 11, 26, 8, 58, tzinfo=UTC)
AT = SEEN_AT + timedelta(minutes=14)


def told(*, seen_at: datetime | None = SEEN_AT, source: ChangeSource = ChangeSource.PROVENANCE, **members: Any) -> str:
    return sentence(RemoteChange(source=source, **members), seen_at=seen_at, zone=BERLIN)


def test_a_known_change_names_person_role_system_time_and_distance() -> None:
    assert told(by="Dr A. Ruiz", role="physician", system="the ward system", at=AT) == (
        "Changed by Dr A. Ruiz (physician) in the ward system at 10:12 CET on 26 November 2026, "
        "14 minutes after the author looked."
    )


@pytest.mark.parametrize(
    ("members", "words"),
    [
        (
            {"at": AT},
            "Changed at 10:12 CET on 26 November 2026, 14 minutes after the author looked; it is not known by whom.",
        ),
        (
            {"between": (SEEN_AT, SEEN_AT + timedelta(minutes=38))},
            "Changed between 09:58 CET and 10:36 CET on 26 November 2026; it is not known by whom.",
        ),
        ({}, "Changed; it is not known when, nor by whom."),
        ({"by": "Dr A. Ruiz"}, "Changed by Dr A. Ruiz; it is not known when."),
        ({"role": "physician"}, "Changed; it is not known when, nor by whom."),
    ],
)
def test_what_is_not_known_is_said_in_words(members: dict[str, Any], words: str) -> None:
    assert told(**members) == words


def test_a_change_before_the_author_looked_is_told_so() -> None:
    assert "3 minutes before the author looked" in told(by="Dr A. Ruiz", at=SEEN_AT - timedelta(minutes=3))
    assert "looked" not in told(by="Dr A. Ruiz", at=AT, seen_at=None)


def test_our_own_earlier_write_is_named_as_ours() -> None:
    assert told(same_app=True, at=AT).startswith("Changed by an earlier command of this service at 10:12 CET")
    assert "(Interface)" in told(same_app=True, by="Interface", at=AT)


@pytest.mark.parametrize(
    ("others", "words"), [(0, ""), (1, " There was one more change."), (3, " There were 3 more changes.")]
)
def test_further_changes_are_counted(others: int, words: str) -> None:
    assert told(by="Dr A. Ruiz", at=AT, others=others).endswith(f"looked.{words}")


def test_a_page_gets_the_sentence_and_its_parts() -> None:
    change = RemoteChange(source=ChangeSource.PROVENANCE, by="Dr A. Ruiz", role="physician", at=AT)
    shown = chart_change(change, seen_at=SEEN_AT, zone=BERLIN)
    assert (shown.who, shown.role, shown.system) == ("Dr A. Ruiz", "physician", None)
    assert (shown.at, shown.distance) == ("10:12 CET on 26 November 2026", "14 minutes after the author looked")
    unknown = chart_change(RemoteChange(source=ChangeSource.BRACKET), seen_at=None, zone=BERLIN)
    assert (unknown.who, unknown.at, unknown.distance) == (None, None, None)
    assert unknown.sentence == "Changed; it is not known when, nor by whom."
