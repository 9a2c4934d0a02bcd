"""Allergies and problems from the command to the sandbox's chart and back, by the same preparation that a worker uses."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from adapters.ehr import RestEhr
from canonical import exact_json
from canonical.errors import NeedsPersonError, TargetMovedError
from canonical.outcome import Outcome, ProbeVerdict
from canonical.ports import Operation, Resource
from tasks.patients import Patients
from tasks.preparation import Preparation
from tests.adapters.chart import PUT_FAULT, TRACE, at
from tests.adapters.commands import command
from tests.adapters.r4 import test_allergy_intolerance as allergies
from tests.adapters.r4 import test_condition as problems
from tests.adapters.r4.lists import ACKNOWLEDGED
from tests.sandbox_fixture import RunningSandbox, sandbox, sandbox_server

__all__ = ["sandbox", "sandbox_server"]


def prepared(ehr: RestEhr, action: dict[str, Any], **envelope: Any) -> list[Operation]:
    """What a worker would send now, the chart read as it does."""
    preparation = Preparation(ehrs=lambda _tenant, _name: ehr, patients=Patients(clock=lambda: datetime.now(UTC)))
    sent = command(action, **envelope).evolve(id=uuid4())
    return list(preparation.prepare(sent, [], TRACE).operations)


def written(ehr: RestEhr, action: dict[str, Any], **envelope: Any) -> list[str]:
    """Send it, prove each part by reading it back, and return the references."""
    references = []
    for operation in prepared(ehr, action, **envelope):
        settled = ehr.send(operation, TRACE)
        assert (settled.outcome, settled.reference is None) == (Outcome.APPLIED, False)
        assert ehr.differences(operation, stored(ehr, str(settled.reference))) == ()
        assert ehr.probe(operation, TRACE).verdict is ProbeVerdict.APPLIED
        references.append(str(settled.reference))
    return references


def stored(ehr: RestEhr, reference: str) -> Resource:
    resource = ehr.fetch(reference, TRACE).resource
    assert resource is not None
    return resource


def seen(ehr: RestEhr, reference: str, *names: str) -> dict[str, Any]:
    """The target as an author who looks now sees it."""
    fetched = ehr.fetch(reference, TRACE)
    projection = ehr.project(fetched.resource or {})
    return {
        "target": {
            "reference": reference,
            "versionId": fetched.version,
            "seen": {name: projection[name] for name in names},
            "acknowledged": ACKNOWLEDGED,
        }
    }


def said(ehr: RestEhr, reference: str) -> tuple[Any, Any]:
    projection = ehr.project(stored(ehr, reference))
    return projection.get("clinicalStatus"), projection.get("verificationStatus")


def test_an_allergy_is_recorded_updated_and_retracted(sandbox: RunningSandbox) -> None:
    with at(sandbox) as ehr:
        (reference,) = written(ehr, allergies.FULL)
        assert reference.startswith("AllergyIntolerance/")
        assert said(ehr, reference) == ("active", "unconfirmed")
        written(ehr, allergies.of("update"), **seen(ehr, reference, "code", "criticality"))
        assert ehr.project(stored(ehr, reference))["criticality"] == "low"
        written(ehr, allergies.of("addReaction"), **seen(ehr, reference, "reaction"))
        written(ehr, allergies.of("removeReaction"), **seen(ehr, reference, "reaction"))
        assert [item["severity"] for item in stored(ehr, reference)["reaction"]] == ["mild", "moderate"]
        written(ehr, allergies.of("retract"), **seen(ehr, reference, "clinicalStatus"))
        assert said(ehr, reference) == (None, "entered-in-error")
    puts = sandbox.requests(method="PUT")
    assert [entry["headers"]["if-match"] for entry in puts] == [f'W/"{version}"' for version in range(1, 5)]


def test_a_problem_is_added_updated_resolved_reactivated_and_retracted(sandbox: RunningSandbox) -> None:
    with at(sandbox) as ehr:
        sandbox.seed([{"resourceType": "Observation", "id": "o1", "status": "final", "code": {"text": "x"}}])
        (reference,) = written(ehr, problems.FULL)
        assert said(ehr, reference) == ("active", "unconfirmed")
        written(ehr, problems.of("update"), **seen(ehr, reference, "code"))
        written(ehr, problems.of("resolve", abatementDateTime="2025-06"), **seen(ehr, reference, "clinicalStatus"))
        assert said(ehr, reference) == ("resolved", "unconfirmed")
        written(ehr, problems.of("reactivate"), **seen(ehr, reference, "clinicalStatus"))
        assert "abatementDateTime" not in stored(ehr, reference)
        written(ehr, problems.of("retract"), **seen(ehr, reference, "clinicalStatus"))
        assert said(ehr, reference) == (None, "entered-in-error")
        assert stored(ehr, reference)["code"] == problems.DIABETES


def test_an_allergy_is_written_first_and_then_nothing_known_is_retired(sandbox: RunningSandbox) -> None:
    with at(sandbox) as ehr:
        (all_known,) = written(ehr, allergies.of("assertNoneKnown"))
        (food,) = written(ehr, allergies.of("assertNoneKnown", noneKnownScope="food"))
        allergy, retired = written(ehr, allergies.RECORD)
        assert retired == all_known
        assert said(ehr, all_known) == ("inactive", "confirmed")
        assert said(ehr, food) == ("active", "confirmed")
        assert said(ehr, allergy) == ("active", "unconfirmed")
    assert [entry["method"] for entry in sandbox.requests() if entry["method"] in {"POST", "PUT"}][-2:] == [
        "POST",
        "PUT",
    ]


def test_an_edit_of_nothing_known_between_reading_and_retiring_is_not_overwritten(sandbox: RunningSandbox) -> None:
    with at(sandbox) as ehr:
        (statement,) = written(ehr, allergies.of("assertNoneKnown"))
        operations = prepared(ehr, allergies.RECORD)
        (entry,) = sandbox.resources("AllergyIntolerance")
        sandbox.edit({**entry, "note": [{"text": "asked again today, says Dr. Ames"}]})
        assert [ehr.send(operation, TRACE).outcome for operation in operations] == [Outcome.APPLIED, Outcome.CONFLICT]
        assert said(ehr, statement) == ("active", "confirmed")


def held(ehr: RestEhr, action: dict[str, Any], **envelope: Any) -> str:
    with pytest.raises(NeedsPersonError) as caught:
        prepared(ehr, action, **envelope)
    return caught.value.kind


def test_nothing_known_is_not_sent_while_an_allergy_is_active(sandbox: RunningSandbox) -> None:
    with at(sandbox) as ehr:
        (reference,) = written(ehr, allergies.RECORD)
        assert held(ehr, allergies.of("assertNoneKnown")) == "active_allergy"
        assert held(ehr, allergies.of("assertNoneKnown", noneKnownScope="drug")) == "active_allergy"
        assert held(ehr, allergies.RECORD) == "possible_duplicate"
        written(ehr, allergies.of("refute"), **seen(ehr, reference, "code"))
        written(ehr, allergies.of("assertNoneKnown"))
    assert len(sandbox.resources("AllergyIntolerance")) == 2


def test_the_same_problem_is_not_added_twice_by_whichever_code(sandbox: RunningSandbox) -> None:
    with at(sandbox) as ehr:
        (reference,) = written(ehr, problems.ADD)
        by_icd = {**problems.ADD, "code": {"coding": [problems.DIABETES["coding"][1]], "text": "sugar"}}
        assert held(ehr, by_icd) == "possible_duplicate"
        written(ehr, problems.of("resolve"), **seen(ehr, reference, "clinicalStatus"))
        written(ehr, by_icd)
        assert held(ehr, problems.of("reactivate"), **seen(ehr, reference, "clinicalStatus")) == "possible_duplicate"
    assert len(sandbox.resources("Condition")) == 2


def test_a_clinicians_edit_is_not_overwritten_unseen(sandbox: RunningSandbox) -> None:
    with at(sandbox) as ehr:
        (reference,) = written(ehr, allergies.RECORD)
        looked = seen(ehr, reference, "criticality")
        (entry,) = sandbox.resources("AllergyIntolerance")
        sandbox.edit({**entry, "note": [{"text": "anaphylaxis last week, says Dr. Ames"}]})
        with pytest.raises(TargetMovedError):
            prepared(ehr, allergies.of("inactivate"), **looked)
        assert said(ehr, reference) == ("active", "unconfirmed")


def test_a_lost_answer_is_found_again_in_either_list(sandbox: RunningSandbox) -> None:
    with at(sandbox) as ehr:
        for name, action, end in (
            ("a", allergies.RECORD, allergies.of("resolve")),
            ("p", problems.ADD, problems.of("resolve")),
        ):
            (reference,) = written(ehr, action)
            (operation,) = prepared(ehr, end, **seen(ehr, reference, "code"))
            sandbox.faults({"id": name, "fault": "commit_then_drop", "match": PUT_FAULT, "times": 1})
            assert ehr.send(operation, TRACE).outcome is Outcome.UNKNOWN
            assert ehr.probe(operation, TRACE).verdict is ProbeVerdict.APPLIED
            assert exact_json.parse(operation.body)["id"] == reference.partition("/")[2]
