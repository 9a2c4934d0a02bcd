"""Searching, and what a client must not be told is there."""

from typing import Any

import httpx
import pytest

from tests.sandbox.resources import BODY_WEIGHT, observation
from tests.sandbox_fixture import RunningSandbox

VITAL = [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}]}]
CHART: list[dict[str, Any]] = [
    {
        "resourceType": "Patient",
        "id": "ann",
        "identifier": [{"system": "urn:mrn", "value": "A|1"}, {"value": "bare"}],
        "name": [{"family": "Dummett", "given": ["Ann", "Bea"]}],
        "gender": "female",
        "active": True,
        "birthDate": "1961-06-03",
    },
    {
        "resourceType": "Patient",
        "id": "bob",
        "identifier": [{"system": "urn:other", "value": "A|1"}],
        "name": [{"family": "Dummond", "given": ["Bob"]}],
        "birthDate": "1990",
    },
    {
        "resourceType": "Encounter",
        "id": "visit",
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "subject": {"reference": "Patient/ann"},
        "period": {"start": "2026-01-10T09:00:00Z", "end": "2026-01-10T09:30:00Z"},
    },
    observation(
        id="early",
        subject={"reference": "Patient/ann"},
        effectiveDateTime="2026-01-10T09:10:00+01:00",
        category=VITAL,
        encounter={"reference": "Encounter/visit"},
    ),
    observation(id="day", subject={"reference": "Patient/ann"}, effectiveDateTime="2026-01-11", status="amended"),
    observation(
        id="span",
        subject={"reference": "Patient/bob"},
        effectiveDateTime=None,
        effectivePeriod={"start": "2026-01-12T00:00:00Z"},
        code={"coding": [{"system": "http://loinc.org", "code": "8867-4"}, *BODY_WEIGHT["coding"]]},
    ),
]


@pytest.fixture
def chart(sandbox: RunningSandbox, fhir: httpx.Client) -> httpx.Client:
    sandbox.seed(CHART)
    return fhir


def ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [entry["resource"]["id"] for entry in answer.json().get("entry", [])]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("Patient?_id=ann", ["ann"]),
        ("Patient?_id=ann,bob", ["ann", "bob"]),
        (r"Patient?identifier=urn:mrn|A\|1", ["ann"]),
        (r"Patient?identifier=A\|1", ["ann", "bob"]),
        ("Patient?identifier=urn:mrn|", ["ann"]),
        ("Patient?identifier=|bare", ["ann"]),
        ("Patient?identifier=urn:mrn|bare", []),
        ("Patient?family=dumm", ["ann", "bob"]),
        ("Patient?family=DUMMETT", ["ann"]),
        ("Patient?given=bea", ["ann"]),
        ("Patient?name=bo", ["bob"]),
        ("Patient?birthdate=1961-06-03", ["ann"]),
        ("Patient?birthdate=1961", ["ann"]),
        ("Patient?birthdate=1990-05-01", []),
        ("Patient?birthdate=1961-06-03&family=Dummett&gender=female&active=true", ["ann"]),
        ("Encounter?patient=ann&date=2026-01-10&status=finished", ["visit"]),
        ("Encounter?class=AMB", ["visit"]),
        ("Observation?patient=ann", ["early", "day"]),
        ("Observation?patient=Patient/ann", ["early", "day"]),
        ("Observation?subject=Patient/bob", ["span"]),
        ("Observation?patient=ann,bob", ["early", "day", "span"]),
        ("Observation?patient=ann&patient=bob", []),
        ("Observation?encounter=visit", ["early"]),
        ("Observation?encounter=Encounter/visit", ["early"]),
        ("Observation?category=vital-signs", ["early"]),
        ("Observation?status=amended", ["day"]),
        ("Observation?code=http://loinc.org|29463-7", ["early", "day", "span"]),
        ("Observation?code=http://loinc.org|8867-4", ["span"]),
        ("Observation?code=http://snomed.info/sct|8867-4", []),
        ("Observation?date=2026-01-10", ["early"]),
        ("Observation?date=2026-01-10T08:10:00Z", ["early"]),
        ("Observation?date=2026-01-10T09:10:00Z", []),
        ("Observation?date=ne2026-01-10", ["day", "span"]),
        ("Observation?date=ge2026-01-11", ["day", "span"]),
        ("Observation?date=gt2026-01-11", ["span"]),
        ("Observation?date=lt2026-01-11", ["early"]),
        ("Observation?date=le2026-01-11T12:00:00Z", ["early", "day"]),
        ("Observation?date=sa2026-01-10", ["day", "span"]),
        ("Observation?date=eb2026-01-11", ["early"]),
        ("Observation?date=ge2026-01-10&date=lt2026-01-11", ["early"]),
        ("Observation?_lastUpdated=ge2020", ["early", "day", "span"]),
        ("Observation?_lastUpdated=lt2020", []),
        ("Observation?_sort=-date", ["span", "day", "early"]),
        ("Observation?_sort=date", ["early", "day", "span"]),
        ("Observation?_sort=_id", ["day", "early", "span"]),
    ],
)
def test_a_search_finds_what_the_standard_says(chart: httpx.Client, query: str, found: list[str]) -> None:
    assert ids(chart.get(query)) == found


