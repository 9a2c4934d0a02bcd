"""What an EHR's answer to one write comes to: a table of (interaction, status, code), and the rules for success.

It is careful in one direction only: whatever does not prove that nothing was written, nor names what was, is ``unknown``.

Source: HL7 FHIR R4 (4.0.1), RESTful API; RFC 9110; value set ``issue-type``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from adapters.location import Located, located
from adapters.r4.marks import has_mark
from adapters.r4.operation_outcome import (
    element_paths,
    failures,
    issue_codes,
    json_object,
    vendor_code,
    vendor_codes,
)
from adapters.retry_after import retry_after
from adapters.versions import version_from_etag, version_of
from adapters.wire import Answer, NoAnswer
from canonical.outcome import Outcome, Settlement
from canonical.ports import Interaction, Operation, Resource

CREATE, UPDATE, PATCH = Interaction.CREATE, Interaction.UPDATE, Interaction.PATCH
#: The code of an answer that has no body at all.
EMPTY = ""

#: (interaction or ``None`` for any, status or ``None`` for any, code or ``None`` for any) → what it came to. A code is one
#: by which the EHR itself names the failure, else an issue code of FHIR, else :data:`EMPTY`; the first known one decides.
ErrorTable = Mapping[tuple[Interaction | None, int | None, str | None], Outcome]
#: interaction → whose rows hold for it, the nearest first: a patch is an update of a part.
_ROWS: Mapping[Interaction, tuple[Interaction | None, ...]] = {
    CREATE: (CREATE, None),
    UPDATE: (UPDATE, None),
    PATCH: (PATCH, UPDATE, None),
}

ERRORS: ErrorTable = {
    # A redirect is never followed; whoever configured the base URL must correct it. 303 may follow a write that was done.
    (None, 301, None): Outcome.REJECTED_SITE_CONFIG,
    (None, 302, None): Outcome.REJECTED_SITE_CONFIG,
    (None, 307, None): Outcome.REJECTED_SITE_CONFIG,
    (None, 308, None): Outcome.REJECTED_SITE_CONFIG,
    (None, 401, None): Outcome.AUTH,
    # 403 is about this request; only where it speaks of the log-in is it about every request.
    (None, 403, None): Outcome.NOT_SUPPORTED,
    (None, 403, "login"): Outcome.AUTH,
    (None, 403, "expired"): Outcome.AUTH,
    (None, 403, "throttled"): Outcome.THROTTLED,
    (CREATE, 404, None): Outcome.NOT_SUPPORTED,
    (UPDATE, 404, None): Outcome.GONE,
    (CREATE, 410, None): Outcome.NOT_SUPPORTED,
    (UPDATE, 410, None): Outcome.GONE,
    (None, 405, None): Outcome.NOT_SUPPORTED,
    # A timed out or replayed-early request may have been done.
    (None, 408, None): Outcome.UNKNOWN,
    (None, 421, None): Outcome.UNKNOWN,
    (None, 425, None): Outcome.UNKNOWN,
    # On a create neither status says whose the resource in the way is: it may be our own, written before.
    (CREATE, 409, None): Outcome.UNKNOWN,
    (CREATE, 412, None): Outcome.UNKNOWN,
    (CREATE, 412, "not-supported"): Outcome.NOT_SUPPORTED,
    (UPDATE, 409, None): Outcome.CONFLICT,
    (UPDATE, 409, "lock-error"): Outcome.LOCKED,
    (UPDATE, 409, "transient"): Outcome.LOCKED,
    (UPDATE, 409, "timeout"): Outcome.UNKNOWN,
    (UPDATE, 412, None): Outcome.CONFLICT,
    (UPDATE, 412, "lock-error"): Outcome.LOCKED,
    (UPDATE, 412, "multiple-matches"): Outcome.UNKNOWN,
    (None, 423, None): Outcome.LOCKED,
    (None, 428, None): Outcome.REJECTED_SITE_CONFIG,
    (None, 429, None): Outcome.THROTTLED,
    (None, 501, None): Outcome.NOT_SUPPORTED,
}


def classify(
    operation: Operation, answer: Answer | NoAnswer, *, now: datetime, errors: ErrorTable = ERRORS
) -> Settlement:
    """Return what one answer to ``operation`` comes to (``now`` is UTC, for ``Retry-After``); pure."""
    if isinstance(answer, NoAnswer):
        outcome = Outcome.UNKNOWN if answer.sent else Outcome.UNAVAILABLE
        return Settlement(outcome=outcome, detail=answer.reason)
    if 200 <= answer.status < 300:
        return _success(operation, answer)
    issues = failures(answer)
    codes = [*vendor_codes(issues), *issue_codes(issues), *([] if answer.body else [EMPTY])]
    outcome = _outcome(operation.interaction, answer.status, codes, errors)
    return Settlement(
        outcome=outcome,
        status=answer.status,
        retry_after=retry_after(answer, now),
        vendor_code=vendor_code(issues),
        detail=_detail(answer, element_paths(issues)),
        body=answer.body,
    )


def _outcome(interaction: Interaction, status: int, codes: list[str], errors: ErrorTable) -> Outcome:
    rows = [(code, at) for code in codes for at in (status, None)]
    for code, at in (*rows, (None, status)):
        for whose in _ROWS[interaction]:
            found = errors.get((whose, at, code))
            if found is not None:
                return found
    # The other 4xx say that the request was not acted upon. Nothing else does, 5xx least of all.
    return Outcome.REJECTED_PAYLOAD if 400 <= status < 500 else Outcome.UNKNOWN


def _detail(answer: Answer, paths: list[str]) -> str:
    return f"HTTP {answer.status}" + (f" at {', '.join(paths[:5])}" if paths else "")


def _success(operation: Operation, answer: Answer) -> Settlement:
    issues = failures(answer)
    place = located(answer)
    if issues:
        # Success and failure in one breath: without a place nothing was written, with one nobody can say.
        outcome = Outcome.REJECTED_PAYLOAD if place is None else Outcome.UNKNOWN
        return _settled(answer, outcome, detail="success status with a failure in its body", code=vendor_code(issues))
    if answer.status == 202:
        found = place or Located(reference=operation.reference or "")
        return _settled(answer, Outcome.PENDING_REMOTE, place=found if found.reference else None)
    return _written(operation, answer, place)


def _written(operation: Operation, answer: Answer, place: Located | None) -> Settlement:
    body = json_object(answer.body)
    stated = _stated_place(body)
    found = place or stated
    if operation.interaction is not CREATE:
        found = found or _updated_place(operation, answer)
    if found is None:
        return _settled(answer, Outcome.UNKNOWN, detail="success that names nothing")
    if _contradicts(operation, [item for item in (place, stated) if item is not None]):
        return _settled(answer, Outcome.UNKNOWN, detail="success that names another resource")
    version = (body and stated and version_of(body)) or version_from_etag(answer.headers.get("etag", ""))
    return _settled(
        answer,
        _kind_of_success(operation, answer, body),
        place=Located(reference=found.reference, version=version or found.version),
    )


def _kind_of_success(operation: Operation, answer: Answer, body: Resource | None) -> Outcome:
    """A conditional create answered 200 with our mark is the one that an earlier attempt of ours made."""
    is_ours = body is not None and has_mark(body, operation.mark)
    if operation.interaction is CREATE and operation.if_none_exist and answer.status == 200 and is_ours:
        return Outcome.ALREADY_AT_TARGET
    return Outcome.APPLIED


def _stated_place(body: Resource | None) -> Located | None:
    """Return which resource a body is; an ``OperationOutcome`` is none."""
    if body is None or body.get("resourceType") == "OperationOutcome":
        return None
    name, id_ = body.get("resourceType"), body.get("id")
    return Located(reference=f"{name}/{id_}") if isinstance(name, str) and isinstance(id_, str) else None


def _updated_place(operation: Operation, answer: Answer) -> Located | None:
    """An update names its resource itself; without a body, an entity tag or 204 shows that the answer is whole."""
    whole = answer.status == 204 or version_from_etag(answer.headers.get("etag", "")) is not None
    return Located(reference=operation.reference) if operation.reference and whole else None


def _contradicts(operation: Operation, places: list[Located]) -> bool:
    references = {item.reference for item in places}
    if operation.reference is not None:
        references.add(operation.reference)
    wrong_type = any(not item.startswith(f"{operation.resource_type}/") for item in references)
    return len(references) > 1 or wrong_type


def _settled(
    answer: Answer, outcome: Outcome, *, place: Located | None = None, detail: str = "", code: str | None = None
) -> Settlement:
    return Settlement(
        outcome=outcome,
        status=answer.status,
        reference=place.reference if place else None,
        version=place.version if place else None,
        vendor_code=code,
        detail=detail,
        body=answer.body,
    )
