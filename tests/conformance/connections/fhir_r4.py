"""The standard server, which asks for nothing."""

from __future__ import annotations

from tests.conformance.connection import Connection

CONNECTION = Connection(options={"keeps_security_labels": True})
