"""Finding commands for people: by each term, together, newest first, and never more than the finder may see."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from canonical.case_views import SearchHit
from canonical.review_desk import ReviewError
from canonical.reviewer import Licence, Pool, Reviewer, Right
from reconcile.review import search
from tests.reconcile.review.bench import ENGINEER, NURSE, person
from tests.reconcile.review.whole_desk import WholeDesk
from tests.tasks.ward import heart_rate

CLERK = person("fay-clerk", rights=frozenset({Right.SEE_ROWS}))
MRN = "urn:oid:1.2.3"


def find(whole: WholeDesk, reviewer: Reviewer = NURSE, **terms: str) -> list[SearchHit]:
    return list(whole.desk.search(reviewer, terms))


def ids(hits: list[SearchHit]) -> list[UUID]:
    return [hit.id for hit in hits]


def numbered(value: str, **more: Any) -> dict[str, Any]:
    return {
        "reference": "Patient/p1",
        "identifier": {"system": MRN, "value": value},
        "birthDate": "1961-04-02",
        "family": "Lopez",
        **more,
    }


def refusal(whole: WholeDesk, terms: dict[str, str], reviewer: Reviewer = NURSE) -> str:
    with pytest.raises(ReviewError) as caught:
        whole.desk.search(reviewer, terms)
    return f"{caught.value.code}: {caught.value}"


def test_each_term_finds_its_commands_newest_first(whole: WholeDesk) -> None:
    first = whole.give(heart_rate(), key="first-key", correlationId="visit-1")
    second = whole.give(heart_rate(), key="second-key", correlationId="visit-1", patient=numbered("77"))
    other = whole.give(heart_rate(), key="third-key", correlationId="visit-2", patient=numbered("78"))
    whole.look("UPDATE commands SET state = 'verified' WHERE id = %(id)s RETURNING id", id=first)
    whole.look("UPDATE commands SET state = 'withdrawn' WHERE id = %(id)s RETURNING id", id=second)
    assert ids(find(whole, correlation_id="visit-1")) == [second, first]
    assert ids(find(whole, patient="Patient/p1")) == [other, second, first]
    assert ids(find(whole, patient="Patient/p2")) == []
    assert ids(find(whole, patient=f"{MRN}|77")) == [second]
    assert ids(find(whole, patient="|78")) == [other]
    assert ids(find(whole, patient="urn:other|77")) == []
    assert ids(find(whole, status="inChart")) == [first]
    assert ids(find(whole, status="notWritten")) == [second]
    assert ids(find(whole, command=f" {first} ")) == [first]
    assert ids(find(whole, command=str(uuid4()))) == []
    assert ids(find(whole, correlation_id="visit-1", status="pending")) == []
    assert ids(find(whole, correlation_id="visit-1", status="inChart", patient="Patient/p1")) == [first]
    (hit,) = find(whole, status="inChart")
    assert (hit.words, hit.patient, hit.connection) == ("record: Heart rate", "Lopez, born 1961", "north")


def test_the_ehrs_own_code_finds_what_it_answered_so(whole: WholeDesk) -> None:
    command, _ = whole.written(heart_rate(), key="one-key-1"), whole.written(heart_rate(), key="two-key-1")
    whole.look("UPDATE attempts SET vendor_code = 'business-rule' WHERE command_id = %(id)s RETURNING id", id=command)
    assert ids(find(whole, vendor_code="business-rule")) == [command]
    assert ids(find(whole, vendor_code="business")) == []


def test_who_may_not_see_content_finds_rows_without_patient_and_words(whole: WholeDesk) -> None:
    command = whole.give(heart_rate(), correlationId="visit-1")
    (hit,) = find(whole, CLERK, correlation_id="visit-1")
    assert (hit.id, hit.words, hit.patient, hit.status) == (command, "", None, "pending")
    assert refusal(whole, {"patient": "Patient/p1"}, CLERK).startswith("not-permitted: You may not see patients")
    assert refusal(whole, {"correlation_id": "visit-1"}, person("hal", rights=frozenset())).startswith("not-permitted")


def test_restricted_content_is_found_by_its_ids_without_a_word_and_by_its_patient_not_at_all(whole: WholeDesk) -> None:
    command = whole.give(heart_rate(), correlationId="visit-1")
    label = '{"securityLabel":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"PSY"}],'
    whole.look(
        "UPDATE payloads p SET content = convert_to(regexp_replace(convert_from(content, 'UTF8'), '^\\{', %(label)s), 'UTF8') "
        "FROM commands c WHERE c.id = %(id)s AND p.digest = c.envelope_digest RETURNING c.id",
        id=command,
        label=label,
    )
    (hit,) = find(whole, correlation_id="visit-1")
    assert (hit.id, hit.words, hit.patient) == (command, "", None)
    assert find(whole, patient="Patient/p1") == []
    view = whole.desk.command(NURSE, command)
    assert (view.words, view.patient, view.compensations) == (None, None, ())


def test_a_restricted_command_opens_to_who_says_why_and_the_event_is_there_first(whole: WholeDesk) -> None:
    command = whole.give(heart_rate(), correlationId="visit-1")
    label = '{"securityLabel":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"PSY"}],'
    whole.look(
        "UPDATE payloads p SET content = convert_to(regexp_replace(convert_from(content, 'UTF8'), '^\\{', %(label)s), 'UTF8') "
        "FROM commands c WHERE c.id = %(id)s AND p.digest = c.envelope_digest RETURNING c.id",
        id=command,
        label=label,
    )
    closed = whole.desk.command(NURSE, command)
    assert (closed.break_glass, closed.words) == (True, None)
    assert "72.50" not in repr(whole.desk.explain(NURSE, command))
    clerk = replace(NURSE, subject="fay-clerk", rights=frozenset({Right.SEE_ROWS}))
    for why in ("", "I am curious"):
        refused = whole.desk.command(clerk, command, break_glass=why)
        assert (refused.break_glass, refused.words) == (False, None)
    events = "SELECT actor, reason, detail ->> 'said' AS said FROM events WHERE command_id = %(id)s AND trigger = 'glass_broken'"
    assert whole.look(events, id=command) == []
    opened = whole.desk.command(NURSE, command, break_glass="on call for this patient")
    assert (opened.break_glass, opened.patient) == (False, "Lopez, born 1961")
    assert [event.trigger for event in opened.timeline].count("glass_broken") == 1
    assert "72.50" in repr(whole.desk.explain(NURSE, command))
    assert "72.50" not in repr(whole.desk.explain(clerk, command))
    (event,) = whole.look(events, id=command)
    assert (event["actor"], event["reason"]) == (NURSE.actor, "reason-given")
    (kept,) = whole.look("SELECT content FROM payloads WHERE encode(digest, 'hex') = %(said)s", said=event["said"])
    assert b"on call for this patient" in bytes(kept["content"])
    assert whole.desk.command(NURSE, command).words is not None
    assert whole.desk.command(replace(NURSE, subject="somebody-else"), command).words is None


def test_an_open_case_is_named_to_who_may_see_its_pool(whole: WholeDesk) -> None:
    command = whole.give(heart_rate(), ai={"model": "scribe-2"}, correlationId="visit-1")
    (case,) = whole.look("SELECT id FROM cases WHERE command_id = %(id)s", id=command)
    (hit,) = find(whole, correlation_id="visit-1")
    assert (hit.case_id, hit.status) == (case["id"], "needsAttention")
    other = person("lu-engineer", Licence.OPERATIONS, pools=frozenset({Pool.OPERATIONS}))
    assert [item.case_id for item in find(whole, other, correlation_id="visit-1")] == [None]
    assert [item.case_id for item in find(whole, ENGINEER, correlation_id="visit-1")] == [case["id"]]
    whole.look("UPDATE cases SET closed_at = now() WHERE id = %(id)s RETURNING id", id=case["id"])
    assert [item.case_id for item in find(whole, correlation_id="visit-1")] == [None]


def test_another_tenant_finds_nothing(whole: WholeDesk) -> None:
    command = whole.give(heart_rate(), correlationId="visit-1")
    stranger = person("ivy", Licence.NURSE, tenant="t2")
    for terms in ({"correlation_id": "visit-1"}, {"command": str(command)}, {"patient": "Patient/p1"}):
        assert find(whole, stranger, **terms) == []


def test_no_more_are_shown_than_anybody_reads(whole: WholeDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MOST", 2)
    given = [
        whole.give(heart_rate(), key=f"key-{n:05}", patient=numbered("9"), correlationId="visit-1") for n in range(4)
    ]
    assert ids(find(whole, correlation_id="visit-1")) == given[:1:-1]
    assert ids(find(whole, patient=f"{MRN}|9")) == given[:1:-1]


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        ({}, "Say what to look for"),
        ({"correlation_id": "  "}, "Say what to look for"),
        ({"status": "done"}, "The status is one of pending, needsAttention"),
        ({"command": "123"}, "This is not the id of a command"),
        ({"patient": "Lopez"}, "Name the patient as Patient/id"),
        ({"patient": "Patient/../p1"}, "Name the patient as Patient/id"),
        ({"patient": f"{MRN}|"}, "Name the patient as Patient/id"),
        ({"colour": "red"}, "Nothing is found by colour"),
    ],
)
def test_a_search_that_can_find_nothing_is_refused_in_words(whole: WholeDesk, terms: dict[str, str], said: str) -> None:
    assert refusal(whole, terms).startswith(f"not-possible: {said}")
