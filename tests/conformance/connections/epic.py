"""Epic as one organization has it: all APIs licensed, weights kept in kilograms."""

from __future__ import annotations

from canonical.action import action_specs
from tests.conformance.connection import ATTRIBUTION, Connection
from tests.factories import ABSENT

CONNECTION = Connection(
    lists=frozenset(
        {
            ("AllergyUpdate", "record"),
            ("ProblemUpdate", "add"),
        }
    ),
    options={
        "units": {"29463-7": "kg", "8867-4": "/min"},
        "leaves_out": [*ATTRIBUTION, "title"],
    },
    # What it is told in words is a note, which it files in an encounter too.
    visits=frozenset(action_specs()),
    says={("AllergyUpdate", "record"): {"criticality": ABSENT}},
)
