"""Hospitals whose EHR keeps no identifier of ours: who is where, and a chart that is judged by what it says."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest

from canonical.exact_json import WrittenDecimal
from cli.demo.chart import Evidence, Version
from cli.demo.charts import _part_of
from cli.demo.faults import rules_elsewhere
from cli.demo.intents import Intent, Kind
from cli.demo.judge import Case, Told, judge
from cli.demo.likeness import is_reading_of
from cli.demo.neighbours import readings_of, spread
from cli.demo.people import Resource, people_of
from cli.demo.plan import Planner, cohort
from cli.sandbox_site import CONNECTION

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ACTIONS, SEED = 300, 9
PANEL: Resource = {
    "resourceType": "Observation",
    "id": "panel",
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "85353-1"}]},
}


@cache
def _bundle() -> Resource:
    return cohort(SEED, ACTIONS)


def intents_at(connection: str) -> list[Intent]:
    planned = Planner(spread(people_of(deepcopy(_bundle()))), SEED, now=NOW).plan(ACTIONS)
    return [it for it in planned if it.connection == connection]


def charted(intent: Intent) -> Resource:
    """The reading as an EHR keeps it that drops our identifier, files it in a panel and states another zone."""
    action = deepcopy(intent.envelope["action"])
    instant = datetime.fromisoformat(action["effectiveDateTime"]).astimezone(UTC)
    return {
        "resourceType": "Observation",
        "id": intent.name,
        "status": "final",
        "subject": {"reference": intent.envelope["patient"]["reference"]},
        "code": {"coding": action["code"]["coding"]},
        "effectiveDateTime": instant.isoformat(),
        "valueQuantity": action["valueQuantity"],
    }


def case_at(connection: str, *resources: Resource) -> Case:
    intents = intents_at(connection)
    found = [charted(it) for it in intents if it.ending.status == "inChart"]
    told = tuple(
        Told(intent=it, commands=frozenset({it.name}), status=it.ending.status, reason="proven") for it in intents
    )
    current = {f"Observation/{it['id']}": it for it in (*found, PANEL, *resources)}
    histories = {
        name: (Version(reference=name, version="1", source=None, resource=it),) for name, it in current.items()
    }
    evidence = Evidence(seeded=frozenset(), edits={}, current=current, histories=histories, requests=())
    return Case(
        told=told,
        found=evidence,
        named_in_flight=frozenset(),
        balance_closes=True,
        unmarked=readings_of()[connection],
    )


def changed(case: Case, change: Callable[[Resource], None]) -> Case:
    """The same case, its first reading changed."""
    name = next(name for name in case.found.current if name != "Observation/panel")
    resource = deepcopy(case.found.current[name])
    change(resource)
    return replace(case, found=replace(case.found, current={**case.found.current, name: resource}))


@pytest.mark.parametrize("connection", sorted(readings_of()))
def test_every_hospital_has_patients_and_is_sent_only_what_its_ehr_takes(connection: str) -> None:
    intents = intents_at(connection)
    assert len(intents) >= 10
    assert {it.kind for it in intents} <= {Kind.RECORDED, Kind.DUPLICATED, Kind.RACING, Kind.QUEUED}
    sent = {it.envelope["action"]["code"]["coding"][0]["code"] for it in intents}
    assert sent <= readings_of()[connection]
    assert not any(it.taken_back for it in intents)


def test_the_first_patient_is_at_home_and_each_patient_at_one_hospital() -> None:
    people = spread(people_of(deepcopy(_bundle())))
    assert people[0].connection == CONNECTION
    assert {person.connection for person in people} == {CONNECTION, *readings_of()}


def test_each_chart_has_its_own_patients_and_what_belongs_to_nobody() -> None:
    bundle = deepcopy(_bundle())
    where = {person.reference: person.connection for person in spread(people_of(bundle))}
    parts = {name: _part_of(bundle, where, name) for name in (CONNECTION, *readings_of())}
    patients = [
        f"Patient/{entry['resource']['id']}"
        for part in parts.values()
        for entry in part["entry"]
        if entry["resource"]["resourceType"] == "Patient"
    ]
    assert sorted(patients) == sorted(where)
    for part in parts.values():
        assert any(entry["resource"]["resourceType"] == "Practitioner" for entry in part["entry"])


@pytest.mark.parametrize("connection", sorted(readings_of()))
def test_a_chart_without_our_marks_is_as_it_must_be_by_content(connection: str) -> None:
    assert judge(case_at(connection)) == []


def other_value(resource: Resource) -> None:
    resource["valueQuantity"]["value"] = WrittenDecimal("11")


def other_unit(resource: Resource) -> None:
    resource["valueQuantity"]["code"] = "/h"


def other_patient(resource: Resource) -> None:
    resource["subject"] = {"reference": "Patient/somebody-else"}


def other_time(resource: Resource) -> None:
    resource["effectiveDateTime"] = "2026-01-01T09:01:00-11:00"


def other_status(resource: Resource) -> None:
    resource["status"] = "entered-in-error"


@pytest.mark.parametrize("change", [other_value, other_unit, other_patient, other_time, other_status])
def test_a_reading_that_says_something_else_is_missed_and_is_a_stranger(change: Callable[[Resource], None]) -> None:
    wrong = judge(changed(case_at("south"), change))
    assert {it.rule for it in wrong} == {"one resource for each create", "no write of a stranger"}


def test_a_reading_that_is_there_twice_is_noticed() -> None:
    twin: dict[str, Any] = {**charted(intents_at("west")[0]), "id": "twin"}
    (wrong,) = judge(case_at("west", twin))
    assert (wrong.rule, "2 resources" in wrong.sentence) == ("one resource for each create", True)


def test_another_zone_and_another_precision_of_the_same_number_are_no_difference() -> None:
    intent = intents_at("east")[0]
    resource = charted(intent)
    resource["valueQuantity"] = {**resource["valueQuantity"], "value": f"{resource['valueQuantity']['value']}.0"}
    assert is_reading_of(resource, intent.envelope)


def test_no_request_is_delivered_twice_where_nothing_guards_against_it() -> None:
    assert "duplicate_delivery" not in {rule["fault"] for rule in rules_elsewhere(3)}
