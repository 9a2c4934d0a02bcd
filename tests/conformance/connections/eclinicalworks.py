"""eClinicalWorks as one practice has it, whose users take over all that is written."""

from __future__ import annotations

from tests.conformance.connection import ATTRIBUTION, PLAIN_MEDICATION, Connection, answer, issue
from tests.factories import Json


def _transaction(number: str) -> Json:
    entry = {"response": {"status": number, "outcome": issue("processing")}}
    return {"resourceType": "Bundle", "type": "transaction-response", "entry": [entry]}


CONNECTION = Connection(
    lists=frozenset(
        {
            ("AllergyUpdate", "record"),
            ("MedicationChange", "start"),
            ("ProblemUpdate", "add"),
        }
    ),
    behaviour={"calls_per_minute": None},
    # Whether vital signs wait to be taken over is not said: here all that is written does.
    quirks={"reconciled": ["AllergyIntolerance", "Condition", "MedicationStatement", "Observation"]},
    options={
        "leaves_out": [*ATTRIBUTION, "encounter"],
    },
    says={"MedicationChange": PLAIN_MEDICATION},
    failure_inside=answer(200, _transaction("139")),
    unknown_code=answer(200, _transaction("9999")),
)
