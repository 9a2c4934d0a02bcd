"""The comparison on what the standard EHR reads and plans: nothing moved asks nobody, and a decision comes out exactly."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from adapters.fhir_r4 import ADAPTER
from adapters.r4.adapter import R4Adapter
from adapters.r4.change import Change
from adapters.site import Site
from canonical import exact_json
from canonical.action import action_specs
from canonical.errors import NeedsPersonError
from canonical.ports import Fetched, Projection, Resource, Surrounding
from canonical.review_desk import FieldPick, Pick
from canonical.reviewer import Licence
from canonical.revised import Look, decided, revised
from canonical.risk import Facts
from canonical.ruling import Ruling, judge
from canonical.three_way import Comparison, FieldState, compare
from config.policy_files import read_policies
from tests.conformance.connection import connection_of
from tests.conformance.examples import TARGET_SAYS, before, example
from tests.factories import (
    NOW,
    CommandFactory,
    Json,
    acknowledged_json,
    as_bytes,
    dosage_json,
    envelope_json,
    medication_change_json,
    vital_reading_json,
)

SITE = Site(base_url="https://ehr.example/fhir")
POLICIES = read_policies()
PRESCRIBER = Facts(licence=Licence.PRESCRIBER, authenticated=True)
#: What changes an entry in its place; an operation with an entry of its own leaves its target as it is.
UPDATES = [
    (spec.type, name)
    for spec in action_specs().values()
    for name, rule in spec.operations.items()
    if not rule.creates and not rule.own_entry
]
#: Why a person is asked before anything was compared.
BEFOREHAND = {"always-a-person", "author-not-licensed", "lowers-risk"}


def target_of(resource: Resource) -> Json:
    return {
        "reference": f"{resource['resourceType']}/{resource['id']}",
        "versionId": resource["meta"]["versionId"],
        "seen": ADAPTER.project(resource, SITE),
        "seenAt": "2026-03-10T14:40:00Z",
        "acknowledged": acknowledged_json(),
    }


def planned(action: Json, current: Resource | None = None, target: Json | None = None) -> Resource:
    """Return what the action's own entry would say, as the EHR would keep it."""
    said = {} if current is None else {"target": target or target_of(current)}
    envelope: Json = exact_json.parse(as_bytes(envelope_json(action, **said)))
    command = CommandFactory.create(envelope__action=envelope["action"], **with_prefix(envelope))
    fetched = None if current is None else Fetched(resource=current, version=current["meta"]["versionId"])
    parts = tuple(None for _ in command.spec.parts(command.envelope))
    operation = ADAPTER.plan(command, Surrounding(current=fetched, parts=parts), SITE)[-1]
    resource: Resource = ADAPTER.said(operation, SITE)
    version = int(current["meta"]["versionId"]) + 1 if current else 1
    kept = {**(current or {}), **resource} if operation.reference else resource
    return {**kept, "id": "e1", "meta": {**resource.get("meta", {}), "versionId": str(version)}}


def with_prefix(envelope: Json) -> Json:
    return {f"envelope__{name}": value for name, value in envelope.items() if name != "action"}


def written(action: str, operation: str, says: Json | None = None) -> Json:
    """Return the smallest example of an operation."""
    return example(action, operation, connection_of(ADAPTER.key), says)


def in_chart(action: str, operation: str) -> Resource:
    """Return the entry that an operation is about, made by the operations that come before it."""
    said = TARGET_SAYS.get((action, operation), {})
    current: Resource | None = None
    for name in before(action, operation):
        current = planned(written(action, name, said if current is None else {}), current)
    assert current is not None
    return current


def compared(action: Json, seen: Resource, current: Resource, *, same_version: bool = False) -> Comparison:
    """Compare as the desk does: the plan is made on the chart as it is, under the version that it has."""
    base, now = (ADAPTER.project(resource, SITE) for resource in (seen, current))
    proposed = ADAPTER.project(planned(action, current), SITE)
    content = [name for name in action if name not in {"type", "operation"}]
    groups = action_specs()[action["type"]].field_groups
    return compare(base=base, current=now, proposed=proposed, touched=content, groups=groups, same_version=same_version)


@pytest.mark.parametrize(("action", "operation"), UPDATES)
def test_where_nothing_moved_nobody_is_asked_about_the_chart(action: str, operation: str) -> None:
    here = in_chart(action, operation)
    seen = compared(written(action, operation), here, copy.deepcopy(here))
    assert not seen.moved
    assert not seen.overlapping
    verdict = judge(POLICIES, seen, action_type=action, operation=operation, facts=PRESCRIBER)
    if seen.moot:
        assert verdict.ruling is Ruling.MOOT
    else:
        assert set(verdict.reasons) <= BEFOREHAND
        assert verdict.ruling in ({Ruling.REVIEW} if verdict.reasons else {Ruling.SEND, Ruling.APPEND})


def rewritten(resource: Resource) -> Resource:
    """Return an entry as an EHR may give it back: other displays, other ids, its own text and time of change."""
    text = exact_json.dumps(resource).replace('"code":"29046"', '"display":"LISINOPRIL","code":"29046"')
    again: Resource = exact_json.parse(text)
    again["meta"] = {**again["meta"], "versionId": "9", "lastUpdated": "2026-03-10T14:59:00Z"}
    return {**again, "text": {"status": "generated", "div": "<div/>"}}


