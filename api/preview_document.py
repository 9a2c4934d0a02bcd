"""From what a preview found to the document that is served; decimals as they would be sent."""

from typing import Any

from api.compensations import way_back_document
from canonical import exact_json
from canonical.action import Finding
from canonical.errors import FieldError, RefusedError
from canonical.status import INSTEAD
from tasks.preview import PlannedRequest, Preview

_JSON = ("application/fhir+json", "application/json")


def preview_document(preview: Preview) -> dict[str, Any]:
    """Return the document of a preview."""
    return {
        "accepted": not preview.refusals,
        "refusals": [_refusal(error) for error in preview.refusals],
        "stop": vars(preview.stop) if preview.stop is not None else None,
        "approvalReason": preview.approval_reason,
        "findings": [_finding(finding) for finding in preview.findings],
        "says": [{"label": line.label, "text": line.text} for line in preview.says],
        "sentAs": preview.sent_as,
        "sentAsSentence": INSTEAD[preview.sent_as] if preview.sent_as is not None else "",
        "requests": [_request(item) for item in preview.requests],
        "dependents": [str(command) for command in preview.dependents],
        "compensation": [way_back_document(way).model_dump(mode="json", by_alias=True) for way in preview.ways_back],
    }


def _refusal(error: RefusedError) -> dict[str, Any]:
    return {
        "code": error.code,
        "detail": str(error),
        "retry": error.retry,
        "errors": [_field(item) for item in error.errors],
    }


def _field(error: FieldError) -> dict[str, str]:
    return {"pointer": error.pointer, "code": error.code, "detail": error.detail}


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "kind": finding.kind,
        "severity": finding.severity,
        "holds": finding.holds,
        "pointer": finding.pointer,
        "detail": finding.detail,
    }


def _request(planned: PlannedRequest) -> dict[str, Any]:
    operation, request = planned.operation, planned.request
    return {
        "seq": operation.seq,
        "interaction": operation.interaction.value,
        "resourceType": operation.resource_type,
        "reference": operation.reference,
        "method": request.method,
        "url": request.url,
        "headers": dict(request.headers),
        "body": _body(planned),
        "precondition": planned.precondition,
        "effects": [{"field": item.field, "now": item.now, "then": item.then} for item in planned.effects],
    }


def _body(planned: PlannedRequest) -> Any:
    """Return JSON as JSON, so that it can be read; anything else as the text that would leave."""
    body = planned.request.body
    if body is None:
        return None
    kind = {name.lower(): value for name, value in planned.request.headers.items()}.get("content-type", "")
    return exact_json.parse(body) if kind.startswith(_JSON) else body.decode()
