import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.fhir_r4 import ADAPTER
from adapters.r4.comparable import comparable
from adapters.r4.document_reference import NOT_FOR_PATIENT, RELEASES_NOTES_BY, SUPERSEDES
from adapters.r4.validity import STATUS, problems
from adapters.site import Site
from canonical import exact_json
from canonical.compound import part_urn
from canonical.errors import NeedsPersonError, TargetMovedError, UnsupportedActionError
from canonical.ports import Fetched, Interaction, Operation, Resource, Surrounding
from tests.adapters.commands import COMMAND_ID, PATIENT, WEIGHT, command, loinc, number

BASE = "https://ehr.example/fhir"
SITE = Site(base_url=BASE)
NURSE = {"role": "nurse", "reference": "Practitioner/n1"}
VISIT = {"reference": "Encounter/e1"}
NOTE: dict[str, Any] = {
    "type": "ClinicalNote",
    "operation": "create",
    "docType": loinc("11506-3", "Progress note"),
    "content": "Seen at home.\r\n\tNo complaints.  ",
    "date": "2026-11-22T08:15:00-05:00",
    "docStatus": "final",
    "authenticator": {"reference": "Practitioner/n1"},
}
DRAFT = {name: value for name, value in NOTE.items() if name != "authenticator"} | {"docStatus": "preliminary"}
FULL = {
    **NOTE,
    "category": [{"text": "Clinical Note"}],
    "title": "Home visit",
    "period": {"start": "2026-11-22T08:00:00-05:00", "end": "2026-11-22T08:10:00-05:00"},
    "author": [{"reference": "Practitioner/n2"}],
    "release": "immediate",
    "relatesTo": [{"code": "transforms", "target": {"reference": "DocumentReference/d0"}}],
}
PDF = {"contentType": "application/pdf", "data": base64.b64encode(b"%PDF-1.7").decode(), "title": "scan"}
RETRACT = {"type": "ClinicalNote", "operation": "retract", "retractReason": "another patient"}
WITHHELD = {"release": "withheld", "releaseReason": "told in person first"}


def operations(
    action: dict[str, Any], current: Resource | None = None, *, version: str = "3", site: Site = SITE, **envelope: Any
) -> list[Operation]:
    around = Surrounding()
    if current is not None:
        seen = {"docType": NOTE["docType"]}
        acknowledged = {"by": {"value": "n-1"}, "when": "2026-11-22T11:00:00Z"}
        target = {"reference": "DocumentReference/d1", "versionId": "3", "seen": seen, "acknowledged": acknowledged}
        envelope = {"target": target, **envelope}
        around = Surrounding(current=Fetched(resource=current, version=version))
    return list(ADAPTER.plan(command(action, **envelope), around, site))


def built(action: dict[str, Any], current: Resource | None = None, **more: Any) -> dict[str, Any]:
    resource: dict[str, Any] = exact_json.parse(operations(action, current, **more)[0].body)
    return resource


def in_chart(action: dict[str, Any] = NOTE, **over: Any) -> dict[str, Any]:
    return {**built(action, encounter=VISIT), "id": "d1", "meta": {"versionId": "3"}, **over}


def referring(operation: str, **over: Any) -> dict[str, Any]:
    return {**(DRAFT if operation == "replace" else NOTE), "operation": operation, "content": "More.", **over}


def kind(action: dict[str, Any], current: Resource | None = None, **more: Any) -> str:
    with pytest.raises(NeedsPersonError) as caught:
        operations(action, current, **more)
    return caught.value.kind


@pytest.mark.parametrize("action", [NOTE, DRAFT, FULL], ids=["signed", "draft", "full"])
def test_every_field_survives_into_the_chart_and_back(action: dict[str, Any]) -> None:
    resource = built(action)
    assert problems(resource) == frozenset()
    projection = ADAPTER.project(resource, SITE)
    for name in set(action) - {"type", "operation"}:
        assert projection[name] == comparable(action[name], BASE), name


def test_a_document_survives_too() -> None:
    scanned = {name: value for name, value in NOTE.items() if name != "content"} | {"attachment": PDF}
    resource = built(scanned)
    assert problems(resource) == frozenset()
    projection = ADAPTER.project(resource, SITE)
    assert (projection["attachment"], "content" in projection) == (PDF, False)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(lambda text: text.strip()))
def test_the_bytes_of_a_text_are_those_that_were_written(text: str) -> None:
    attachment = built({**NOTE, "content": text})["content"][0]["attachment"]
    octets = base64.b64decode(attachment["data"])
    assert (octets.decode(), attachment["size"]) == (text, len(octets))
    assert attachment["contentType"] == "text/plain; charset=utf-8"


