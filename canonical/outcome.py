"""What one request to an EHR came to, as an adapter reports it; not what happens to the command next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Outcome(StrEnum):
    """The answers an adapter may give about one write."""

    #: The EHR answered success, and the answer names what it wrote.
    APPLIED = "applied"
    #: The EHR answered success, but the answer names nothing that could be read back.
    APPLIED_UNVERIFIED = "applied_unverified"
    #: The EHR took it for review; it is not in the chart.
    PENDING_REMOTE = "pending_remote"
    #: The chart already says this, by our own mark.
    ALREADY_AT_TARGET = "already_at_target"
    #: The target moved.
    CONFLICT = "conflict"
    #: Somebody has the target open; it did nothing.
    LOCKED = "locked"
    #: The target is not there any more.
    GONE = "gone"
    #: The patient's record was merged into another; it did nothing.
    MERGED = "merged"
    #: The EHR refused the content for good.
    REJECTED_PAYLOAD = "rejected_payload"
    #: The EHR's build lacks something only its owners can add.
    REJECTED_SITE_CONFIG = "rejected_site_config"
    #: The EHR cannot do this at all.
    NOT_SUPPORTED = "not_supported"
    #: Too many requests; it did nothing.
    THROTTLED = "throttled"
    #: Our credentials were refused; it did nothing.
    AUTH = "auth"
    #: Nothing was sent, or the EHR proved that it did nothing.
    UNAVAILABLE = "unavailable"
    #: The request left and no trustworthy answer came.
    UNKNOWN = "unknown"


#: The EHR took the write, whether or not it is proven yet.
TAKEN = frozenset({Outcome.APPLIED, Outcome.APPLIED_UNVERIFIED, Outcome.ALREADY_AT_TARGET, Outcome.PENDING_REMOTE})


class ProbeVerdict(StrEnum):
    """The answer to "did it happen?"; only ``NOT_APPLIED`` makes a resend legal."""

    APPLIED = "applied"
    NOT_APPLIED = "not_applied"
    CANNOT_TELL = "cannot_tell"


@dataclass(frozen=True, kw_only=True)
class Settlement:
    """What is known after one request left, ready to be stored.

    ``reference`` is ``Type/id`` of the resource written, ``version`` its opaque version, ``body`` the answer's own body
    (bytes, maybe empty), ``vendor_code`` the EHR's error code, ``detail`` a reason without clinical content,
    ``differences`` element names where an answer that is the stored resource differs from what was sent
    (``None``: the answer is no proof).
    """

    outcome: Outcome
    status: int | None = None
    reference: str | None = None
    version: str | None = None
    retry_after: timedelta | None = None
    vendor_code: str | None = None
    detail: str = ""
    body: bytes = b""
    differences: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class ProbeResult:
    """What the EHR said when asked whether a write happened."""

    verdict: ProbeVerdict
    reference: str | None = None
    version: str | None = None
    detail: str = ""
    body: bytes = b""