def test_a_version_in_which_only_the_ehr_s_own_words_changed_is_no_conflict() -> None:
    here = in_chart("MedicationChange", "changeDose")
    action = medication_change_json("changeDose", dosage=[dosage_json(text="Take 1 tablet by mouth daily")])
    seen = compared(action, here, rewritten(here))
    assert not seen.moved
    ruling = judge(POLICIES, seen, action_type="MedicationChange", operation="changeDose", facts=PRESCRIBER).ruling
    assert ruling is Ruling.SEND


BEDTIME = [dosage_json(text="Take 1 tablet by mouth at bedtime", timing={"repeat": {"when": ["HS"]}})]
TWICE = [
    dosage_json(
        text="Take 1 tablet by mouth twice daily", timing={"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}}
    )
]


def test_two_clinicians_who_change_one_dose_overlap_and_a_pharmacist_or_prescriber_decides() -> None:
    here = in_chart("MedicationChange", "changeDose")
    theirs = planned(medication_change_json("changeDose", dosage=BEDTIME), here)
    seen = compared(medication_change_json("changeDose", dosage=TWICE), here, theirs)
    assert [group.name for group in seen.overlapping] == ["dose"]
    verdict = judge(POLICIES, seen, action_type="MedicationChange", operation="changeDose", facts=PRESCRIBER)
    assert (verdict.ruling, "overlapping" in verdict.reasons) == (Ruling.REVIEW, True)
    assert verdict.deciders == {Licence.PHARMACIST, Licence.PRESCRIBER}


def test_a_dose_that_a_colleague_changed_to_the_same_is_there_already() -> None:
    here = in_chart("MedicationChange", "changeDose")
    action = medication_change_json("changeDose", dosage=TWICE)
    seen = compared(action, here, planned(action, here))
    assert seen.moot


PICKS = [
    {"dosage": Pick.CHART, "effectivePeriod": Pick.PROPOSAL},
    {"dosage": Pick.PROPOSAL, "effectivePeriod": Pick.CHART},
    {"dosage": Pick.ANOTHER, "effectivePeriod": Pick.PROPOSAL},
]


@pytest.mark.parametrize("picks", PICKS, ids=lambda picks: "-".join(picks.values()))
def test_what_was_decided_is_exactly_what_the_revised_command_would_write(picks: dict[str, Pick]) -> None:
    here = in_chart("MedicationChange", "changeDose")
    theirs = planned(medication_change_json("changeDose", dosage=BEDTIME), here)
    action = medication_change_json("changeDose", dosage=TWICE, effectivePeriod={"start": "2026-03-01"})
    seen = compared(action, here, theirs)
    other = [dosage_json(text="Take 1 tablet by mouth in the morning", timing={"repeat": {"when": ["MORN"]}})]
    chosen = {name: FieldPick(pick=pick, value=other if pick is Pick.ANOTHER else None) for name, pick in picks.items()}
    original: Json = exact_json.parse(as_bytes(envelope_json(action, target=target_of(here))))
    look = Look(
        reference="MedicationStatement/e1",
        version=theirs["meta"]["versionId"],
        seen=ADAPTER.project(theirs, SITE),
        at=NOW,
        decided_at=NOW,
        reviewer={"system": "https://login.example", "value": "p-1"},
    )
    made = revised(original, seen, chosen, look)
    assert made is not None
    # The version that the reviewer saw lets the plan pass: it is the precondition of the write.
    result = planned(made["action"], theirs, made["target"])
    assert exact_json.equal(ADAPTER.project(result, SITE), decided(seen, chosen, original["action"]))


def test_no_plan_leads_a_status_back_whatever_its_mapping_says() -> None:
    here = {**in_chart("VitalReading", "correct"), "status": "final"}

    def backwards(change: Change) -> Resource:
        return {**copy.deepcopy(change.current or {}), "status": "preliminary"}

    assert isinstance(ADAPTER, R4Adapter)
    handler = ADAPTER.handlers["VitalReading", "correct"]
    wrong = replace(
        ADAPTER, handlers={**ADAPTER.handlers, ("VitalReading", "correct"): replace(handler, build=backwards)}
    )
    envelope = {"action": vital_reading_json(operation="correct"), "target": target_of(here)}
    command = CommandFactory.create(**{f"envelope__{name}": value for name, value in envelope.items()})
    with pytest.raises(NeedsPersonError) as caught:
        wrong.plan(command, Surrounding(current=Fetched(resource=here, version="1")), SITE)
    assert caught.value.kind == "status_backwards"


def projection(resource: Resource) -> Projection:
    return ADAPTER.project(resource, SITE)


def test_a_comparison_on_projections_names_the_frame_s_fields_as_the_policies_do() -> None:
    said: dict[str, Any] = projection(in_chart("VitalReading", "correct"))
    policy = POLICIES.action("VitalReading")
    assert {"status", "subject"} <= set(said)
    assert {"status", "subject", "encounter", "securityLabel", "modifierExtension"} <= set(policy.groups)
    assert FieldState.SAME in {field.state for field in compared_with_itself(said).fields}


def compared_with_itself(said: Projection) -> Comparison:
    return compare(base=said, current=said, proposed=said, touched=(), groups=())
