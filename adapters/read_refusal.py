"""What an answer to a read says where it shows nothing: the EHR is away, the record was merged, or this one is refused. Pure."""

from __future__ import annotations

from adapters.r4.operation_outcome import failures, issue_codes, vendor_codes
from adapters.wire import Answer
from canonical.capabilities import Capabilities
from canonical.errors import EhrUnavailableError, NeedsPersonError


def is_away(known: Capabilities, answer: Answer) -> bool:
    """Return whether an answer to a read is one of an EHR that is away, and not about the resource that was asked for."""
    codes = issue_codes(failures(answer))
    return answer.status >= 500 and not any((answer.status, code) in known.unreadable for code in codes)


def says_merged(known: Capabilities, answer: Answer) -> bool:
    """Return whether the EHR says by a code of its own that what was asked for was merged into another record."""
    return bool(known.merged.intersection(vendor_codes(failures(answer))))


def refusal(known: Capabilities, answer: Answer) -> EhrUnavailableError | NeedsPersonError:
    """Return what to raise of an answer that shows nothing.

    A 5xx, or a success that is no FHIR (a gateway's page), says that the EHR is away; a 4xx is about this resource.
    """
    if says_merged(known, answer):
        return NeedsPersonError("merged_patient", "The EHR says that the record was merged into another.")
    if answer.status < 400 or is_away(known, answer):
        return EhrUnavailableError("outage")
    return NeedsPersonError(
        "not_readable",
        f"The EHR refuses to show what the command is about (HTTP {answer.status}).",
        code=f"http-{answer.status}",
    )