def test_a_change_of_one_byte_in_the_chart_is_a_difference() -> None:
    (operation,) = operations(NOTE)
    stored = exact_json.parse(operation.body)
    assert ADAPTER.differences(operation, stored, SITE) == ()
    for changed in (b"Seen at home.", NOTE["content"].strip().encode(), NOTE["content"].replace("\r", "").encode()):
        attachment = {**stored["content"][0]["attachment"], "data": base64.b64encode(changed).decode()}
        other = {**stored, "content": [{"attachment": attachment}]}
        assert ADAPTER.differences(operation, other, SITE) == ("content",)


def test_text_in_the_chart_is_read_however_its_type_is_spelled_and_never_guessed() -> None:
    note = in_chart()
    attachment = note["content"][0]["attachment"]
    for spelled in ("text/plain", "text/plain;charset=UTF-8", "Text/Plain; charset=utf-8"):
        note["content"] = [{"attachment": {**attachment, "contentType": spelled}}]
        assert ADAPTER.project(note, SITE)["content"] == NOTE["content"]
    for odd in ({"contentType": "text/plain", "data": "!"}, {"contentType": "text/plain", "url": "Binary/1"}, {}):
        note["content"] = [{"attachment": odd}]
        assert "content" not in ADAPTER.project(note, SITE)
    note["content"] = [{"attachment": attachment}, {"attachment": attachment}]
    assert "content" not in ADAPTER.project(note, SITE)


def test_a_note_is_current_about_the_patient_of_its_encounter_and_from_its_author() -> None:
    resource = built(NOTE, author=NURSE, encounter=VISIT)
    assert (resource["status"], resource["subject"]) == ("current", {"reference": PATIENT})
    assert (resource["context"], resource["author"]) == ({"encounter": [VISIT]}, [{"reference": "Practitioner/n1"}])
    assert ADAPTER.project(resource, SITE)["encounter"] == VISIT
    assert built(FULL, author=NURSE)["author"] == FULL["author"]


def test_readings_are_written_first_and_the_note_refers_to_them() -> None:
    pulse = {
        **WEIGHT,
        "code": loinc("8867-4", "Heart rate"),
        "valueQuantity": {"value": number("72.0"), "unit": "/min"},
    }
    planned = operations({**NOTE, "observations": [WEIGHT, pulse]}, encounter=VISIT, author=NURSE)
    assert [item.resource_type for item in planned] == ["Observation", "Observation", "DocumentReference"]
    assert [item.is_primary for item in planned] == [False, False, True]
    urns = [part_urn(COMMAND_ID, number) for number in (1, 2)]
    assert [item.placeholder for item in planned[:2]] == urns
    note = exact_json.parse(planned[2].body)
    assert note["context"] == {"encounter": [VISIT], "related": [{"reference": urn} for urn in urns]}
    assert problems(note) == frozenset()
    assert len({item.mark for item in planned}) == 3
    weight = exact_json.parse(planned[0].body)
    assert (weight["encounter"], weight["subject"]) == (VISIT, {"reference": PATIENT})
    assert b'"value":72.50' in planned[0].body


@pytest.mark.parametrize("state", ["final", "amended"])
def test_an_addendum_is_a_note_of_its_own_that_adds_to_a_signed_one(state: str) -> None:
    (operation,) = operations(referring("addendum"), in_chart(docStatus=state))
    assert (operation.interaction, operation.if_match) == (Interaction.CREATE, None)
    resource = exact_json.parse(operation.body)
    assert problems(resource) == frozenset()
    assert resource["relatesTo"] == [{"code": "appends", "target": {"reference": "DocumentReference/d1"}}]
    assert resource["context"]["encounter"] == [VISIT], "it stays with the encounter of its note"


def test_a_replacement_is_a_note_of_its_own_after_which_the_draft_is_superseded() -> None:
    before = in_chart(DRAFT)
    also = {"relatesTo": FULL["relatesTo"]}
    own, revised = operations(
        referring("replace", docStatus="final", authenticator=NOTE["authenticator"], **also), before
    )
    assert exact_json.parse(own.body)["relatesTo"] == [
        {"code": "replaces", "target": {"reference": "DocumentReference/d1"}},
        *FULL["relatesTo"],
    ]
    assert (own.is_primary, revised.is_primary) == (True, False)
    assert (revised.interaction, revised.reference, revised.if_match) == (
        Interaction.UPDATE,
        "DocumentReference/d1",
        "3",
    )
    after = exact_json.parse(revised.body)
    assert {name for name in after if after[name] != before.get(name)} == {"status", "identifier"}
    assert after["status"] == "superseded"


def test_an_ehr_that_supersedes_by_itself_is_not_told_to() -> None:
    site = Site(base_url=BASE, options={SUPERSEDES: True})
    assert len(operations(referring("replace"), in_chart(DRAFT), site=site)) == 1


