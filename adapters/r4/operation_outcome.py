"""What an ``OperationOutcome`` says, without its texts, which may hold clinical content."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from adapters.wire import Answer
from canonical import exact_json
from canonical.ports import Resource

_CODE = re.compile(r"[A-Za-z0-9_.\-]{1,64}")
_PATH = re.compile(r"[A-Za-z0-9.\[\]]{1,200}")
_FAILURES = frozenset({"error", "fatal"})


def json_object(body: bytes) -> Resource | None:
    """Return the JSON object in an answer's body, or ``None`` for anything else, an empty body included.

    A member that is ``null`` is left out: FHIR's JSON has none, and the EHRs that send one mean that it is absent.
    """
    try:
        value = exact_json.parse(body)
    except exact_json.InvalidJsonError:
        return None
    return _without_nulls(value) if isinstance(value, dict) else None


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(item) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        # In a list null is a place: the extensions of a repeating primitive are found by it.
        return [_without_nulls(item) for item in value]
    return value


def failures(answer: Answer) -> list[Mapping[str, Any]]:
    """Return the issues of an answer's ``OperationOutcome`` that say something failed."""
    body = json_object(answer.body)
    if body is None or body.get("resourceType") != "OperationOutcome":
        return []
    issues = body.get("issue")
    found = issues if isinstance(issues, list) else []
    return [item for item in found if isinstance(item, Mapping) and item.get("severity") in _FAILURES]


def issue_codes(issues: list[Mapping[str, Any]]) -> list[str]:
    """Return the codes of issues in their order."""
    return [item["code"] for item in issues if isinstance(item.get("code"), str)]


def vendor_codes(issues: list[Mapping[str, Any]]) -> list[str]:
    """Return the codes by which the EHR itself names its failures, in their order."""
    found = []
    for item in issues:
        details = item.get("details")
        codings = details.get("coding") if isinstance(details, Mapping) else None
        for coding in codings if isinstance(codings, list) else []:
            code = coding.get("code") if isinstance(coding, Mapping) else None
            if isinstance(code, str) and _CODE.fullmatch(code):
                found.append(code)
    return found


def vendor_code(issues: list[Mapping[str, Any]]) -> str | None:
    """Return the first code by which the EHR itself names the failure, else the first issue code."""
    named = (*vendor_codes(issues), *(code for code in issue_codes(issues) if _CODE.fullmatch(code)))
    return next(iter(named), None)


def element_paths(issues: list[Mapping[str, Any]]) -> list[str]:
    """Return the elements that issues name; only bare paths, since an expression may quote a value."""
    named = (path for item in issues for path in item.get("expression") or item.get("location") or [])
    return [path for path in named if isinstance(path, str) and _PATH.fullmatch(path)]
