"""Putting together what tells authors, and giving the store the terms of the queue's policy. Importing it builds nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from reconcile.author_notices import AuthorNotices
from store.acknowledgements import set_acknowledgement_terms
from store.case_terms import set_case_terms
from store.overdue import OverdueAcknowledgements

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from canonical.ports import ConnectionSettings
    from canonical.queue_policy import QueuePolicy
    from config.review_wiring import Doors


def set_terms(engine: Engine, policy: QueuePolicy) -> None:
    """Let cases and acknowledgements be due as ``policy`` says, from now on."""
    set_case_terms(engine, {severity: policy.due_within(severity) for severity in policy.severity})
    set_acknowledgement_terms(engine, {severity: policy.acknowledged_within(severity) for severity in policy.severity})


def author_notices(
    engine: Engine, connections: Mapping[tuple[str, str], ConnectionSettings], doors: Doors, *, actor: str
) -> AuthorNotices:
    """Return what sends messages to authors, through the door that apps use."""
    return AuthorNotices(
        overdue=OverdueAcknowledgements(engine, actor=actor),
        connections=connections,
        capabilities=doors.capabilities,
        receiver=doors.receiver,
        admissions=doors.admissions,
    )
