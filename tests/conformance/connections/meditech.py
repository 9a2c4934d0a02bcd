"""MEDITECH as its open server has it: messages for what it takes in no other way."""

from __future__ import annotations

from tests.conformance.connection import ATTRIBUTION, TO, Connection

CONNECTION = Connection(options={"leaves_out": ATTRIBUTION, **TO})
