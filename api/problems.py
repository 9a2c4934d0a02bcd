"""Every problem the doors answer with, in one table: status, title, whether asking again helps. RFC 9457 documents.

Values of the request are never echoed: a document names the field, a stable code, and what to do.
"""

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse

from api.tracing import CORRELATION_HEADER
from canonical.admission import BusyError
from canonical.errors import FieldError, RefusedError, StoreUnavailableError, WritebackError
from canonical.review_desk import ReviewError
from tasks.receive import ReceiptLostError

MEDIA_TYPE = "application/problem+json"
_URN = "urn:fhir-writeback:problem:"


@dataclass(frozen=True)
class ProblemType:
    """A kind of problem: HTTP status, title, and when to ask again with the same key."""

    status: int
    title: str
    retry: str = "never"


#: The code is the last part of the type URI; both are stable for ever.
PROBLEMS: dict[str, ProblemType] = {
    "malformed-json": ProblemType(400, "The body is not JSON that can be accepted"),
    "malformed-request": ProblemType(400, "The request cannot be understood"),
    "idempotency-key-required": ProblemType(400, "A key is needed"),
    "invalid-idempotency-key": ProblemType(400, "The key is not well-formed"),
    "unauthenticated": ProblemType(401, "A valid bearer token is needed"),
    "notification-unproven": ProblemType(401, "Nothing proves where the notification comes from"),
    "not-permitted": ProblemType(403, "The token does not allow this"),
    "author-unverified": ProblemType(403, "The author must be logged in"),
    "consent-absent": ProblemType(403, "No consent covers this", "afterConsent"),
    "consent-revoked": ProblemType(403, "The consent has ended", "afterConsent"),
    "read-only-by-policy": ProblemType(403, "Policy does not allow this to be written"),
    "person-required": ProblemType(403, "A person must decide this"),
    "second-signer": ProblemType(403, "Somebody else must sign this"),
    "not-found": ProblemType(404, "There is no such thing here"),
    "connection-unknown": ProblemType(404, "This tenant has no such EHR connection"),
    "method-not-allowed": ProblemType(405, "This address does not know the method"),
    "body-too-slow": ProblemType(408, "The body did not arrive in time", "later"),
    "in-progress": ProblemType(409, "The first request with this key is still being accepted", "later"),
    "too-late-to-cancel": ProblemType(409, "It was sent, or may have been sent"),
    "acknowledgement-outdated": ProblemType(409, "What its author saw is not where it is now"),
    "not-asked": ProblemType(409, "Its author is asked nothing"),
    "consent-patient-fixed": ProblemType(409, "A consent cannot change its patient"),
    "too-many-endpoints": ProblemType(409, "The app is told at as many addresses as it may"),
    "claimed-by-another": ProblemType(409, "A colleague has the case"),
    "stale-view": ProblemType(409, "The chart or the command moved since it was shown"),
    "already-decided": ProblemType(409, "It was decided before"),
    "not-possible": ProblemType(409, "This cannot be decided of the case as it is now"),
    "body-too-large": ProblemType(413, "The body is too large"),
    "unsupported-media-type": ProblemType(415, "The body must be application/json"),
    "unknown-action": ProblemType(422, "There is no such action"),
    "invalid-field": ProblemType(422, "Some fields cannot be accepted"),
    "deadline-passed": ProblemType(422, "The command's own deadline has passed"),
    "precondition-required": ProblemType(422, "A change needs what its author saw"),
    "target-not-allowed": ProblemType(422, "An operation that creates takes no target"),
    "target-unknown": ProblemType(422, "The target is not one of this patient's commands"),
    "predecessor-unknown": ProblemType(422, "An earlier command named does not exist"),
    "confirmation-required": ProblemType(422, "Its author must confirm an implausible value", "afterConfirmation"),
    "acknowledgement-required": ProblemType(422, "Its author must acknowledge a high-risk change", "afterConfirmation"),
    "idempotency-key-reused": ProblemType(422, "The key was used for other content"),
    "unsupported-by-ehr": ProblemType(422, "The EHR cannot take this"),
    "label-unsupported": ProblemType(422, "The connection does not keep security labels"),
    "address-refused": ProblemType(422, "Callbacks may not go to this address"),
    "reason-required": ProblemType(422, "A decision needs its reason"),
    "forged-view": ProblemType(422, "The decision names no look that its person had"),
    "notification-unreadable": ProblemType(422, "The notification is in no form that is known"),
    "field-missing": ProblemType(422, "A field was left undecided"),
    "value-refused": ProblemType(422, "A value that was typed cannot be written"),
    "quota-exceeded": ProblemType(429, "Too many commands in an hour", "later"),
    "internal": ProblemType(500, "A defect of this service"),
    "store-unavailable": ProblemType(503, "Nothing was accepted", "later"),
    "chart-unreadable": ProblemType(503, "The chart cannot be read now; nothing was decided", "later"),
    "receipt-lost": ProblemType(503, "It is not known whether it was stored", "later"),
    "issuer-unavailable": ProblemType(503, "Tokens cannot be checked now; nothing was accepted", "later"),
}
_STORE_DOWN = "The database cannot be reached, so nothing was accepted. Send it again with the same key."
#: Seconds after which a database that restarts or fails over is usually back.
_STORE_BACK = timedelta(seconds=5)
#: Seconds after which an EHR that did not answer is worth another look: a person waits.
_CHART_BACK = timedelta(seconds=10)


