"""Undoing an entry in the chart: the command that does it, made from the command that wrote it. Nothing is sent here.

It is a command like any other: the reviewer is its author, it names the version that we wrote, and a chart that moved since is
a conflict. What takes an entry back says so and why; what makes up for a change puts back what the entry said before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_args, get_origin
from uuid import UUID

from canonical import exact_json
from canonical.action import Action, action_specs, spec_for
from canonical.datatypes import CodeableConcept
from canonical.envelope import Envelope, parse_envelope
from canonical.errors import RefusedError
from canonical.judgement import check_content, check_target
from canonical.principal import Principal
from canonical.reviewer import Licence, Reviewer

#: The app in whose name reviewers give commands: consents, switches and quotas name it as they name any other.
REVIEW_APP = "writeback-review"
#: Where an action says why it takes something back.
_REASONS = ("retractReason", "changeReason", "statusReason")
#: What names the entry that is meant, whatever the action.
_NAMES = frozenset(
    {
        *("code", "noneKnownScope", "medication", "vaccineCode", "questionnaire"),
        *("measure", "gapIdentifier", "docType", "topic"),
    }
)
_ROLES: Mapping[Licence, str] = {
    Licence.PRESCRIBER: "prescriber",
    Licence.PHARMACIST: "pharmacist",
    Licence.NURSE: "nurse",
}


@dataclass(frozen=True, kw_only=True)
class Wrote:
    """What a command wrote: ``fields`` of the entry as R4 JSON by canonical name, its ``version``, and when (UTC).

    ``reference`` (``Type/id``) names the entry where it is one of several of the command; ``before`` is what the entry said
    before it was changed, ``None`` where that is not known, or nothing.
    """

    command: UUID
    fields: Mapping[str, Any]
    version: str | None
    at: datetime
    reference: str | None = None
    before: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class ReviewPrincipal(Principal):
    """A reviewer who gives a command; histories name them by who they are at the desk."""

    person: str

    @property
    def actor(self) -> str:
        """Who did it, for events and histories."""
        return f"app:{self.app} {self.person}"


def ways_back(action_type: str) -> tuple[str, ...]:
    """Return the operations of an action that take an entry back."""
    return tuple(name for name, rule in action_specs()[action_type].operations.items() if rule.takes_back)


def principal_of(reviewer: Reviewer, action_type: str, operation: str) -> ReviewPrincipal:
    """Return the reviewer as who may give one operation and nothing else."""
    return ReviewPrincipal(
        tenant=reviewer.tenant,
        app=REVIEW_APP,
        user=reviewer.fhir_user or reviewer.subject,
        issuer=reviewer.issuer,
        scopes=frozenset({f"writeback/{action_type}.{operation}"}),
        person=reviewer.actor,
    )


def compensation_key(command: UUID, operation: str, reviewer: Reviewer, *, tries: int) -> str:
    """Return the idempotency key of a reviewer's wish; ``tries`` counts commands for it that ended without effect."""
    parts = (str(command), operation, reviewer.issuer, reviewer.subject, str(tries))
    return "review:" + hashlib.sha256("\x1f".join(parts).encode()).hexdigest()


def compensation(
    envelope: Envelope, wrote: Wrote, operation: str, *, reviewer: Reviewer, reason: str, now: datetime
) -> dict[str, Any]:
    """Return, as JSON, the envelope of the command that undoes what ``envelope`` wrote; ``now`` is UTC.

    Whether the door takes it is the door's to say: what makes up for a change needs to know what was there before.
    """
    body: dict[str, Any] = {
        "connection": envelope.connection,
        "action": _action(envelope.action, wrote, operation, reason),
        "patient": envelope.patient.as_json(),
        "target": _target(envelope.action, wrote, operation, reviewer, now),
        "author": _author(reviewer),
        "consent": envelope.consent.as_json(),
        "purposeOfUse": envelope.purpose_of_use,
        "reason": reason,
    }
    if envelope.encounter is not None:
        body["encounter"] = envelope.encounter.as_json()
    if envelope.security_label:
        body["securityLabel"] = [label.as_json() for label in envelope.security_label]
    return body


