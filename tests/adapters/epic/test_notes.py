"""Notes as Epic takes them: plain text of an encounter, signed by its author or a draft."""

import base64
from typing import Any

import pytest

from adapters.epic import ADAPTER, CAPABILITIES
from adapters.wire import Answer
from canonical.capabilities import Landing, Way
from canonical.errors import NeedsPersonError
from canonical.outcome import Outcome
from canonical.ports import Interaction, Operation
from tests.adapters.commands import NOW, loinc
from tests.adapters.vendors import body, planned, refuses, site

SITE = site(licensed_notes=True)
VISIT: dict[str, Any] = {"encounter": {"reference": "Encounter/e1"}}
NURSE = {"reference": "Practitioner/n1"}
TEXT = "Seen at home – no complaints.\nWeight 72.50 kg."
NOTE: dict[str, Any] = {
    "type": "ClinicalNote",
    "operation": "create",
    "docType": loinc("11506-3", "Progress note"),
    "content": TEXT,
    "date": "2026-11-22T08:15:00-05:00",
    "docStatus": "final",
    "author": [NURSE],
    "authenticator": NURSE,
}


def one(**over: Any) -> Operation:
    (operation,) = planned(ADAPTER, {**NOTE, **over}, SITE, **VISIT)
    return operation


def test_note_is_plain_text_of_one_attachment_in_its_encounter() -> None:
    sent = body(one())
    (content,) = sent["content"]
    assert set(content["attachment"]) == {"contentType", "data"}
    assert content["attachment"]["contentType"] == "text/plain"
    assert base64.b64decode(content["attachment"]["data"]).decode() == TEXT
    assert sent["context"]["encounter"] == [VISIT["encounter"]]
    assert (sent["status"], sent["docStatus"]) == ("current", "final")
    assert sent["author"] == [NURSE]
    assert "authenticator" not in sent


def test_note_without_an_encounter_is_for_a_person() -> None:
    with pytest.raises(NeedsPersonError) as caught:
        planned(ADAPTER, NOTE, SITE)
    assert caught.value.kind == "encounter_needed"


@pytest.mark.parametrize(
    "over",
    [
        {"authenticator": {"reference": "Practitioner/n2"}},
        {"author": [NURSE, {"reference": "Practitioner/n2"}]},
        {"author": None},
    ],
)
def test_signed_note_is_sent_only_from_the_one_author_who_signed_it(over: dict[str, Any]) -> None:
    said = {name: item for name, item in {**NOTE, **over}.items() if item is not None}
    refuses(ADAPTER, said, SITE, "signed", **VISIT)


def test_draft_needs_no_author() -> None:
    draft = {name: item for name, item in NOTE.items() if name not in {"author", "authenticator"}}
    (operation,) = planned(ADAPTER, {**draft, "docStatus": "preliminary"}, SITE, **VISIT)
    assert body(operation)["docStatus"] == "preliminary"
    assert "author" not in body(operation)


@pytest.mark.parametrize("code", ["18842-5", "34105-7", "69730-0"])
def test_kind_of_note_that_is_refused_is_not_sent(code: str) -> None:
    refuses(ADAPTER, {**NOTE, "docType": loinc(code, "Note")}, SITE, "kind of note", **VISIT)


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"title": "Visit"}, "title"),
        ({"release": "immediate"}, "release"),
        ({"period": {"start": "2026-11-22"}}, "period"),
    ],
)
def test_what_has_no_known_place_is_refused_by_name(more: dict[str, Any], named: str) -> None:
    refuses(ADAPTER, {**NOTE, **more}, SITE, named, **VISIT)


def test_connection_may_leave_the_title_to_our_record_or_declare_a_place_for_it() -> None:
    titled = {**NOTE, "title": "Visit"}
    (without,) = planned(ADAPTER, titled, site(licensed_notes=True, leaves_out=["title"]), **VISIT)
    (with_it,) = planned(ADAPTER, titled, site(licensed_notes=True, keeps={"ClinicalNote": ["title"]}), **VISIT)
    assert "description" not in body(without)
    assert body(with_it)["description"] == "Visit"


def test_note_is_in_the_chart_as_soon_as_it_is_answered() -> None:
    settled = ADAPTER.classify(one(), Answer(status=201, headers={"location": "DocumentReference/eN"}), NOW)
    assert (settled.outcome, settled.reference) == (Outcome.APPLIED, "DocumentReference/eN")
    assert CAPABILITIES.writes["DocumentReference", Interaction.CREATE].landing is Landing.CHART


def test_notes_are_what_everything_else_may_fall_back_to() -> None:
    assert CAPABILITIES.fallbacks == {"note": ("ClinicalNote", "create")}
    for operation in ("addendum", "replace", "retract"):
        assert CAPABILITIES.support("ClinicalNote", operation).way is Way.REFUSED


def test_what_is_added_to_a_note_is_known_and_another_text_is_noticed() -> None:
    operation = one()
    category = [{"coding": [{"system": "http://hl7.org/fhir/us/core/CodeSystem/x", "code": "clinical-note"}]}]
    stored = {**body(operation), "id": "eN", "category": category}
    assert ADAPTER.differences(operation, stored, SITE) == ()
    other = [{"attachment": {**stored["content"][0]["attachment"], "data": base64.b64encode(b"other").decode()}}]
    assert "content" in ADAPTER.differences(operation, {**stored, "content": other}, SITE)
    assert "docStatus" in ADAPTER.differences(operation, {**stored, "docStatus": "preliminary"}, SITE)
