"""Whether a recorded consent covers a command at the door; not the gate, which asks again when the command is sent."""

from dataclasses import dataclass
from datetime import datetime

from canonical.action import with_parts
from canonical.envelope import Envelope
from canonical.errors import FieldError, RefusedError

#: In ``actions`` and ``apps``: covers all of them.
ALL = "*"
_POINTER = "/consent/reference"


@dataclass(frozen=True, kw_only=True)
class ConsentTerms:
    """A consent as it stands: its version, whose it is, and what it covers.

    ``patient_key`` is the 32-byte digest of :func:`canonical.admission.patient_key`; ``actions`` holds types
    (``VitalReading``), operations (``VitalReading.record``) or ``*``; ``apps`` app ids or ``*``; ``purposes`` HL7
    PurposeOfUse codes. Times are UTC; ``valid_until`` is the first moment after it. An empty list covers nothing.
    """

    id: int
    reference: str
    version: int
    patient_key: bytes
    active: bool
    purposes: tuple[str, ...]
    actions: tuple[str, ...]
    apps: tuple[str, ...]
    valid_from: datetime
    valid_until: datetime | None = None

    def covers_action(self, action_type: str, operation: str) -> bool:
        """Whether the consent names the action, the operation, or all."""
        return not {ALL, action_type, f"{action_type}.{operation}"}.isdisjoint(self.actions)


def check_consent(
    terms: ConsentTerms | None, envelope: Envelope, *, patient_key: bytes, app: str, now: datetime
) -> ConsentTerms:
    """Return ``terms`` if they cover ``envelope`` from ``app`` at ``now`` (UTC).

    Raises :class:`RefusedError` ``consent-revoked`` (it ended) or ``consent-absent`` (none, another patient's, or it
    does not cover this), both to be tried again after consent was given.
    """
    if terms is None or terms.patient_key != patient_key:
        # One answer for both: an app must not learn that another patient has such a consent.
        raise _refused("consent-absent", "There is no such consent of this patient.", "unknown")
    if not terms.active or (terms.valid_until is not None and terms.valid_until <= now):
        raise _refused("consent-revoked", "This consent has ended.", "ended")
    if terms.valid_from > now:
        raise _refused("consent-absent", "This consent has not begun.", "not-begun")
    if envelope.purpose_of_use not in terms.purposes:
        raise _refused("consent-absent", "This consent does not cover the purpose of use.", "purpose-not-covered")
    if not all(terms.covers_action(action.type, action.operation) for action in with_parts(envelope)):
        raise _refused("consent-absent", "This consent does not cover the action.", "action-not-covered")
    if {ALL, app}.isdisjoint(terms.apps):
        raise _refused("consent-absent", "This consent does not cover the app.", "app-not-covered")
    return terms


def _refused(code: str, message: str, field_code: str) -> RefusedError:
    error = FieldError(pointer=_POINTER, code=field_code, detail=message)
    return RefusedError(code, f"{message} Nothing was accepted.", errors=(error,), retry="afterConsent")
