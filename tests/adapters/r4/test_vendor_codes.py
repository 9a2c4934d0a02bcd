"""The EHR's own code before FHIR's, FHIR's before none, an empty body as a code of its own; a patch as an update of a part."""

import json
from typing import Any

import pytest

from adapters.r4.answers import EMPTY, ERRORS, ErrorTable, classify
from adapters.wire import Answer
from canonical.outcome import Outcome, Settlement
from canonical.ports import Interaction, Operation
from tests.adapters.commands import NOW

TABLE: ErrorTable = {
    **ERRORS,
    (None, None, "59189"): Outcome.CONFLICT,
    (None, 409, "59189"): Outcome.LOCKED,
    (Interaction.UPDATE, None, "7"): Outcome.GONE,
    (None, 403, EMPTY): Outcome.REJECTED_SITE_CONFIG,
    (None, 422, "business-rule"): Outcome.NOT_SUPPORTED,
}


def sent(interaction: Interaction) -> Operation:
    return Operation(
        interaction=interaction,
        resource_type="Observation",
        reference=None if interaction is Interaction.CREATE else "Observation/o1",
        body=b"{}",
        mark="m",
        mapping_version="x",
    )


def issue(code: str, *own: str, severity: str = "error") -> dict[str, Any]:
    return {"severity": severity, "code": code, "details": {"coding": [{"system": "urn:own", "code": c} for c in own]}}


def judged(interaction: Interaction, status: int, *issues: dict[str, Any], **headers: str) -> Settlement:
    outcome = {"resourceType": "OperationOutcome", "issue": list(issues)}
    body = json.dumps(outcome).encode() if issues else b""
    return classify(sent(interaction), Answer(status=status, body=body, headers=headers), now=NOW, errors=TABLE)


@pytest.mark.parametrize(
    ("status", "issues", "outcome"),
    [
        (400, [issue("invalid", "59189")], Outcome.CONFLICT),
        (409, [issue("invalid", "59189")], Outcome.LOCKED),
        (422, [issue("business-rule")], Outcome.NOT_SUPPORTED),
        (422, [issue("business-rule", "59189")], Outcome.CONFLICT),
        (422, [issue("invalid", "1"), issue("invalid", "59189")], Outcome.CONFLICT),
        (422, [issue("invalid", "59189", severity="information")], Outcome.REJECTED_PAYLOAD),
        (422, [issue("invalid", "1")], Outcome.REJECTED_PAYLOAD),
        (403, [], Outcome.REJECTED_SITE_CONFIG),
        (403, [issue("forbidden")], Outcome.NOT_SUPPORTED),
    ],
)
def test_most_particular_known_code_decides(status: int, issues: list[dict[str, Any]], outcome: Outcome) -> None:
    assert judged(Interaction.CREATE, status, *issues).outcome is outcome


def test_row_of_an_update_holds_for_a_patch_and_not_for_a_create() -> None:
    assert judged(Interaction.PATCH, 400, issue("invalid", "7")).outcome is Outcome.GONE
    assert judged(Interaction.CREATE, 400, issue("invalid", "7")).outcome is Outcome.REJECTED_PAYLOAD
    assert judged(Interaction.PATCH, 412).outcome is Outcome.CONFLICT
    assert judged(Interaction.PATCH, 404).outcome is Outcome.GONE


def test_patch_names_its_entry_itself() -> None:
    settled = judged(Interaction.PATCH, 200, etag='W/"2"')
    assert (settled.outcome, settled.reference, settled.version) == (Outcome.APPLIED, "Observation/o1", "2")
    assert judged(Interaction.PATCH, 200).outcome is Outcome.UNKNOWN