@pytest.mark.parametrize(
    "query",
    [
        "Observation?colour=blue",
        "Observation?code:not=x",
        "Observation?date=yesterday",
        "Observation?date=ge2026-01-10T09:10:00 01:00",
        "Observation?date=ge2026-13",
        "Observation?_count=all",
        "Observation?_sort=value",
        "Observation?patient=",
        "Observation?_id=a,,b",
    ],
)
def test_a_search_that_cannot_be_read_is_refused(chart: httpx.Client, query: str) -> None:
    answer = chart.get(query)
    assert answer.status_code == 400
    assert answer.json()["resourceType"] == "OperationOutcome"


def test_an_unknown_parameter_may_be_left_out_by_setting(chart: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.settings(unknown_search="ignore")
    assert len(ids(chart.get("Observation?colour=blue"))) == 3
    assert chart.get("Observation?colour=blue", headers={"Prefer": "handling=strict"}).status_code == 400


def test_a_posted_search_finds_the_same(chart: httpx.Client) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = chart.post("Observation/_search?date=2026-01-11", data={"patient": "ann"}, headers=form)
    assert ids(answer) == ["day"]


def test_pages_follow_each_other_without_gap_or_repeat(chart: httpx.Client) -> None:
    url, seen, pages = "Observation?_count=2&_sort=-date", [], 0
    while url:
        answer = chart.get(url)
        bundle: dict[str, Any] = answer.json()
        assert bundle["total"] == 3
        seen += ids(answer)
        pages += 1
        url = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), "")
    assert (seen, pages) == (["span", "day", "early"], 2)


def test_a_count_of_nothing_tells_the_total(chart: httpx.Client) -> None:
    bundle = chart.get("Observation?_count=0").json()
    assert bundle["total"] == 3
    assert "entry" not in bundle
    assert [link["relation"] for link in bundle["link"]] == ["self"]


def test_a_page_is_never_longer_than_the_server_allows(chart: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.settings(max_page_size=1)
    assert len(ids(chart.get("Observation?_count=99"))) == 1


def test_only_the_current_version_is_found(chart: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.edit(observation(id="early", status="entered-in-error"))
    assert "early" not in ids(chart.get("Observation?patient=ann"))
    assert ids(chart.get("Observation?status=entered-in-error")) == ["early"]


def test_each_match_has_its_full_url(chart: httpx.Client, sandbox: RunningSandbox) -> None:
    entry = chart.get("Observation?_id=day").json()["entry"][0]
    assert entry["fullUrl"] == f"{sandbox.url}/Observation/day"
    assert entry["search"] == {"mode": "match"}


def test_a_condition_can_hold_every_search_parameter(chart: httpx.Client, sandbox: RunningSandbox) -> None:
    condition = "patient=ann&code=http://loinc.org|29463-7&date=2026-01-11"
    answer = chart.post(
        "Observation", json=observation(subject={"reference": "Patient/ann"}), headers={"If-None-Exist": condition}
    )
    assert (answer.status_code, answer.json()["id"]) == (200, "day")