def _action(action: Action, wrote: Wrote, operation: str, reason: str) -> dict[str, Any]:
    fields = {info.alias or name: info for name, info in type(action).model_fields.items()}
    said = {**wrote.fields, **action.as_json()}
    # What the author called it comes before what the entry is called: both may not be named at once.
    stated = [*action.as_json(), *wrote.fields]
    named = next((name for name in stated if name in _NAMES and name in fields and said[name] is not None), None)
    needed = [name for name, info in fields.items() if info.is_required() and name not in {"type", "operation"}]
    names = dict.fromkeys([*needed, *([named] if named else [])])
    why = next((name for name in _REASONS if name in fields), None)
    return {
        "type": action.type,
        "operation": operation,
        **{name: said[name] for name in names if name in said},
        **(_as_before(action, wrote) if operation == action.operation else {}),
        **({why: _as_field(fields[why].annotation, reason)} if why is not None else {}),
    }


def put_back(action: Action, wrote: Wrote) -> dict[str, Any]:
    """Return what an entry said before ``action`` changed it, of all that counts: field → R4 JSON, ``None`` to clear it.

    Who noted it and when stays with the change that is made up for. Nothing where it is not known what was there.
    """
    counts = [name for group in spec_for(action).field_groups if group.significance == "high" for name in group.fields]
    then, known = wrote.before, type(action).model_fields
    names = {info.alias or name for name, info in known.items()} - _NAMES - {*_REASONS, "status"}
    if then is None:
        return {}
    return {name: then.get(name) for name in counts if name in names and then.get(name) != wrote.fields.get(name)}


def _as_before(action: Action, wrote: Wrote) -> dict[str, Any]:
    """Return what is put back, beside what ``action`` says of the entry that it left as it was: by that it is read."""
    changed, said = put_back(action, wrote), action.as_json()
    if not changed:
        return {}
    heavy = {name for group in spec_for(action).field_groups if group.significance == "high" for name in group.fields}
    same = {name: said[name] for name in said if name in heavy - {*_REASONS, *changed} and said[name] is not None}
    return {**same, **changed}


def is_takeable(body: Mapping[str, Any], action: Action, wrote: Wrote, now: datetime) -> bool:
    """Whether the door would take ``body``, which undoes ``action``, as far as the command itself says; ``now`` is UTC.

    One that would put nothing back undoes nothing.
    """
    if body["action"]["operation"] == action.operation and not put_back(action, wrote):
        return False
    try:
        envelope = parse_envelope(exact_json.dumps(body).encode())
        check_target(envelope)
        check_content(envelope, now)
    except RefusedError:
        return False
    return True


def _as_field(annotation: Any, text: str) -> Any:
    """Return words in the form of a field: as they are, as a concept, or as a list of one."""
    kinds = set(_kinds(annotation))
    if CodeableConcept not in kinds:
        return text
    return [{"text": text}] if tuple in kinds else {"text": text}


def _kinds(annotation: Any) -> list[Any]:
    origin = get_origin(annotation)
    return [origin or annotation, *(kind for inner in get_args(annotation) for kind in _kinds(inner))]


def _target(action: Action, wrote: Wrote, operation: str, reviewer: Reviewer, now: datetime) -> dict[str, Any]:
    """Return the entry by the command that wrote it, in the version that it wrote: any later edit is a conflict."""
    rule = spec_for(action).operations[operation]
    target: dict[str, Any] = {"seenAt": wrote.at.isoformat()}
    target |= {"reference": wrote.reference} if wrote.reference is not None else {"command": str(wrote.command)}
    if wrote.version is not None:
        target["versionId"] = wrote.version
    if rule.needs_seen or wrote.version is None:
        target["seen"] = dict(wrote.fields)
    if rule.high_risk:
        target["acknowledged"] = {"by": _identifier(reviewer), "when": now.isoformat()}
    return target


def _author(reviewer: Reviewer) -> dict[str, Any]:
    role = next((role for licence, role in _ROLES.items() if licence in reviewer.licences), "other")
    author: dict[str, Any] = {"identifier": _identifier(reviewer), "role": role}
    if reviewer.fhir_user is not None:
        author["reference"] = "/".join(reviewer.fhir_user.split("/")[-2:])
    return author


def _identifier(reviewer: Reviewer) -> dict[str, str]:
    return {"system": reviewer.issuer, "value": reviewer.subject}
