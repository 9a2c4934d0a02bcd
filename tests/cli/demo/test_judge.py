"""The judge passes a run as it must be, and none in which anything was lost, doubled, altered or written unasked."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from canonical.exact_json import WrittenDecimal
from cli.demo.chart import Evidence, Version
from cli.demo.intents import Intent, Kind
from cli.demo.judge import CREATED_BY, Case, Difference, Told, judge
from cli.demo.people import Resource
from tests.cli.demo.perfect_run import command_of, perfect_case


def test_a_run_as_it_must_be_has_no_difference() -> None:
    assert judge(perfect_case()) == []


def told_of(case: Case, kind: Kind) -> Told:
    """The first of its kind with a single value, which is the simplest to damage."""
    return next(
        told
        for told in case.told
        if told.intent.kind is kind and "component" not in told.intent.envelope["action"] and not told.intent.taken_back
    )


def written_by(case: Case, intent: Intent) -> str:
    command = command_of(intent.name)
    return next(
        name
        for name, it in case.found.current.items()
        if command in {mark["value"] for mark in it.get("identifier", [])}
    )


def altered(case: Case, reference: str, change: Callable[[Resource], None]) -> Case:
    """The same run, but the latest version of one resource is another one."""
    history = case.found.histories[reference]
    resource = deepcopy(history[-1].resource)
    assert resource is not None
    change(resource)
    versions = (*history[:-1], replace(history[-1], resource=resource))
    return with_chart(case, reference, versions)


def with_chart(case: Case, reference: str, versions: tuple[Version, ...]) -> Case:
    found = case.found
    resource = versions[-1].resource
    current = {name: it for name, it in found.current.items() if name != reference}
    current |= {reference: resource} if resource is not None else {}
    histories = {**found.histories, reference: versions}
    return with_evidence(case, replace(found, current=current, histories=histories))


def with_evidence(case: Case, found: Evidence) -> Case:
    return replace(case, found=found)


def with_told(case: Case, told: Told, **changes: Any) -> Case:
    others = tuple(replace(it, **changes) if it is told else it for it in case.told)
    return replace(case, told=others)


def change_value(resource: Resource) -> None:
    resource["valueQuantity"]["value"] = WrittenDecimal("1.5")


def change_written_precision(resource: Resource) -> None:
    resource["valueQuantity"]["value"] = WrittenDecimal(f"{resource['valueQuantity']['value']}.0".replace("..", "."))


def change_unit(resource: Resource) -> None:
    resource["valueQuantity"]["code"] = "[degF]"


def change_patient(resource: Resource) -> None:
    resource["subject"] = {"reference": "Patient/somebody-else"}


def change_code(resource: Resource) -> None:
    resource["code"] = {"coding": [{"system": "http://loinc.org", "code": "3141-9"}]}


def change_time(resource: Resource) -> None:
    resource["effectiveDateTime"] = "2026-01-01T09:01:00-11:00"


def change_status(resource: Resource) -> None:
    resource["status"] = "preliminary"


@pytest.mark.parametrize(
    ("damage", "element"),
    [
        (change_value, "valueQuantity"),
        (change_unit, "valueQuantity"),
        (change_patient, "subject"),
        (change_code, "code"),
        (change_time, "effectiveDateTime"),
        (change_status, "status"),
    ],
)
@pytest.mark.parametrize("kind", [Kind.RECORDED, Kind.CONFIRMED, Kind.IN_FLIGHT])
def test_a_reading_that_differs_in_one_element_is_noticed(
    kind: Kind, damage: Callable[[Resource], None], element: str
) -> None:
    case = perfect_case()
    corrected = {told.intent.of for told in case.told}
    told = next(
        it
        for it in case.told
        if it.intent.kind is kind
        and "valueQuantity" in it.intent.envelope["action"]
        and it.intent.name not in corrected
    )
    wrong = judge(altered(case, written_by(case, told.intent), damage))
    assert [it.rule for it in wrong] == ["content"]
    assert element in wrong[0].sentence


def test_a_number_with_another_precision_is_noticed() -> None:
    case = perfect_case()
    corrected = {told.intent.of for told in case.told}
    told = next(
        it
        for it in case.told
        if it.intent.kind is Kind.RECORDED
        and it.intent.name not in corrected
        and str(it.intent.envelope["action"].get("valueQuantity", {}).get("value", ".")).isdecimal()
    )
    wrong = judge(altered(case, written_by(case, told.intent), change_written_precision))
    assert "valueQuantity" in wrong[0].sentence


@pytest.mark.parametrize("element", ["dosage", "medicationCodeableConcept", "subject", "status"])
def test_a_changed_list_entry_that_differs_in_one_element_is_noticed(element: str) -> None:
    case = perfect_case()
    told = told_of(case, Kind.DOSE_CHANGED)

    def damage(resource: Resource) -> None:
        resource[element] = "intended" if element == "status" else {"text": "something else"}

    wrong = judge(altered(case, written_by(case, told.intent), damage))
    assert {it.rule for it in wrong} == {"content"}


def test_an_element_the_action_does_not_speak_of_must_stay() -> None:
    case = perfect_case()
    told = told_of(case, Kind.DOSE_CHANGED)
    wrong = judge(altered(case, written_by(case, told.intent), lambda it: it.pop("effectivePeriod")))
    assert [it.rule for it in wrong] == ["content"]


def test_a_doubled_create_is_noticed() -> None:
    case = perfect_case()
    told = told_of(case, Kind.RECORDED)
    twin = deepcopy(case.found.current[written_by(case, told.intent)])
    version = Version(reference="Observation/twin", version="1", source=None, resource={**twin, "id": "twin"})
    assert rules(judge(with_chart(case, "Observation/twin", (version,)))) == {"one resource for each create"}


def test_a_lost_create_is_noticed() -> None:
    case = perfect_case()
    reference = written_by(case, told_of(case, Kind.DUPLICATED).intent)
    found = case.found
    left = replace(
        found,
        current={name: it for name, it in found.current.items() if name != reference},
        histories={name: it for name, it in found.histories.items() if name != reference},
    )
    assert rules(judge(with_evidence(case, left))) == {"one resource for each create"}


def test_a_write_without_our_identifier_is_noticed() -> None:
    case = perfect_case()
    resource = {"resourceType": "Observation", "id": "x", "meta": {"versionId": "1"}}
    version = Version(reference="Observation/x", version="1", source=None, resource=resource)
    assert rules(judge(with_chart(case, "Observation/x", (version,)))) == {"no write of a stranger"}


def test_a_write_under_the_identifier_of_no_accepted_command_is_noticed() -> None:
    case = perfect_case()
    marks = [{"system": CREATED_BY, "value": "11111111-1111-1111-1111-111111111111"}]
    resource = {"resourceType": "Observation", "id": "x", "meta": {"versionId": "1"}, "identifier": marks}
    version = Version(reference="Observation/x", version="1", source=None, resource=resource)
    assert "no write of a stranger" in rules(judge(with_chart(case, "Observation/x", (version,))))


def test_a_change_written_twice_is_noticed() -> None:
    case = perfect_case()
    told = told_of(case, Kind.STOPPED)
    reference = written_by(case, told.intent)
    history = case.found.histories[reference]
    between = replace(history[0], version="3")
    again = replace(history[-1], version="4")
    wrong = judge(with_chart(case, reference, (*history, between, again)))
    assert "one version for each change" in rules(wrong)


def test_a_lost_change_is_noticed() -> None:
    case = perfect_case()
    reference = written_by(case, told_of(case, Kind.HELD).intent)
    wrong = judge(with_chart(case, reference, case.found.histories[reference][:1]))
    assert rules(wrong) == {"one version for each change"}


def test_a_change_on_another_version_than_its_author_saw_is_noticed() -> None:
    case = perfect_case()
    reference = written_by(case, told_of(case, Kind.DOSE_CHANGED).intent)
    seed, ours = case.found.histories[reference]
    unseen = replace(seed, version="2", source="clinician")
    wrong = judge(with_chart(case, reference, (seed, unseen, replace(ours, version="3"))))
    assert "one version for each change" in rules(wrong)


def test_an_overwritten_edit_of_a_clinician_is_noticed() -> None:
    case = perfect_case()
    reference = next(iter(case.found.edits))
    history = case.found.histories[reference]
    wrong = judge(with_chart(case, reference, (*history, replace(history[0], version="3", source=None))))
    assert "clinicians' edits" in rules(wrong)


def test_a_removed_resource_is_noticed() -> None:
    case = perfect_case()
    untouched = next(name for name in case.found.seeded if name.startswith("Encounter/"))
    current = {name: it for name, it in case.found.current.items() if name != untouched}
    assert rules(judge(with_evidence(case, replace(case.found, current=current)))) == {"nothing removed"}


@pytest.mark.parametrize("kind", [Kind.IMPOSSIBLE, Kind.WRONG_PATIENT, Kind.ORDER, Kind.REVOKED, Kind.MOVED])
def test_a_write_request_for_what_was_refused_or_held_is_noticed(kind: Kind) -> None:
    case = perfect_case()
    name = told_of(case, kind).intent.name
    request = {"id": 0, "interaction": "create", "answer": 201, "headers": {"x-correlation-id": name}}
    found = replace(case.found, requests=(*case.found.requests, request))
    assert rules(judge(with_evidence(case, found))) == {"no request for what was refused"}


def test_a_write_request_of_nobody_is_noticed() -> None:
    case = perfect_case()
    request = {"id": 0, "interaction": "update", "answer": 200, "headers": {}}
    found = replace(case.found, requests=(*case.found.requests, request))
    assert rules(judge(with_evidence(case, found))) == {"no request for what was refused"}


def test_a_moved_version_that_the_ehr_itself_refused_is_in_order() -> None:
    case = perfect_case()
    name = told_of(case, Kind.MOVED).intent.name
    request = {"id": 0, "interaction": "update", "answer": 412, "headers": {"x-correlation-id": name}}
    assert judge(with_evidence(case, replace(case.found, requests=(*case.found.requests, request)))) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "pending", "state": "unknown"},
        {"status": "needsAttention", "reason": "cannot_tell"},
        {"commands": frozenset()},
        {"commands": frozenset({"a", "b"})},
    ],
)
def test_a_command_that_ended_otherwise_is_noticed(changes: dict[str, Any]) -> None:
    case = perfect_case()
    assert "ending" in rules(judge(with_told(case, told_of(case, Kind.QUEUED), **changes)))


def test_an_impossible_value_that_was_accepted_is_noticed() -> None:
    case = perfect_case()
    changed = with_told(case, told_of(case, Kind.IMPOSSIBLE), commands=frozenset({"x"}), refusals=(), status="pending")
    assert "ending" in rules(judge(changed))


def test_books_that_do_not_close_are_noticed() -> None:
    assert rules(judge(replace(perfect_case(), balance_closes=False))) == {"balance"}


def test_a_revocation_that_keeps_silent_about_what_is_on_its_way_is_noticed() -> None:
    silent = replace(perfect_case(), named_in_flight=frozenset())
    assert rules(judge(silent)) == {"revocation names what is in flight"}


def rules(differences: list[Difference]) -> set[str]:
    return {it.rule for it in differences}
