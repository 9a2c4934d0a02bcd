"""What Oracle Health's answers come to, how a write is looked for, and which way of giving an entry back is its known one."""

import base64
from typing import Any

import pytest

from adapters.oracle_health import ADAPTER, CAPABILITIES
from adapters.wire import Answer
from canonical import exact_json
from canonical.capabilities import Interaction, Meaning, PreconditionKind, Way
from canonical.errors import EhrUnavailableError, NeedsPersonError
from canonical.outcome import Outcome, ProbeVerdict
from tests.adapters.chart import TRACE, opened
from tests.adapters.commands import KG, NOW, START, WEIGHT, number
from tests.adapters.raw_server import RawServer, answering, http
from tests.adapters.test_millennium import ALLERGY, FROM_NURSE, MESSAGE, PROBLEM, SITE, entry, one, stop, stored
from tests.adapters.vendors import (
    body,
    came_to,
    check_declared,
    check_no_update_takes_back,
    check_trust,
    refuses,
    searched,
)

SYNONYM = {"system": "https://fhir.cerner.com/t1/synonym", "code": "2749886", "display": "metformin"}


def outcome(code: str) -> dict[str, Any]:
    return {"resourceType": "OperationOutcome", "issue": [{"severity": "fatal", "code": code}]}


def test_table_says_of_every_operation_how_it_is_taken_or_why_not() -> None:
    check_declared(ADAPTER)
    refused = {key for key, item in CAPABILITIES.supports.items() if item.way is Way.REFUSED}
    assert {operation for action, operation in refused if action == "MedicationChange"} == {
        *("changeDose", "correct", "hold", "resume", "notTaking", "retract"),
    }
    assert ("VitalReading", "retract") in refused
    assert CAPABILITIES.fallbacks == {"message": ("CareMessage", "send")}


def test_no_update_can_retract_and_every_change_is_guarded_by_the_authors_version() -> None:
    check_no_update_takes_back(ADAPTER)
    changes = {key: write for key, write in CAPABILITIES.writes.items() if key[1] is not Interaction.CREATE}
    assert {write.precondition for write in changes.values()} == {PreconditionKind.IF_MATCH}
    assert Meaning.RETRACTS not in {write.meaning for write in changes.values()}


@pytest.mark.parametrize(
    ("status", "differs"), [("stopped", ()), ("cancelled", ()), ("active", ("status",)), ("on-hold", ("status",))]
)
def test_stopped_and_cancelled_are_one_end_and_everything_else_is_none(status: str, differs: tuple[str, ...]) -> None:
    operation = stop()
    found = entry(status=status, meta={"versionId": "1"}, statusReason={"text": "done"})
    assert ADAPTER.differences(operation, found, SITE) == differs
    answer = Answer(status=200, body=exact_json.dumps(found).encode())
    verdict = ADAPTER.read_probe(operation, answer, SITE).verdict
    assert verdict is (ProbeVerdict.CANNOT_TELL if differs else ProbeVerdict.APPLIED)


def test_patch_that_never_arrived_is_seen_by_the_version_that_is_still_there() -> None:
    answer = Answer(status=200, body=exact_json.dumps(entry()).encode())
    assert ADAPTER.probe(stop(), SITE).path == "MedicationRequest/m1"
    assert ADAPTER.read_probe(stop(), answer, SITE).verdict is ProbeVerdict.NOT_APPLIED


def test_message_goes_to_an_inbox_as_plain_text_from_its_author() -> None:
    sent = body(one(MESSAGE, **FROM_NURSE))
    assert sent["status"] == "completed"
    assert sent["sender"] == {"reference": "Practitioner/n1"}
    assert sent["category"][0]["coding"][0]["code"] == "notification"
    (part,) = sent["payload"]
    assert part["contentAttachment"]["contentType"] == "text/plain; charset=utf-8"
    text = base64.b64decode(part["contentAttachment"]["data"]).decode()
    assert text == MESSAGE["payload"][0]["contentString"]


@pytest.mark.parametrize(
    ("more", "author", "match"),
    [
        ({"priority": "stat"}, FROM_NURSE, "urgent"),
        ({"payload": [{"contentString": "a"}, {"contentString": "b"}]}, FROM_NURSE, "one part"),
        ({"recipient": [{"reference": "PractitionerRole/r1"}]}, FROM_NURSE, "groups"),
        ({"category": [{"text": "alert"}]}, FROM_NURSE, "category"),
        ({}, {}, "author"),
    ],
)
def test_message_that_would_be_sent_otherwise_is_refused(
    more: dict[str, Any], author: dict[str, Any], match: str
) -> None:
    refuses(ADAPTER, {**MESSAGE, **more}, SITE, match, **author)


