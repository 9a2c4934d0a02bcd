"""The review queue over HTTP, on a chart that really moved: listing, opening, deciding, and every way to be refused."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest

from canonical import exact_json
from canonical.reviewer import Reviewer
from tests.api.case_bench import (
    LONGEST_BODY,
    CaseBench,
    cases,
    chart_server,
)
from tests.faults.proxy import Mode
from tests.reception import Reception
from tests.reconcile.review.bench import ENGINEER, PHARMACIST, SECOND_PHARMACIST, ReviewBench, dose

__all__ = ["cases", "chart_server"]
KEEP_PROPOSAL = {"dosage": {"pick": "proposal"}}


def milligrams(bench: ReviewBench, name: str) -> Any:
    return bench.chart(name)["dosage"][0]["doseAndRate"][0]["doseQuantity"]["value"]


def test_the_queue_lists_who_waits_for_what_and_how_it_may_be_narrowed(cases: CaseBench) -> None:
    _, case = cases.bench.conflict("listed")
    answer = cases.ask(PHARMACIST, "GET", "/v1/cases")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    found = answer.json()
    (row,) = found["rows"]
    assert (row["id"], row["kind"], row["pool"], row["patient"]) == (case, "conflict", "clinical", "Lopez, born 1961")
    assert (found["open"], found["countedTo"], found["cursor"], found["connections"]) == (1, 1000, None, ["north"])
    assert {"code": "conflict", "words": row["kindWords"]} in found["kinds"]


def test_a_filter_narrows_the_queue(cases: CaseBench) -> None:
    cases.bench.conflict("narrowed")
    found = {
        filters: len(cases.ask(PHARMACIST, "GET", f"/v1/cases?{filters}").json()["rows"])
        for filters in (
            *("pool=clinical", "kind=conflict", "connection=north", "actionType=MedicationChange", "severity=2"),
            *("pool=operations", "kind=gone", "connection=south", "actionType=VitalReading", "severity=4", "mine=true"),
        )
    }
    assert list(found.values()) == [1] * 5 + [0] * 6


def test_a_filter_that_is_none_is_refused_and_not_ignored(cases: CaseBench) -> None:
    for filters in (
        *("severity=5", "severity=x", "limit=0", "limit=101", "pool=all", "kind=a%20b", "cursor=nonsense"),
        *("patient=Patient/p1", "action_type=VitalReading"),
    ):
        answer = cases.ask(PHARMACIST, "GET", f"/v1/cases?{filters}")
        assert cases.told(answer) == (422, "invalid-field"), filters
        assert "Patient" not in answer.text


def test_a_long_queue_comes_in_pages_without_a_gap(cases: CaseBench) -> None:
    made = {cases.bench.conflict(f"page-{number}")[1] for number in range(3)}
    seen: list[int] = []
    address = "/v1/cases?limit=2"
    while address:
        page = cases.ask(PHARMACIST, "GET", address).json()
        seen += [row["id"] for row in page["rows"]]
        address = f"/v1/cases?limit=2&cursor={page['cursor']}" if page["cursor"] else ""
    assert (len(seen), set(seen)) == (3, made)


def test_a_case_is_opened_with_the_chart_as_it_is_now(cases: CaseBench) -> None:
    accepted, case = cases.bench.conflict("opened")
    page = cases.open(PHARMACIST, case)
    (field,) = [item for item in page["fields"] if not item["fixed"]]
    assert (field["name"], field["state"], field["changedBy"]) == ("dosage", "overlapping", "both")
    assert ("10 mg" in field["seen"], "5 mg" in field["chart"], "20 mg" in field["proposed"]) == (True, True, True)
    assert (page["banner"]["name"], page["commandId"]) == ("Lopez", str(accepted.command_id))
    assert [choice["verb"] for choice in page["choices"]] == ["resolve", "reject", "ask_author", "escalate"]
    assert {"code": "chart_newer", "words": "The chart is newer and right"} in page["choices"][1]["reasons"]
    assert {"label": "Entry in the chart", "text": "MedicationStatement/opened"} in page["ids"]
    assert page["view"]


def test_the_proposal_that_was_kept_goes_to_the_chart_once(cases: CaseBench) -> None:
    accepted, case = cases.bench.conflict("kept")
    answer = cases.decide(PHARMACIST, cases.open(PHARMACIST, case), "resolve", fields=KEEP_PROPOSAL)
    assert answer.status_code == 200, answer.text
    assert answer.json() == {
        "sentence": "Decided. What you kept is sent now, on the version of the chart that you saw.",
        "commandId": str(accepted.command_id),
        "awaitsSecond": False,
    }
    assert cases.bench.hints.lanes == [accepted.lane_id]
    cases.bench.station.run(accepted.lane_id)
    ward = cases.bench.station.ward
    assert ward.state(accepted.command_id) == "verified"
    assert ward.events(accepted.command_id)[-3:] == ["rebased", "claimed", "answered_proven"]
    assert ward.attempts(accepted.command_id) == [("send", "applied")]
    assert milligrams(cases.bench, "kept") == 20
    over = cases.open(PHARMACIST, case)
    assert (over["view"], over["choices"]) == ("", [])
    assert "in the chart" in over["status"]


def test_a_number_reaches_the_chart_as_it_was_typed(cases: CaseBench) -> None:
    accepted, case = cases.bench.conflict("typed")
    page = cases.open(PHARMACIST, case)
    body = (
        b'{"verb": "resolve", "view": "%s", "fields": {"dosage": {"pick": "another", "value": {"text": "Take 12.5 mg by mouth'
        b' once daily", "doseAndRate": [{"doseQuantity": {"value": 12.50, "unit": "mg"}}]}}}}'
    )
    answer = cases.ask(PHARMACIST, "POST", f"/v1/cases/{case}:decide", body % page["view"].encode())
    assert answer.status_code == 200, answer.text
    cases.bench.station.run(accepted.lane_id)
    assert cases.bench.station.ward.state(accepted.command_id) == "verified"
    assert str(milligrams(cases.bench, "typed")) == "12.50"
    raw = cases.bench.station.server.get("MedicationStatement/typed")["dosage"][0]
    assert '"value":12.50' in exact_json.dumps(raw["doseAndRate"])
    assert raw["route"] == dose("20")["route"]


def test_of_two_reviewers_at_once_one_decides_and_the_other_is_told(cases: CaseBench) -> None:
    accepted, case = cases.bench.conflict("both")
    pages = {who: cases.open(who, case) for who in (PHARMACIST, SECOND_PHARMACIST)}

    def decide(who: Reviewer) -> tuple[int, str]:
        answer = cases.decide(who, pages[who], "resolve", fields=KEEP_PROPOSAL)
        return answer.status_code, answer.json().get("code", "")

    with ThreadPoolExecutor(2) as threads:
        results = sorted(threads.map(decide, pages))
    assert results == [(200, ""), (409, "already-decided")]
    ward = cases.bench.station.ward
    decided = ward.query("SELECT verb FROM decisions WHERE command_id = %(id)s", id=accepted.command_id)
    assert [row["verb"] for row in decided] == ["resolve"]
    cases.bench.station.run(accepted.lane_id)
    assert ward.attempts(accepted.command_id) == [("send", "applied")]
    assert milligrams(cases.bench, "both") == 20


@pytest.mark.parametrize(
    ("verb", "more"), [("resolve", {"fields": KEEP_PROPOSAL}), ("ask_author", {"text": "Did you know of 5 mg?"})]
)
def test_a_decision_that_is_posted_again_changes_nothing(cases: CaseBench, verb: str, more: dict[str, Any]) -> None:
    accepted, case = cases.bench.conflict(f"again-{verb.replace('_', '-')}")
    page = cases.open(PHARMACIST, case)
    assert cases.decide(PHARMACIST, page, verb, **more).status_code == 200
    before = cases.bench.station.ward.events(accepted.command_id)
    answer = cases.decide(PHARMACIST, page, verb, **more)
    assert cases.told(answer) == (409, "already-decided")
    assert f"GET /v1/cases/{case}" in answer.json()["detail"]
    assert cases.bench.station.ward.events(accepted.command_id) == before


def test_a_chart_that_moved_since_is_not_decided_on_and_the_answer_says_where_to_look(cases: CaseBench) -> None:
    accepted, case = cases.bench.conflict("moved")
    page = cases.open(PHARMACIST, case)
    cases.bench.move_chart("moved", "7")
    answer = cases.decide(PHARMACIST, page, "resolve", fields=KEEP_PROPOSAL)
    assert cases.told(answer) == (409, "stale-view")
    assert f"GET /v1/cases/{case}" in answer.json()["detail"]
    assert cases.bench.station.ward.state(accepted.command_id) == "conflicted"
    assert milligrams(cases.bench, "moved") == 7
    newer = cases.open(PHARMACIST, case)
    assert (newer["round"], "moved again" in newer["news"]) == (1, True)
    assert cases.decide(PHARMACIST, newer, "resolve", fields=KEEP_PROPOSAL).status_code == 200


@pytest.mark.parametrize("whose", ["invented", "another-persons", "another-cases", "the-apps"])
def test_a_view_that_this_person_was_not_shown_decides_nothing(cases: CaseBench, whose: str) -> None:
    accepted, case = cases.bench.conflict(f"forged-{whose}")
    _, other = cases.bench.conflict(f"beside-{whose}")
    views: dict[str, Callable[[], str]] = {
        "invented": lambda: str(uuid4()),
        "another-persons": lambda: cases.open(SECOND_PHARMACIST, case)["view"],
        "another-cases": lambda: cases.open(PHARMACIST, other)["view"],
        "the-apps": lambda: cases.open(None, case)["view"],
    }
    page = {"row": {"id": case}, "view": views[whose]()}
    answer = cases.decide(PHARMACIST, page, "resolve", fields=KEEP_PROPOSAL)
    assert cases.told(answer) == (422, "forged-view")
    assert cases.bench.station.ward.state(accepted.command_id) == "conflicted"


def test_what_a_colleague_has_claimed_waits_for_them(cases: CaseBench) -> None:
    accepted, case = cases.bench.conflict("claimed")
    claimed = cases.ask(PHARMACIST, "POST", f"/v1/cases/{case}:claim")
    assert (claimed.status_code, claimed.json()["claimedByMe"]) == (200, True)
    page = cases.open(SECOND_PHARMACIST, case)
    assert (page["row"]["claimedBy"], page["claimedByMe"]) == (PHARMACIST.name, False)
    answer = cases.decide(SECOND_PHARMACIST, page, "resolve", fields=KEEP_PROPOSAL)
    assert cases.told(answer) == (409, "claimed-by-another")
    again = cases.ask(SECOND_PHARMACIST, "POST", f"/v1/cases/{case}:claim")
    assert cases.told(again) == (409, "claimed-by-another")
    assert len(cases.ask(PHARMACIST, "GET", "/v1/cases?mine=true").json()["rows"]) == 1
    assert cases.ask(SECOND_PHARMACIST, "POST", f"/v1/cases/{case}:release").status_code == 204
    assert cases.open(SECOND_PHARMACIST, case)["row"]["claimedBy"] == PHARMACIST.name, "only who has it gives it back"
    assert cases.ask(PHARMACIST, "POST", f"/v1/cases/{case}:release").status_code == 204
    assert cases.ask(SECOND_PHARMACIST, "POST", f"/v1/cases/{case}:claim").status_code == 200
    assert cases.bench.station.ward.state(accepted.command_id) == "conflicted"


LACKING: list[tuple[str, dict[str, Any], tuple[int, str]]] = [
    ("resolve", {}, (422, "field-missing")),
    ("resolve", {"fields": {"dosage": {"pick": "another"}}}, (422, "value-refused")),
    ("resolve", {"fields": {"dosage": {"pick": "another", "value": {"text": ""}}}}, (422, "value-refused")),
    ("resolve", {"fields": {**KEEP_PROPOSAL, "colour": {"pick": "chart"}}}, (409, "not-possible")),
    ("reject", {}, (422, "reason-required")),
    ("reject", {"reason": "because"}, (422, "reason-required")),
    ("ask_author", {"text": "   "}, (422, "reason-required")),
    ("approve", {}, (409, "not-possible")),
    ("sign", {}, (409, "not-possible")),
    ("compensate", {}, (409, "not-possible")),
]


def test_a_decision_that_lacks_something_is_refused_and_can_be_mended_on_the_same_view(cases: CaseBench) -> None:
    accepted, case = cases.bench.conflict("lacking")
    page = cases.open(PHARMACIST, case)
    for verb, more, refusal in LACKING:
        assert cases.told(cases.decide(PHARMACIST, page, verb, **more)) == refusal, (verb, more)
    assert cases.bench.station.ward.state(accepted.command_id) == "conflicted"
    assert cases.decide(PHARMACIST, page, "reject", reason="chart_newer").status_code == 200
    assert cases.bench.station.ward.reason(accepted.command_id) == "chart_newer"


NO_DECISIONS = [
    (b"{", (400, "malformed-json")),
    (b'{"verb": "resolve"}', (422, "invalid-field")),
    (b'{"verb": "shrug", "view": "x"}', (422, "invalid-field")),
    (b'{"verb": "resolve", "view": "x", "approve": true}', (422, "invalid-field")),
    (b'{"verb": "resolve", "view": "x", "fields": {"dosage": {"pick": "mine"}}}', (422, "invalid-field")),
    (b'{"verb": "resolve", "view": "x", "view": "y"}', (400, "malformed-json")),
    (b'{"verb": "resolve", "view": "x", "text": "' + b"a" * LONGEST_BODY + b'"}', (413, "body-too-large")),
]


def test_what_is_no_decision_is_refused_without_repeating_it(cases: CaseBench) -> None:
    for body, refusal in NO_DECISIONS:
        answer = cases.ask(PHARMACIST, "POST", "/v1/cases/1:decide", body)
        assert cases.told(answer) == refusal, body[:60]
        assert "shrug" not in answer.text


def test_what_is_no_number_of_a_case_is_not_there(cases: CaseBench) -> None:
    for case in ("0", "-1", "x", "9" * 18, "9" * 40, "1.0", "%D9%A1"):
        assert cases.told(cases.ask(PHARMACIST, "GET", f"/v1/cases/{case}")) == (404, "not-found"), case


def test_while_the_ehr_is_away_a_case_can_be_read_and_not_decided_on(cases: CaseBench) -> None:
    accepted, case = cases.bench.conflict("dark")
    page = cases.open(PHARMACIST, case)
    cases.bench.station.proxy.mode = Mode.REFUSE
    dark = cases.open(PHARMACIST, case)
    assert (dark["readAt"], dark["banner"]["name"]) == ("", "could not be read")
    answer = cases.decide(PHARMACIST, page, "resolve", fields=KEEP_PROPOSAL)
    assert answer.json()["code"] in {"chart-unreadable", "not-possible"}
    assert cases.bench.station.ward.state(accepted.command_id) == "conflicted"
    asked = cases.decide(PHARMACIST, page, "ask_author", text="Which dose do you mean?")
    assert asked.status_code == 200, "asking rests on nothing that the chart says"
    cases.bench.station.proxy.mode = Mode.PASS


def test_a_case_whose_question_the_chart_has_answered_closes_itself(cases: CaseBench) -> None:
    accepted, case = cases.bench.conflict("moot")
    cases.bench.move_chart("moot", "20")
    page = cases.open(PHARMACIST, case)
    assert "says already what was proposed" in page["closed"]
    assert (page["view"], page["choices"]) == ("", [])
    ward = cases.bench.station.ward
    assert (ward.state(accepted.command_id), ward.attempts(accepted.command_id)) == ("superseded", [])


def test_medicines_are_never_decided_in_bulk(cases: CaseBench) -> None:
    accepted, case = cases.bench.conflict("bulk")
    for verb in ("resend", "approve", "resolve"):
        answer = cases.ask(ENGINEER, "POST", "/v1/cases:bulk", {"cases": [case], "verb": verb})
        assert cases.told(answer) == (409, "not-possible")
    assert cases.told(cases.ask(PHARMACIST, "POST", "/v1/cases:bulk", {"cases": [case], "verb": "escalate"})) == (
        403,
        "not-permitted",
    )
    assert cases.bench.station.ward.state(accepted.command_id) == "conflicted"


def test_a_bulk_act_names_1_to_100_cases(cases: CaseBench) -> None:
    wrong: list[list[Any]] = [[], [0], ["1"], [True], list(range(1, 102))]
    for chosen in wrong:
        answer = cases.ask(ENGINEER, "POST", "/v1/cases:bulk", {"cases": chosen, "verb": "escalate"})
        assert cases.told(answer) == (422, "invalid-field"), chosen


def test_the_description_has_the_bodies_that_are_checked(reception: Reception) -> None:
    document = reception.client.get("/openapi.json").json()
    decide = document["paths"]["/v1/cases/{case_id}:decide"]["post"]
    body = decide["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/DecisionRequest"}
    assert set(document["components"]["schemas"]["DecisionRequest"]["properties"]) == {
        *("verb", "view", "fields", "parts", "reason", "text")
    }
    named = {item["name"] for item in document["paths"]["/v1/cases"]["get"]["parameters"]}
    assert {"pool", "kind", "connection", "actionType", "severity", "mine", "together", "cursor", "limit"} == named
