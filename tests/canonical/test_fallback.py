from dataclasses import replace
from typing import Any

import pytest

from canonical.action import spec_for
from canonical.capabilities import Capabilities, Support, Way
from canonical.envelope import Envelope, envelope_from
from canonical.errors import InvalidPayloadError, RefusedError
from canonical.fallback import addressee, check_supported, fallback_for, instead
from canonical.plain_words import plain_words
from tests.compound_factories import care_gap_closure_json, medication_reconciliation_json
from tests.factories import NOW, envelope_json, medication_change_json, target_json, vital_reading_json

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


def hold(**over: Any) -> Envelope:
    action = medication_change_json("hold")
    return envelope_from(envelope_json(action, target=target_json(action), fallback=["message"], **over))


@pytest.mark.parametrize("kind", ["message", "note", "task"])
def test_what_is_said_in_words_leaves_nothing_out(kind: str) -> None:
    envelope = hold()
    told = instead(envelope, kind, TO, NOW)
    stated = told.action.as_json()
    text = {
        "message": lambda: stated["payload"][0]["contentString"],
        "note": lambda: stated["content"],
        "task": lambda: stated["description"],
    }[kind]()
    for line in plain_words(envelope.action):
        assert f"{line.label}: {line.text}" in text
    assert envelope.target is not None
    assert str(envelope.target.reference) in text
    assert spec_for(told.action).check(told, NOW) == []


def test_only_the_action_and_its_target_are_exchanged() -> None:
    held = hold()
    before, after = held.as_json(), instead(held, "message", TO, NOW).as_json()
    changed = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    assert changed == {"action", "target", "fallback"}
    assert after["action"]["recipient"] == [{"reference": "Practitioner/n1"}]


def test_text_that_is_too_long_for_a_message_is_refused_and_never_cut() -> None:
    long = [{"text": "x" * 19_000}, {"text": "y" * 19_000}]
    with pytest.raises(InvalidPayloadError, match="nothing is cut"):
        instead(reading(action=vital_reading_json(note=long), fallback=["message"]), "message", TO, NOW)


def compound(**over: Any) -> Envelope:
    """A closed gap with two kinds of evidence."""
    evidence = [vital_reading_json(), medication_change_json()]
    return envelope_from(envelope_json(care_gap_closure_json(evidence=evidence), **over))


PARTS = {VITAL: Support(way=Way.DIRECT), ("MedicationChange", "start"): Support(way=Way.DIRECT)}
CLOSURE = {("CareGapClosure", "close"): Support(way=Way.DIRECT)}


@pytest.mark.parametrize("part", list(PARTS))
@pytest.mark.parametrize("way", [Way.REFUSED, Way.FALLBACK, Way.REVIEW])
def test_a_compound_is_taken_only_where_every_part_gets_into_the_chart(part: tuple[str, str], way: Way) -> None:
    able = replace(WORDS_ONLY, supports={**WORDS_ONLY.supports, **CLOSURE, **PARTS})
    assert check_supported(compound(), able, TO) is None
    held = replace(able, supports={**able.supports, part: Support(way=way, why="It takes none.")})
    with pytest.raises(RefusedError) as refused:
        check_supported(compound(), held, TO)
    (error,) = refused.value.errors
    assert ".".join(part) in error.detail
    assert check_supported(compound(fallback=["message"]), held, TO) == "message"


def test_a_compound_said_in_words_tells_every_part_and_what_its_author_saw() -> None:
    sent = envelope_from(envelope_json(medication_reconciliation_json(), fallback=["message"]))
    (payload,) = instead(sent, "message", TO, NOW).action.as_json()["payload"]
    for said in (
        "Changes 1, action: medication change: start",
        "MedicationStatement/m3",
        "at bedtime",
        "Take 1 tablet",
    ):
        assert said in payload["contentString"], said