def test_message_is_not_looked_up_by_a_text_that_is_not_given_back() -> None:
    operation = one(MESSAGE, **FROM_NURSE)
    assert ADAPTER.twin_query(operation, SITE) is None
    assert ADAPTER.read_probe(operation, Answer(status=400), SITE).verdict is ProbeVerdict.CANNOT_TELL
    given = stored(operation, payload=[{"contentReference": {"reference": "Binary/XR-1"}}], sent="2026-11-22T13:00:00Z")
    assert ADAPTER.differences(operation, given, SITE) == ()
    assert "payload" in ADAPTER.differences(operation, {**given, "payload": []}, SITE)
    assert "recipient" in ADAPTER.differences(operation, {**given, "recipient": []}, SITE)


@pytest.mark.parametrize(
    ("location", "etag", "reference", "version"),
    [
        ("https://x/r4/t1/Observation/VS-197292857", 'W/"1"', "Observation/VS-197292857", "1"),
        ("https://x/r4/t1/Observation/BP-1-2", 'W/"0"', "Observation/BP-1-2", "0"),
        ("https://x/r4/t1/Observation/L-1", 'W/"10-1"', "Observation/L-1", "10-1"),
    ],
)
def test_created_is_an_absolute_place_and_an_opaque_version(
    location: str, etag: str, reference: str, version: str
) -> None:
    headers = {"location": location, "etag": etag, "content-type": "text/html", "content-length": "0"}
    settled = ADAPTER.classify(one(WEIGHT), Answer(status=201, headers=headers), NOW)
    assert (settled.outcome, settled.reference, settled.version) == (Outcome.APPLIED, reference, version)


def test_change_is_answered_with_its_new_version_alone() -> None:
    settled = ADAPTER.classify(stop(), Answer(status=200, headers={"etag": 'W/"1"'}), NOW)
    assert (settled.outcome, settled.reference, settled.version) == (Outcome.APPLIED, "MedicationRequest/m1", "1")


@pytest.mark.parametrize(
    ("status", "content", "outcome_"),
    [
        (409, outcome("conflict"), Outcome.CONFLICT),
        (409, b"", Outcome.CONFLICT),
        (412, b"", Outcome.CONFLICT),
        (412, outcome("required"), Outcome.REJECTED_SITE_CONFIG),
        (423, b"", Outcome.LOCKED),
        (424, outcome("processing"), Outcome.LOCKED),
        (404, outcome("not-found"), Outcome.GONE),
        (403, b"", Outcome.REJECTED_SITE_CONFIG),
        (406, b"", Outcome.REJECTED_SITE_CONFIG),
        (422, outcome("business-rule"), Outcome.REJECTED_PAYLOAD),
        (422, outcome("extension"), Outcome.REJECTED_PAYLOAD),
        (422, outcome("not-supported"), Outcome.REJECTED_PAYLOAD),
        (400, b"Invalid request", Outcome.REJECTED_PAYLOAD),
        (429, outcome("throttled"), Outcome.THROTTLED),
        (500, outcome("required"), Outcome.UNKNOWN),
    ],
)
def test_refusal_of_a_change_means_what_the_table_says(status: int, content: Any, outcome_: Outcome) -> None:
    assert came_to(ADAPTER, stop(), status, content) is outcome_


@pytest.mark.parametrize(
    ("status", "outcome_"), [(409, Outcome.UNKNOWN), (424, Outcome.LOCKED), (422, Outcome.REJECTED_PAYLOAD)]
)
def test_refusal_of_a_create_means_what_the_table_says(status: int, outcome_: Outcome) -> None:
    assert came_to(ADAPTER, one(WEIGHT), status) is outcome_


def test_answer_that_proves_nothing_is_trusted_for_nothing() -> None:
    for operation in (one(WEIGHT), one(START), one(ALLERGY), one(PROBLEM), one(MESSAGE, **FROM_NURSE)):
        check_trust(ADAPTER, operation)


