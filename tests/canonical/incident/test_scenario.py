"""A scenario as a file: it comes back as it was written, is refused where it is none, and names nobody."""

from __future__ import annotations

import re

import pytest

from canonical.incident.judgement import judge
from canonical.incident.report import JudgedCommand
from canonical.incident.scenario import from_toml, scenario_of, to_toml
from tests.incident_factories import UNTIL
from tests.incident_table import DIVERGING

SCENARIO = """
first = "written_twice"
adapter = "fhir_r4"
action = "VitalReading"
operation = "record"
[[step]]
do = "submit"
"""


def written(name: str) -> str:
    told, shown, _ = DIVERGING[name]
    found = judge(told, shown, until=UNTIL)
    return to_toml(scenario_of(JudgedCommand(record=told, chart=shown, divergences=found, adapter="fhir_r4"), found[0]))


@pytest.mark.parametrize("name", DIVERGING)
def test_what_is_written_is_read_again_and_names_nobody(name: str) -> None:
    text = written(name)
    assert to_toml(from_toml(text)) == text
    assert re.search(r"[0-9a-f]{8}-[0-9a-f]{4}|Observation/|Dr |20\d\d", text) is None


def test_each_request_is_played_with_what_the_ehr_did_with_it() -> None:
    steps = [(step.do, step.what) for step in from_toml(written("denied, sent again, and in the chart twice")).steps]
    assert steps == [
        ("submit", ""),
        ("fault", "commit_then_drop"),
        ("turn", ""),
        ("fault", "stale"),
        *[("turn", "")] * 3,
    ]


@pytest.mark.parametrize(
    ("wrong", "instead"),
    [
        ('first = "written_twice"', 'first = "eaten"'),
        ('do = "submit"', 'do = "shout"'),
        ("[[step]]", 'patient = "p1"\n[[step]]'),
    ],
)
def test_what_is_no_scenario_is_refused(wrong: str, instead: str) -> None:
    assert from_toml(SCENARIO).action == "VitalReading"
    with pytest.raises(ValueError, match=r"eaten|shout|patient"):
        from_toml(SCENARIO.replace(wrong, instead))


def test_what_the_tables_refuse_is_not_written() -> None:
    told, shown, _ = DIVERGING["the balance cannot account for it"]
    told = type(told)(**(vars(told) | {"unfit": "no-receipt-event"}))
    found = judge(told, shown, until=UNTIL)
    with pytest.raises(ValueError, match="no-receipt-event"):
        scenario_of(JudgedCommand(record=told, chart=shown, divergences=found), found[0])
