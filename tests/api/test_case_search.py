"""Finding cases at the door, and the board: by each term, only what one may see, and no patient in an address."""

from __future__ import annotations

from typing import Any

import pytest

from canonical.admission import patient_key
from canonical.reviewer import Reviewer
from tests.api.case_bench import CLERK, FOREIGNER, OPERATOR, CaseBench, cases, chart_server
from tests.reconcile.review.bench import ENGINEER, NURSE, PHARMACIST

__all__ = ["cases", "chart_server"]


def found(cases: CaseBench, who: Reviewer, **asked: Any) -> list[int]:
    answer = cases.ask(who, "POST", "/v1/cases/_search", asked)
    assert answer.status_code == 200, answer.text
    return [row["id"] for row in answer.json()["rows"]]


def test_a_case_is_found_by_each_term_and_by_all_of_them_at_once(cases: CaseBench) -> None:
    accepted, case = cases.bench.conflict("found")
    ward = cases.bench.station.ward
    command = ward.query(
        "SELECT correlation_id, convert_from(p.content, 'UTF8')::jsonb -> 'patient' AS patient FROM commands c "
        "JOIN payloads p ON p.tenant = c.tenant AND p.digest = c.envelope_digest WHERE id = %(id)s",
        id=accepted.command_id,
    )[0]
    reference = command["patient"]["reference"]
    key = patient_key("t1", "north", reference)
    ward.query("UPDATE lanes SET patient_key = %(key)s", key=key)
    terms = {
        "kind": "conflict",
        "severity": 2,
        "pool": "clinical",
        "state": "any",
        "olderThanMinutes": 0,
        "correlationId": command["correlation_id"],
        "patient": reference,
    }
    for name, value in terms.items():
        assert found(cases, PHARMACIST, **{name: value}) == [case], name
    assert found(cases, PHARMACIST, **terms) == [case]
    others = {"kind": "gone", "severity": 4, "pool": "operations", "state": "closed", "olderThanMinutes": 60}
    for name, value in (others | {"patient": "Patient/nobody", "correlationId": "other", "vendorCode": "x"}).items():
        assert found(cases, PHARMACIST, **(terms | {name: value})) == [], name


def test_a_long_search_comes_in_pages_newest_first(cases: CaseBench) -> None:
    made = [cases.bench.conflict(name)[1] for name in ("one", "two", "three")]
    seen, cursor = [], None
    while True:
        asked = {"limit": 1} | ({"cursor": cursor} if cursor else {})
        page = cases.ask(PHARMACIST, "POST", "/v1/cases/_search", asked).json()
        seen += [row["id"] for row in page["rows"]]
        cursor = page["cursor"]
        if cursor is None:
            break
    assert seen == sorted(made, reverse=True)


@pytest.mark.parametrize(
    "wrong", [{"cursor": "nonsense"}, {"cursor": "Y2FzZSB4"}, {"state": "lost"}, {"severity": "2"}, {"name": "Lopez"}]
)
def test_what_is_no_search_is_refused_without_repeating_it(cases: CaseBench, wrong: dict[str, Any]) -> None:
    answer = cases.ask(PHARMACIST, "POST", "/v1/cases/_search", wrong)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-field")
    assert "Lopez" not in answer.text


def test_nobody_finds_more_than_they_may_see(cases: CaseBench) -> None:
    _, case = cases.bench.conflict("hidden")
    secret = cases.restricted("secret")
    assert found(cases, OPERATOR, state="any") == []
    assert found(cases, FOREIGNER, state="any") == []
    row = cases.ask(CLERK, "POST", "/v1/cases/_search", {}).json()["rows"][-1]
    assert (row["id"], row["patient"], row["headline"]) == (case, None, None) or row["patient"] is None
    refused = cases.ask(CLERK, "POST", "/v1/cases/_search", {"patient": "Patient/x"})
    assert cases.told(refused) == (403, "not-permitted")
    shown = {row["id"]: row["patient"] for row in cases.ask(PHARMACIST, "POST", "/v1/cases/_search", {}).json()["rows"]}
    assert shown[secret] is None
    assert shown[case] is not None


def test_the_board_has_the_numbers_for_those_who_oversee_the_queue(cases: CaseBench) -> None:
    cases.bench.conflict("counted")
    board = cases.ask(ENGINEER, "GET", "/v1/board").json()
    assert (board["open"], board["byKind"]) == (1, [{"kind": "the chart moved", "cases": 1}])
    assert board["ages"][0]["bySeverity"] == [0, 1, 0, 0]
    assert cases.told(cases.ask(NURSE, "GET", "/v1/board")) == (403, "not-permitted")
