"""What a FHIR request is answered with, before it is put on the wire; not the sending."""

import datetime as dt
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

from sandbox import written_json

FHIR_JSON = "application/fhir+json; charset=utf-8"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Status, headers and JSON text of an answer; `reference` and `version` name the resource it is about."""

    status: int
    body: str = ""
    content_type: str = FHIR_JSON
    headers: dict[str, str] = field(default_factory=dict)
    reference: str | None = None
    version: str | None = None


def operation_outcome(
    code: str, diagnostics: str, *, severity: str = "error", expression: str | None = None
) -> dict[str, Any]:
    """An OperationOutcome with one issue (http://hl7.org/fhir/R4/operationoutcome.html)."""
    issue: dict[str, Any] = {"severity": severity, "code": code, "diagnostics": diagnostics}
    if expression is not None:
        issue["expression"] = [expression]
    return {"resourceType": "OperationOutcome", "issue": [issue]}


class Refusal(Exception):
    """The request is refused and nothing was stored; `answer()` is what the client of a standard EHR is told.

    Args:
        status: HTTP status.
        code: of the value set issue-type.
        diagnostics: for people; holds no content of the request.
        expression: the element at fault.
        headers: of the answer.
        vendor_code: the EHR's own number for it.
    """

    def __init__(
        self,
        status: int,
        code: str,
        diagnostics: str,
        *,
        expression: str | None = None,
        headers: dict[str, str] | None = None,
        vendor_code: str | None = None,
    ) -> None:
        super().__init__(diagnostics)
        self.status = status
        self.code = code
        self.diagnostics = diagnostics
        self.expression = expression
        self.headers = headers or {}
        self.vendor_code = vendor_code

    def answer(self) -> Answer:
        outcome = operation_outcome(self.code, self.diagnostics, expression=self.expression)
        return Answer(status=self.status, body=written_json.dumps(outcome), headers=self.headers)


def instant(at: float) -> str:
    """A FHIR instant in UTC with milliseconds, of seconds since 1970."""
    moment = dt.datetime.fromtimestamp(at, tz=dt.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def http_date(at: float) -> str:
    return formatdate(at, usegmt=True)


def etag(version: str) -> str:
    return f'W/"{version}"'
