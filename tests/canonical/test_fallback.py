from dataclasses import replace
from typing import Any

import pytest

from canonical.capabilities import Capabilities, Support, Way
from canonical.envelope import Envelope, envelope_from
from canonical.errors import RefusedError
from canonical.fallback import addressee, check_supported, fallback_for
from tests.factories import envelope_json

VITAL = ("VitalReading", "record")
MESSAGE = ("CareMessage", "send")
NOTE = ("ClinicalNote", "create")
TO = {"fallback_to": {"message": "Practitioner/n1", "task": "Organization/ward"}}
WORDS_ONLY = Capabilities(
    writes={},
    supports={
        VITAL: Support(way=Way.REFUSED, why="It takes no readings."),
        MESSAGE: Support(way=Way.DIRECT),
        NOTE: Support(way=Way.REVIEW),
    },
    fallbacks={"message": MESSAGE, "note": NOTE, "task": ("CareTask", "create")},
)
LABEL = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "PSY"}


def reading(**over: Any) -> Envelope:
    return envelope_from(envelope_json(**over))


def test_what_the_ehr_takes_is_never_sent_another_way() -> None:
    able = replace(WORDS_ONLY, supports={**WORDS_ONLY.supports, VITAL: Support(way=Way.DIRECT)})
    assert check_supported(reading(fallback=["message"]), able, TO) is None


@pytest.mark.parametrize(
    ("allowed", "taken"),
    [
        (["message"], "message"),
        (["note", "message"], "note"),
        (["message", "note"], "message"),
        (["task", "note"], "note"),
    ],
)
def test_first_way_that_the_command_allows_and_the_ehr_has_is_taken(allowed: list[str], taken: str) -> None:
    assert check_supported(reading(fallback=allowed), WORDS_ONLY, TO) == taken


@pytest.mark.parametrize("allowed", [None, ["task"]])
def test_without_a_way_it_is_refused_with_the_reason_and_what_could_be_allowed(allowed: list[str] | None) -> None:
    more = {"fallback": allowed} if allowed else {}
    with pytest.raises(RefusedError) as raised:
        check_supported(reading(**more), WORDS_ONLY, TO)
    assert raised.value.code == "unsupported-by-ehr"
    assert raised.value.errors[0].detail == "It takes no readings."
    assert "message or note" in str(raised.value)


def test_message_needs_somebody_to_read_it() -> None:
    envelope = reading(fallback=["message"])
    assert fallback_for(envelope, WORDS_ONLY, TO) == "message"
    assert fallback_for(envelope, WORDS_ONLY, {}) is None


@pytest.mark.parametrize("named", ["Practitioner/n1", {"message": 1}, {"message": ""}, {}, None])
def test_addressee_that_is_no_reference_is_none(named: Any) -> None:
    assert addressee("message", {"fallback_to": named}) is None


def test_labelled_content_never_falls_back() -> None:
    with pytest.raises(RefusedError, match="Labelled content is never"):
        check_supported(reading(fallback=["message", "note"], securityLabel=[LABEL]), WORDS_ONLY, TO)


def test_ehr_without_any_other_way_sends_its_user_to_the_ehr() -> None:
    with pytest.raises(RefusedError, match="by hand"):
        check_supported(reading(fallback=["message"]), replace(WORDS_ONLY, fallbacks={}), TO)
