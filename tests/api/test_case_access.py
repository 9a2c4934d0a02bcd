"""Whom the case door lets look and decide: tenants, queues, rights, licences, apps by themselves, restricted content."""

from __future__ import annotations

import pytest

from canonical.reviewer import Reviewer
from tests.api.case_bench import (
    CLERK,
    FOREIGNER,
    OPERATOR,
    SECOND_PRESCRIBER,
    CaseBench,
    cases,
    chart_server,
)
from tests.reception import Reception
from tests.reconcile.review.bench import NURSE, PHARMACIST, PRESCRIBER

__all__ = ["cases", "chart_server"]
KEEP_PROPOSAL = {"dosage": {"pick": "proposal"}}


@pytest.mark.parametrize("who", [FOREIGNER, OPERATOR], ids=["another-tenant", "another-queue"])
def test_a_case_of_others_is_not_there(cases: CaseBench, who: Reviewer) -> None:
    accepted, case = cases.bench.conflict(f"foreign-{who.subject}")
    view = cases.open(PHARMACIST, case)["view"]
    answers = [
        cases.ask(who, "GET", f"/v1/cases/{case}"),
        cases.ask(who, "POST", f"/v1/cases/{case}:open", {"breakGlass": "on call"}),
        cases.ask(who, "POST", f"/v1/cases/{case}:claim"),
        cases.ask(who, "POST", f"/v1/cases/{case}:release"),
        cases.decide(who, {"row": {"id": case}, "view": view}, "resolve", fields=KEEP_PROPOSAL),
        cases.ask(who, "POST", "/v1/cases:bulk", {"cases": [case], "verb": "escalate", "text": "mine"}),
    ]
    assert {cases.told(answer) for answer in answers} == {(404, "not-found")}
    assert len({answer.json()["detail"] for answer in answers}) == 1
    assert cases.ask(who, "GET", "/v1/cases").json()["rows"] == []
    assert cases.bench.station.ward.state(accepted.command_id) == "conflicted"


def test_whoever_may_not_see_content_sees_that_a_case_is_there_and_no_more(cases: CaseBench) -> None:
    _, case = cases.bench.conflict("hidden")
    cases.open(PHARMACIST, case)
    answer = cases.ask(CLERK, "GET", "/v1/cases")
    (row,) = answer.json()["rows"]
    assert (row["id"], row["patient"], row["headline"]) == (case, None, None)
    assert "Lopez" not in answer.text
    assert "lisinopril" not in answer.text
    opened = cases.ask(CLERK, "GET", f"/v1/cases/{case}")
    assert cases.told(opened) == (403, "not-permitted")
    assert "Lopez" not in opened.text


def test_a_token_without_a_person_may_look_and_not_decide(cases: CaseBench) -> None:
    accepted, case = cases.bench.conflict("machine")
    assert len(cases.ask(None, "GET", "/v1/cases").json()["rows"]) == 1
    page = cases.open(None, case)
    assert {choice["closedTo"] for choice in page["choices"]} == {"You may look at this and not decide it."}
    answers = [
        cases.decide(None, page, "resolve", fields=KEEP_PROPOSAL),
        cases.ask(None, "POST", f"/v1/cases/{case}:claim"),
        cases.ask(None, "POST", f"/v1/cases/{case}:release"),
        cases.ask(None, "POST", "/v1/cases:bulk", {"cases": [case], "verb": "escalate"}),
    ]
    assert {cases.told(answer) for answer in answers} == {(403, "person-required")}
    assert cases.bench.station.ward.state(accepted.command_id) == "conflicted"


@pytest.mark.parametrize("who", [None, PHARMACIST], ids=["app", "person"])
def test_an_app_without_the_scope_reaches_no_case_whoever_is_logged_in(cases: CaseBench, who: Reviewer | None) -> None:
    _, case = cases.bench.conflict("unscoped")
    scope = "writeback/MedicationChange.* writeback/read"
    decision = {"verb": "resolve", "view": "x", "fields": KEEP_PROPOSAL}
    answers = [
        cases.ask(who, "GET", "/v1/cases", scope=scope),
        cases.ask(who, "GET", f"/v1/cases/{case}", scope=scope),
        cases.ask(who, "POST", f"/v1/cases/{case}:decide", decision, scope=scope),
    ]
    assert {cases.told(answer) for answer in answers} == {(403, "not-permitted")}
    assert all("writeback/cases" in answer.json()["detail"] for answer in answers)


