"""Errors, named by what happens next; not problem documents (``api/problems.py``) and never clinical content."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import timedelta


class WritebackError(Exception):
    """Something in the write-back service went wrong; the root of every error of this product."""

    def __init__(self, message: str = "") -> None:
        """Take ``message``, or the first line of the class's docstring."""
        super().__init__(message or (type(self).__doc__ or "").strip().splitlines()[0])


class IllegalTransitionError(WritebackError):
    """The life cycle has no such move."""

    def __init__(self, state: str, trigger: str) -> None:
        """Carry the pair that is not in the table."""
        super().__init__(f"no move from '{state}' by '{trigger}'")
        self.state, self.trigger = state, trigger


@dataclass(frozen=True, kw_only=True)
class FieldError:
    """One thing wrong with a field: RFC 6901 ``pointer``, stable ``code``, ``detail`` that never repeats the value."""

    pointer: str
    code: str
    detail: str


class RefusedError(WritebackError):
    """The door refuses the command; nothing was stored but the refusal, and no idempotency key was used up.

    ``code`` is a stable reason (``invalid-field``, ``consent-absent``…), ``retry`` says whether asking again helps:
    ``never``, ``afterConsent``, ``afterApproval``, ``afterConfirmation``, ``later``.
    """

    def __init__(self, code: str, message: str, *, errors: tuple[FieldError, ...] = (), retry: str = "never") -> None:
        """Carry the reason and the fields it concerns."""
        super().__init__(message)
        self.code, self.errors, self.retry = code, errors, retry


class UnsupportedActionError(WritebackError):
    """This connection cannot express the action, and the command allows no fallback: a person must decide."""


class NeedsPersonError(WritebackError):
    """Something only a person may decide stands before sending; nothing was sent.

    ``kind`` names the case to open, for example ``identity_mismatch``; ``code`` what others of its cause have in common: an
    answer's code or a ``system|code``, never free text nor anything that says who the patient is. ``rests_on`` is the digest
    (hex) of the entries of the chart that it is about, where a decision must hold of just what they say; else empty.
    """

    def __init__(self, kind: str, message: str, *, code: str = "", rests_on: str = "") -> None:
        """Carry the kind of case, the code of its cause, and the digest of what it rests on."""
        super().__init__(message)
        self.kind, self.code, self.rests_on = kind, code, rests_on


class TargetMovedError(WritebackError):
    """The target is not as its author saw it; nothing was sent, the conflict must be decided."""


class InvalidPayloadError(WritebackError):
    """What would be sent is not valid FHIR; nothing was sent. Carries element paths, never values."""


class EhrUnavailableError(WritebackError):
    """The EHR could not be read; nothing was written. Park the connection and try later.

    ``retry_after`` is the EHR's own wish, if it stated one; ``reason`` is ``outage``, ``throttled`` or ``auth``.
    """

    def __init__(self, reason: str, retry_after: timedelta | None = None) -> None:
        """Carry why, and how long the EHR asks to wait."""
        super().__init__(f"the EHR could not be read: {reason}")
        self.reason, self.retry_after = reason, retry_after


class ConfigurationError(WritebackError):
    """A setting is missing or contradicts another; correct the setting named and start again."""


class StoreUnavailableError(WritebackError):
    """The database could not be reached; nothing was accepted. Ask again later with the same key."""
