import base64
from typing import Any

import pytest

from adapters.canvas import ADAPTER
from canonical.errors import UnsupportedActionError
from canonical.outcome import ProbeVerdict
from tests.adapters.test_canvas import CHANGED
from tests.adapters.vendors import body, planned, refuses, searched, site

SITE = site(note_reviewer="Practitioner/d2", leaves_out=["authenticator"])
PDF = {"contentType": "application/pdf", "data": base64.b64encode(b"%PDF-1.7 synthetic").decode()}
DOCTOR: dict[str, Any] = {"author": {"role": "physician", "reference": "Practitioner/d1"}}
NOTE: dict[str, Any] = {
    "type": "ClinicalNote",
    "operation": "create",
    "docType": {"coding": [{"system": "http://loinc.org", "code": "34109-9"}], "text": "Note"},
    "title": "Visit at home",
    "attachment": PDF,
    "date": "2026-11-22T08:15:00-05:00",
    "docStatus": "final",
    "authenticator": {"reference": "Practitioner/d1"},
}


def extensions(resource: dict[str, Any]) -> dict[str, Any]:
    return {
        item["url"].rpartition("document-reference-")[2]: next(value for name, value in item.items() if name != "url")
        for item in resource["extension"]
    }


def test_note_goes_out_as_a_pdf_with_its_day_and_its_reviewer() -> None:
    (operation,) = planned(ADAPTER, NOTE, SITE, **DOCTOR)
    sent = body(operation)
    assert extensions(sent) == {
        "clinical-date": "2026-11-22",
        "reviewer": {"reference": "Practitioner/d2"},
        "requires-signature": False,
    }
    assert sent["content"] == [{"attachment": PDF}]
    assert sent["author"] == [{"reference": "Practitioner/d1"}]
    assert sent["description"] == "Visit at home"


def test_draft_is_left_to_be_signed_by_a_group() -> None:
    draft = {name: value for name, value in NOTE.items() if name != "authenticator"} | {"docStatus": "preliminary"}
    (operation,) = planned(ADAPTER, draft, site(note_reviewer="Group/g1"), **DOCTOR)
    found = extensions(body(operation))
    assert (found["requires-signature"], found["reviewer-group"]) == (True, {"reference": "Group/g1"})


@pytest.mark.parametrize(
    ("over", "match"),
    [
        ({"attachment": {**PDF, "contentType": "text/rtf"}}, "as a PDF"),
        ({"docType": {"coding": [{"system": "http://loinc.org", "code": "11506-3"}]}}, "kinds of clinical documents"),
        ({"release": "immediate"}, "release"),
    ],
)
def test_note_that_the_vendor_has_no_place_for_is_refused(over: dict[str, Any], match: str) -> None:
    refuses(ADAPTER, {**NOTE, **over}, SITE, match, **DOCTOR)


def test_note_needs_a_reviewer_a_practitioner_and_no_encounter() -> None:
    refuses(ADAPTER, NOTE, site(leaves_out=["authenticator"]), "note_reviewer", **DOCTOR)
    refuses(ADAPTER, NOTE, SITE, "one practitioner")
    refuses(ADAPTER, NOTE, SITE, "encounter", encounter={"reference": "Encounter/e1"}, **DOCTOR)
    refuses(ADAPTER, NOTE, site(note_reviewer="Practitioner/d2"), "authenticator", **DOCTOR)


def test_document_behind_a_link_is_explained_and_another_one_is_noticed() -> None:
    (operation,) = planned(ADAPTER, NOTE, SITE, **DOCTOR)
    sent = body(operation)
    own = {
        "system": "http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category",
        "code": "clinical-note",
    }
    stored = {
        **sent,
        "id": "d9",
        "date": CHANGED,
        "content": [{"attachment": {"contentType": "application/pdf", "url": "https://files.example/1"}}],
        "category": [*sent["category"], {"coding": [own]}],
        "extension": [*sent["extension"], {"url": "x", "valueBoolean": False}],
    }
    assert ADAPTER.differences(operation, stored, SITE) == ()
    for name, value in (
        ("extension", stored["extension"][1:]),
        ("content", []),
        ("description", "Other"),
        ("category", []),
    ):
        assert name in ADAPTER.differences(operation, {**stored, name: value}, SITE)
    assert ADAPTER.read_probe(operation, searched(stored), SITE).verdict is ProbeVerdict.APPLIED
    assert ADAPTER.read_probe(operation, searched(), SITE).verdict is ProbeVerdict.NOT_APPLIED


@pytest.mark.parametrize("operation", ["addendum", "replace"])
def test_document_is_written_once(operation: str) -> None:
    target = {"reference": "DocumentReference/d9", "versionId": CHANGED, "seen": {"docStatus": "final"}}
    with pytest.raises(UnsupportedActionError, match="once"):
        planned(ADAPTER, {**NOTE, "operation": operation}, SITE, target=target, **DOCTOR)