class Problem(WritebackError):
    """The request is answered with a problem document of type ``code`` (a key of :data:`PROBLEMS`)."""

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        errors: tuple[FieldError, ...] = (),
        retry_after: timedelta | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        """Carry what the document says beside its type's own words."""
        self.kind = PROBLEMS[code]
        super().__init__(detail or f"{self.kind.title}.")
        self.code, self.errors, self.retry_after, self.headers = code, errors, retry_after, headers or {}

    @property
    def retry_after_s(self) -> int | None:
        """Whole seconds to wait before asking again, if that is known."""
        return None if self.retry_after is None else max(1, math.ceil(self.retry_after.total_seconds()))

    def document(self, correlation_id: str | None = None) -> dict[str, Any]:
        """Return the members of the document."""
        said: dict[str, Any] = {
            "type": type_uri(self.code),
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": str(self),
            "code": self.code,
            "retry": self.kind.retry,
        }
        if self.errors:
            said["errors"] = [vars(error) for error in self.errors]
        if correlation_id is not None:
            said["correlationId"] = correlation_id
        return said

    def response(self, request: Request) -> JSONResponse:
        """Return the answer to ``request``."""
        headers = dict(self.headers)
        if self.retry_after_s is not None:
            headers["Retry-After"] = str(self.retry_after_s)
        correlation_id = getattr(request.state, "correlation_id", None)
        if correlation_id is not None:
            headers[CORRELATION_HEADER] = correlation_id
        content = self.document(correlation_id)
        return JSONResponse(content, status_code=self.kind.status, headers=headers, media_type=MEDIA_TYPE)


def type_uri(code: str) -> str:
    """Return the type URI of a code in :data:`PROBLEMS`."""
    return _URN + code


def problem_of(error: WritebackError) -> Problem:
    """Return the problem that tells of ``error``; what has no row in the table is a defect of ours."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, RefusedError):
        retry_after = error.retry_after if isinstance(error, BusyError) else None
        # What is left of a body that came too slowly would be taken for the next request.
        headers = {"Connection": "close"} if error.code == "body-too-slow" else None
        return Problem(error.code, str(error), errors=error.errors, retry_after=retry_after, headers=headers)
    if isinstance(error, ReviewError):
        return Problem(error.code, str(error), retry_after=_CHART_BACK if error.code == "chart-unreadable" else None)
    if isinstance(error, ReceiptLostError):
        return Problem("receipt-lost", str(error), retry_after=_STORE_BACK)
    if isinstance(error, StoreUnavailableError):
        return Problem("store-unavailable", _STORE_DOWN, retry_after=_STORE_BACK)
    return Problem("internal")


def not_found() -> Problem:
    """Return the one answer to what is not there and to what is another tenant's."""
    return Problem("not-found", "There is no such thing for this tenant and app.")


def not_permitted(scope: str) -> Problem:
    """Return the answer to a token without ``scope``."""
    return Problem("not-permitted", f"This needs a token with the scope {scope}.")
