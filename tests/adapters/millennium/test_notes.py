"""Notes as Oracle Health takes them: signed, of an encounter, with the time of the service; given back by their address."""

from typing import Any

import pytest

from adapters.oracle_health import ADAPTER, CAPABILITIES
from canonical.capabilities import Way
from canonical.ports import Operation
from tests.adapters.commands import loinc
from tests.adapters.vendors import body, planned, refuses, searched, site

SITE = site()
VISIT: dict[str, Any] = {"encounter": {"reference": "Encounter/e1"}}
NURSE = {"reference": "Practitioner/n1"}
NOTE: dict[str, Any] = {
    "type": "ClinicalNote",
    "operation": "create",
    "docType": loinc("11506-3", "Progress note"),
    "title": "Home visit",
    "content": "Seen at home.",
    "date": "2026-11-22T08:15:00-05:00",
    "period": {"start": "2026-11-22T07:30:00-05:00", "end": "2026-11-22T08:00:00-05:00"},
    "docStatus": "final",
    "author": [NURSE],
    "authenticator": NURSE,
}


def one(**over: Any) -> Operation:
    (operation,) = planned(ADAPTER, {**NOTE, **over}, SITE, **VISIT)
    return operation


def stored(operation: Operation, **over: Any) -> dict[str, Any]:
    attachment = {
        "contentType": "application/pdf",
        "title": "Home visit",
        "url": "https://ehr.example/fhir/Binary/XR-1",
    }
    own = {"id": "16885181", "description": "Home visit", "content": [{"attachment": attachment}]}
    return {**body(operation), **own, **over}


def test_note_carries_its_title_and_date_with_its_document() -> None:
    sent = body(one())
    (content,) = sent["content"]
    assert set(content["attachment"]) == {"contentType", "data", "title", "creation"}
    assert (content["attachment"]["title"], content["attachment"]["creation"]) == (NOTE["title"], NOTE["date"])
    assert not {"description", "date", "category"} & set(sent)
    assert sent["context"]["period"] == NOTE["period"]
    assert (sent["author"], sent["authenticator"]) == ([NURSE], NURSE)


@pytest.mark.parametrize(
    ("over", "match"),
    [
        ({"docStatus": "preliminary", "authenticator": None}, "no drafts"),
        ({"period": None}, "full time"),
        ({"period": {"start": "2026-11-22", "end": "2026-11-22"}}, "full time"),
        ({"author": [{"reference": "Patient/p1"}]}, "practitioners"),
        ({"authenticator": {"reference": "Organization/o1"}}, "practitioners"),
        ({"release": "immediate"}, "release"),
        ({"content": None, "attachment": {"contentType": "image/png", "data": "AAAA"}}, "documents as"),
    ],
)
def test_note_that_would_be_kept_otherwise_is_refused(over: dict[str, Any], match: str) -> None:
    said = {name: item for name, item in {**NOTE, **over}.items() if item is not None}
    refuses(ADAPTER, said, SITE, match, **VISIT)


def test_document_of_a_type_that_is_taken_goes_as_it_is() -> None:
    pdf = {"contentType": "application/pdf", "data": "JVBERi0=", "title": "Scan"}
    said = {name: item for name, item in NOTE.items() if name not in {"content", "title"}}
    (operation,) = planned(ADAPTER, {**said, "attachment": pdf}, SITE, **VISIT)
    (content,) = body(operation)["content"]
    assert content["attachment"] == {**pdf, "creation": NOTE["date"]}


def test_note_is_given_back_by_its_address_and_everything_else_counts() -> None:
    operation = one()
    assert ADAPTER.differences(operation, stored(operation), SITE) == ()
    for over, named in (
        ({"content": []}, "content"),
        ({"docStatus": "amended"}, "docStatus"),
        ({"author": [{"reference": "Practitioner/n2"}]}, "author"),
        ({"description": "Another visit"}, "title"),
        ({"subject": {"reference": "Patient/p2"}}, "subject"),
        ({"context": {"encounter": [{"reference": "Encounter/e2"}], "period": NOTE["period"]}}, "encounter"),
    ):
        assert named in ADAPTER.differences(operation, stored(operation, **over), SITE), named


def test_note_is_looked_for_by_patient_and_kind() -> None:
    operation = one()
    assert ADAPTER.probe(operation, SITE).path == "DocumentReference?patient=p1&type=http%3A%2F%2Floinc.org%7C11506-3"
    found = stored(operation)
    assert ADAPTER.read_twins(operation, searched(found), SITE) == ("DocumentReference/16885181",)


def test_what_is_done_by_hand_is_said_in_words() -> None:
    for operation in ("addendum", "replace", "retract"):
        assert CAPABILITIES.support("ClinicalNote", operation).way is Way.REFUSED