def test_a_person_who_is_no_reviewer_sees_nothing(cases: CaseBench) -> None:
    _, case = cases.bench.conflict("stranger")
    for path in ("/v1/cases", f"/v1/cases/{case}"):
        answer = cases.ask(None, "GET", path, sub="nobody-we-know")
        assert cases.told(answer) == (403, "not-permitted")
        assert "list" in answer.json()["detail"]


def test_a_person_of_one_tenant_with_a_token_of_another_is_refused(cases: CaseBench) -> None:
    _, case = cases.bench.conflict("crossed")
    answer = cases.ask(PHARMACIST, "GET", f"/v1/cases/{case}", tenant="t2")
    assert cases.told(answer) == (403, "not-permitted")


def test_a_nurse_sees_a_dose_and_does_not_decide_it(cases: CaseBench) -> None:
    accepted, case = cases.bench.conflict("licence")
    page = cases.open(NURSE, case)
    answer = cases.decide(NURSE, page, "resolve", fields=KEEP_PROPOSAL)
    assert cases.told(answer) == (403, "not-permitted")
    assert answer.json()["detail"] == page["choices"][0]["closedTo"] == "This is decided by a pharmacist or prescriber."
    assert cases.bench.station.ward.state(accepted.command_id) == "conflicted"


def test_restricted_content_is_shown_to_a_person_who_says_why(cases: CaseBench) -> None:
    case = cases.restricted("glass")
    (row,) = cases.ask(PRESCRIBER, "GET", "/v1/cases").json()["rows"]
    assert (row["id"], row["patient"], row["headline"]) == (case, None, None)
    for who in (PRESCRIBER, None):
        shut = cases.ask(who, "GET", f"/v1/cases/{case}")
        assert (shut.json()["breakGlass"], shut.json()["view"], shut.json()["fields"]) == (True, "", [])
        assert "lisinopril" not in shut.text
    why = {"breakGlass": "on call for the ward"}
    assert cases.told(cases.ask(None, "POST", f"/v1/cases/{case}:open", why)) == (403, "person-required")
    for body in ({}, {"breakGlass": "  "}):
        assert cases.told(cases.ask(PRESCRIBER, "POST", f"/v1/cases/{case}:open", body)) == (422, "invalid-field")
    assert cases.open(PRESCRIBER, case)["breakGlass"], "nothing said, nothing shown"
    opened = cases.ask(PRESCRIBER, "POST", f"/v1/cases/{case}:open", why).json()
    assert (opened["breakGlass"], bool(opened["view"])) == (False, True)
    assert "dosage" in [field["name"] for field in opened["fields"]]
    kept = cases.bench.station.ward.query(
        "SELECT person, stage FROM decisions WHERE case_id = %(case)s AND verb = 'break_glass'", case=case
    )
    assert [row["person"] for row in kept] == [PRESCRIBER.actor]


def test_of_what_two_must_sign_the_first_is_not_the_second(cases: CaseBench) -> None:
    accepted, case = cases.refutation()
    first = cases.decide(PRESCRIBER, cases.open(PRESCRIBER, case), "approve")
    assert (first.status_code, first.json()["awaitsSecond"]) == (200, True)
    ward = cases.bench.station.ward
    assert ward.state(accepted.command_id) == "awaiting_approval"
    page = cases.open(PRESCRIBER, case)
    assert PRESCRIBER.name in page["needsSecond"]
    by_another_name = cases.ask(
        PRESCRIBER,
        "POST",
        f"/v1/cases/{case}:decide",
        {"verb": "sign", "view": page["view"]},
        fhirUser="Practitioner/cy",
    )
    for answer in (cases.decide(PRESCRIBER, page, "sign"), by_another_name):
        assert cases.told(answer) == (403, "second-signer")
    signed = cases.decide(SECOND_PRESCRIBER, cases.open(SECOND_PRESCRIBER, case), "sign")
    assert (signed.status_code, signed.json()["awaitsSecond"]) == (200, False)
    cases.bench.station.run(accepted.lane_id)
    assert ward.state(accepted.command_id) == "verified"


def test_the_service_knows_people_by_the_roles_of_their_token(reception: Reception) -> None:
    person = {"sub": "ada-pharmacist", "scope": "writeback/cases"}
    for roles in (None, [], ["janitor"]):
        stranger = reception.client.get("/v1/cases", headers=reception.as_(**person, roles=roles))
        assert (stranger.status_code, stranger.json()["code"]) == (403, "not-permitted")
    for headers in (reception.as_(**person, roles=["pharmacist"]), reception.as_(scope="writeback/cases")):
        found = reception.client.get("/v1/cases", headers=headers)
        assert (found.status_code, found.json()["rows"]) == (200, [])
