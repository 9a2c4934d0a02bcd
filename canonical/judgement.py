"""What a door judges from the envelope alone: authority, target, deadline, content. Pure; no consent, no keys."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from canonical.action import ActionSpec, spec_for, with_parts
from canonical.base import unseen
from canonical.clinical_context import FUTURE_TOLERANCE
from canonical.envelope import Envelope, Target
from canonical.errors import FieldError, RefusedError
from canonical.principal import Principal

#: Option of a connection whose EHR keeps ``meta.security``.
KEEPS_LABELS = "keeps_security_labels"
AUTHENTICATED = "authenticated"
ASSERTED = "asserted"


def check_authority(envelope: Envelope, principal: Principal) -> str:
    """Return whether the author is ``authenticated`` (logged in) or ``asserted`` (a backend app says so).

    Raises :class:`RefusedError` ``not-permitted`` (scope) or ``author-unverified`` (this action wants a person logged
    in as its author). What may not be sent alone may not be sent as a part of something else either.
    """
    actions = with_parts(envelope)
    for action in actions:
        if not principal.may(action.type, action.operation):
            raise RefusedError(
                "not-permitted",
                f"The token's scopes do not allow {action.type}.{action.operation}. Nothing was accepted.",
            )
    if principal.is_author(envelope.author):
        return AUTHENTICATED
    if not all(spec_for(action).asserted_author_allowed for action in actions):
        error = FieldError(pointer="/author", code="author-unverified", detail="not the person who is logged in")
        raise RefusedError(
            "author-unverified", "This action is taken only from the author in person, logged in.", errors=(error,)
        )
    return ASSERTED


def check_labels(envelope: Envelope, options: Mapping[str, Any]) -> None:
    """Pass only if nothing is labelled or the connection, by its ``options``, keeps labels.

    Raises :class:`RefusedError` ``label-unsupported``.
    """
    if envelope.security_label and options.get(KEEPS_LABELS) is not True:
        error = FieldError(pointer="/securityLabel", code="label-unsupported", detail="this EHR would drop the label")
        raise RefusedError(
            "label-unsupported",
            "This connection does not keep security labels, so labelled content may not be written through it.",
            errors=(error,),
        )


def check_target(envelope: Envelope, guarded: Collection[str] | None = None) -> None:
    """Pass only if the envelope names what it changes and what its author saw of it, and a create names nothing.

    ``guarded``: the field groups that policy lets nobody change unseen, as :func:`canonical.base.unseen`. A high-risk change is
    acknowledged besides, and not before its author saw what it changes. Raises :class:`RefusedError`
    ``precondition-required``, ``target-not-allowed`` or ``acknowledgement-required``.
    """
    rule, target = spec_for(envelope.action).rule(envelope.action), envelope.target
    if rule.creates:
        if target is not None:
            error = FieldError(pointer="/target", code="target-not-allowed", detail="this operation makes a new entry")
            raise RefusedError("target-not-allowed", "An operation that creates takes no target.", errors=(error,))
        return
    missing = missing_of_target(envelope, guarded)
    if missing:
        raise RefusedError(
            "precondition-required",
            "A change is taken only together with what its author saw, so that no unseen edit is overwritten. Nothing was "
            "accepted: send the version that its author saw, or the values of the fields that it changes, as they saw them.",
            errors=(missing,),
        )
    lacking = _missing_acknowledgement(target) if rule.high_risk else None
    if lacking is not None:
        raise RefusedError(
            "acknowledgement-required",
            "This change can do harm if it is not meant. Show its author what the chart says now and what it will say, and "
            "send it again with their acknowledgement.",
            errors=(lacking,),
            retry="afterConfirmation",
        )


def _missing_acknowledgement(target: Target | None) -> FieldError | None:
    acknowledged = target.acknowledged if target else None
    if target is None or acknowledged is None:
        return FieldError(pointer="/target/acknowledged", code="required", detail="who was shown it, and when")
    if target.seen_at is not None and acknowledged.when < target.seen_at:
        detail = "before the author looked at the chart"
        return FieldError(pointer="/target/acknowledged/when", code="acknowledged-before-seen", detail=detail)
    return None


def missing_of_target(envelope: Envelope, guarded: Collection[str] | None = None) -> FieldError | None:
    """Return what a change lacks of its target: which resource, and what its author saw of it; ``guarded`` as above.

    Without a version only what they saw tells whether somebody changed it since, so all that the change touches must be there.
    """
    target, rule = envelope.target, spec_for(envelope.action).rule(envelope.action)
    if target is None:
        return FieldError(pointer="/target", code="required", detail="name what is changed")
    if rule.needs_seen and target.seen is None:
        return FieldError(pointer="/target/seen", code="required", detail="the fields the author had on the screen")
    if target.command is not None or target.version_id is not None:
        # What an earlier command of ours wrote is known here; its content is what the author saw.
        return None
    if target.seen is None:
        return FieldError(pointer="/target/versionId", code="required", detail="or 'seen', or 'command'")
    names = unseen(envelope, guarded)
    if names:
        detail = f"'versionId', or what its author saw of {', '.join(names)}, null for what they saw to be empty"
        return FieldError(pointer="/target/seen", code="base-unknown", detail=detail)
    return None


def check_content(envelope: Envelope, now: datetime) -> None:
    """Pass only if the content is possible, still wanted at ``now`` (UTC), and confirmed where it is implausible.

    Raises :class:`RefusedError` ``deadline-passed``, ``invalid-field`` or ``confirmation-required``.
    """
    spec: ActionSpec = spec_for(envelope.action)
    # Our clock may be off; the claim judges by the database's, and sends nothing late.
    if envelope.not_after is not None and envelope.not_after <= now - FUTURE_TOLERANCE:
        error = FieldError(pointer="/notAfter", code="in-the-past", detail="this deadline has passed")
        raise RefusedError("deadline-passed", "The command's own deadline has passed.", errors=(error,))
    wrong = spec.check(envelope, now)
    if wrong:
        raise RefusedError("invalid-field", "The command has fields that cannot be accepted.", errors=tuple(wrong))
    doubtful = spec.confirmations(envelope, now)
    if doubtful:
        raise RefusedError(
            "confirmation-required",
            "This is implausible. If it is right, let its author confirm it and send it again with 'confirmed'.",
            errors=tuple(doubtful),
            retry="afterConfirmation",
        )