@pytest.mark.parametrize(
    ("operation", "state", "why"),
    [
        ("addendum", "preliminary", "note_unsigned"),
        ("addendum", None, "note_state_unknown"),
        ("replace", "final", "note_signed"),
        ("replace", "amended", "note_signed"),
        ("replace", None, "note_state_unknown"),
        ("addendum", "entered-in-error", "status_ended"),
        ("replace", "entered-in-error", "status_ended"),
    ],
)
def test_what_is_signed_is_added_to_and_what_is_a_draft_is_replaced(
    operation: str, state: str | None, why: str
) -> None:
    before = in_chart(docStatus=state)
    if state is None:
        del before["docStatus"]
    assert kind(referring(operation), before) == why


@pytest.mark.parametrize("status", sorted(STATUS["DocumentReference"] - {"current"}))
@pytest.mark.parametrize("operation", ["addendum", "replace"])
def test_a_note_that_no_longer_counts_is_not_referred_to(operation: str, status: str) -> None:
    assert (
        kind(referring(operation), in_chart(DRAFT if operation == "replace" else NOTE, status=status)) == "status_ended"
    )


def test_an_edit_that_the_author_did_not_see_stops_what_refers_to_the_note() -> None:
    for operation, before in (("addendum", in_chart()), ("replace", in_chart(DRAFT))):
        with pytest.raises(TargetMovedError):
            operations(referring(operation), before, version="4")


def test_a_note_is_never_moved_to_another_encounter_or_patient() -> None:
    assert kind(referring("addendum"), in_chart(), encounter={"reference": "Encounter/e2"}) == "other_encounter"
    assert built(referring("addendum"), in_chart(), encounter=VISIT)["context"]["encounter"] == [VISIT]
    elsewhere = in_chart(subject={"reference": "Patient/p2"})
    assert kind(referring("addendum"), elsewhere) == "wrong_patient"


def test_a_draft_is_replaced_by_a_note_of_its_kind() -> None:
    other = referring("replace", docType=loinc("18842-5", "Discharge summary"))
    assert kind(other, in_chart(DRAFT)) == "other_note"
    assert kind({**RETRACT, "docType": other["docType"]}, in_chart()) == "other_note"


def test_to_withhold_a_note_a_person_decides_where_nobody_declared_how() -> None:
    assert kind({**NOTE, **WITHHELD}) == "note_release"
    assert kind({**NOTE, **WITHHELD}, site=Site(base_url=BASE, options={RELEASES_NOTES_BY: True})) == "note_release"


def test_a_note_is_withheld_where_the_ehr_looks_for_it() -> None:
    by_element = built({**NOTE, **WITHHELD}, site=Site(base_url=BASE, options={RELEASES_NOTES_BY: "securityLabel"}))
    assert by_element["securityLabel"] == [{"coding": [NOT_FOR_PATIENT], "text": WITHHELD["releaseReason"]}]
    assert problems(by_element) == frozenset()
    options = {RELEASES_NOTES_BY: "meta.security", "keeps_security_labels": True}
    label = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
    by_meta = built({**NOTE, **WITHHELD}, site=Site(base_url=BASE, options=options), securityLabel=[label])
    assert by_meta["meta"]["security"] == [label, NOT_FOR_PATIENT]
    for resource in (by_element, by_meta):
        projection = ADAPTER.project(resource, SITE)
        assert {name: projection[name] for name in WITHHELD} == WITHHELD


@pytest.mark.parametrize("by", ["securityLabel", "meta.security"])
@pytest.mark.parametrize("operation", ["addendum", "replace"])
def test_nothing_about_a_withheld_note_is_released_unsaid(operation: str, by: str) -> None:
    site = Site(base_url=BASE, options={RELEASES_NOTES_BY: by})
    before = {**built({**(DRAFT if operation == "replace" else NOTE), **WITHHELD}, site=site), "id": "d1"}
    del before["extension"]
    assert kind(referring(operation), before, site=site) == "note_release"
    assert (
        built(referring(operation, release="immediate"), before, site=site)["extension"][0]["valueCode"] == "immediate"
    )
    assert operations(referring(operation, **WITHHELD), before, site=site)


@pytest.mark.parametrize("status", ["current", "superseded"])
def test_a_retraction_changes_state_reason_and_mark_only(status: str) -> None:
    before = in_chart(FULL, status=status)
    after = built(RETRACT, before)
    assert (after["status"], after["docStatus"]) == ("entered-in-error", "entered-in-error")
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert changed == {"status", "docStatus", "extension", "identifier"}
    assert after["extension"][-1]["valueString"] == "another patient"
    assert problems(after) == frozenset()


def test_a_retraction_states_nothing_of_a_signature_that_the_chart_does_not() -> None:
    before = in_chart()
    del before["docStatus"]
    assert "docStatus" not in built(RETRACT, before)


def test_an_error_stays_an_error_and_what_a_retraction_would_drop_is_refused() -> None:
    assert kind(RETRACT, in_chart(status="entered-in-error")) == "status_ended"
    with pytest.raises(UnsupportedActionError, match="title"):
        built({**RETRACT, "title": "x"}, in_chart())