def test_entry_that_can_never_be_shown_does_not_close_the_connection() -> None:
    refusal = http("500 Internal Server Error", body=exact_json.dumps(outcome("required")).encode())
    with (
        RawServer(answering(refusal)) as server,
        opened(server.url, adapter="oracle_health") as ehr,
        pytest.raises(NeedsPersonError) as caught,
    ):
        ehr.fetch("Condition/p1", TRACE)
    assert caught.value.kind == "not_readable"
    with (
        RawServer(answering(http("500 Internal Server Error"))) as server,
        opened(server.url, adapter="oracle_health") as ehr,
        pytest.raises(EhrUnavailableError),
    ):
        ehr.fetch("Condition/p1", TRACE)


def test_entries_are_looked_for_by_what_each_search_takes() -> None:
    assert ADAPTER.probe(one(WEIGHT), SITE).path.startswith(
        "Observation?patient=p1&code=http%3A%2F%2Floinc.org%7C29463-7"
    )
    assert ADAPTER.probe(one(START), SITE).path == "MedicationRequest?patient=p1"
    assert ADAPTER.probe(one(ALLERGY), SITE).path == "AllergyIntolerance?patient=p1"
    assert ADAPTER.probe(one(PROBLEM), SITE).path == "Condition?patient=p1"
    operation = one(START)
    found = stored(operation, authoredOn="2026-11-22", intent="order")
    assert ADAPTER.read_twins(operation, searched(found), SITE) == ("MedicationRequest/VS-1",)
    other = {**found, "dosageInstruction": [{"text": "2 tablets twice daily"}]}
    assert ADAPTER.read_twins(operation, searched(other), SITE) == ()


EVENT = {"system": "https://fhir.cerner.com/t1/codeSet/72", "code": "4154123", "userSelected": True}


@pytest.mark.parametrize(
    ("action", "over"),
    [
        (WEIGHT, {"code": {"coding": [EVENT, *WEIGHT["code"]["coding"]], "text": "Body weight"}}),
        (START, {"intent": "order", "authoredOn": "2026-11-22", "requester": {"reference": "Practitioner/n9"}}),
        (
            START,
            {
                "medicationCodeableConcept": {
                    "coding": [SYNONYM, START["medication"]["coding"][0]],
                    "text": START["medication"]["text"],
                }
            },
        ),
        (PROBLEM, {"onsetDateTime": "2024-03-09", "recordedDate": "2026-11-22"}),
        (ALLERGY, {"recorder": {"reference": "Practitioner/n9"}, "recordedDate": "2026-11-22"}),
    ],
)
def test_known_way_of_giving_an_entry_back_is_no_difference(action: dict[str, Any], over: dict[str, Any]) -> None:
    operation = one(action)
    assert ADAPTER.differences(operation, stored(operation, **over), SITE) == ()


@pytest.mark.parametrize(
    ("action", "over", "named"),
    [
        (WEIGHT, {"valueQuantity": {"value": number("72.51"), **KG}}, "valueQuantity"),
        (WEIGHT, {"code": {"coding": [EVENT], "text": "Body weight"}}, "code"),
        (WEIGHT, {"performer": [{"reference": "Practitioner/n2"}]}, "performer"),
        (START, {"reportedBoolean": False}, "reportedBoolean"),
        (START, {"intent": "proposal"}, "intent"),
        (START, {"status": "stopped"}, "status"),
        (START, {"dosageInstruction": [{"text": "1 tablet daily"}]}, "dosage"),
        (PROBLEM, {"onsetDateTime": "2024-03-08"}, "onsetDateTime"),
        (PROBLEM, {"verificationStatus": {"coding": [{"code": "refuted"}]}}, "verificationStatus"),
        (ALLERGY, {"criticality": "low"}, "criticality"),
        (ALLERGY, {"patient": {"reference": "Patient/p2"}}, "patient"),
    ],
)
def test_one_step_away_from_the_entry_is_noticed(action: dict[str, Any], over: dict[str, Any], named: str) -> None:
    operation = one(action)
    assert named in ADAPTER.differences(operation, stored(operation, **over), SITE)


def test_facts_are_told_with_their_sources() -> None:
    assert all(limit.source for limit in CAPABILITIES.limits)
    assert all(change.source for change in CAPABILITIES.known_changes)
    assert set(CAPABILITIES.compensations) == {key[0] for key in CAPABILITIES.actions}
