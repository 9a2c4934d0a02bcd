"""The standard server, which asks for nothing."""

from __future__ import annotations

from tests.conformance.connection import Connection

CONNECTION = Connection(
    takes_provenance=True,
    lists=frozenset(
        {
            ("AllergyUpdate", "record"),
            ("AllergyUpdate", "update"),
            ("MedicationChange", "changeDose"),
            ("MedicationChange", "start"),
            ("ProblemUpdate", "add"),
            ("ProblemUpdate", "update"),
        }
    ),
    options={"keeps_security_labels": True},
)
