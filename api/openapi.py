"""The served description: FastAPI's own, completed by what it cannot see, since bodies are parsed by us and not by it."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from api.answers import AnswerRequest
from api.case_models import BreakGlassRequest, BulkRequest, DecisionRequest
from api.command_views import CommandSearch
from api.consents import ConsentRequest
from api.endpoints import EndpointRequest
from api.models import ProblemDocument
from api.preferences import KEY_HEADER
from api.problems import MEDIA_TYPE
from api.schemas import command_model
from api.switches import SwitchRequest
from canonical.action import action_specs

_REF = "#/components/schemas/{model}"
#: Where EHRs tell of changes: their proof is a matter of each connection, and the forms of their bodies are not ours.
_NOTIFICATIONS = "/v1/notifications/{connection}"
#: Addresses that ask for no token of this service.
_OPEN = ("/healthz", "/readyz", "/metrics", "/v1/schemas", "/v1/problems", _NOTIFICATIONS)
_BODIES: dict[tuple[str, str], type[BaseModel]] = {
    ("/v1/cases/{case_id}:decide", "post"): DecisionRequest,
    ("/v1/cases/{case_id}:open", "post"): BreakGlassRequest,
    ("/v1/cases:bulk", "post"): BulkRequest,
    ("/v1/commands/_search", "post"): CommandSearch,
    ("/v1/commands/{command_id}:answer", "post"): AnswerRequest,
    ("/v1/consents/{reference}", "put"): ConsentRequest,
    ("/v1/endpoints", "post"): EndpointRequest,
    ("/v1/switches", "put"): SwitchRequest,
}
_KEY_PARAMETER = {
    "name": KEY_HEADER,
    "in": "header",
    "required": False,
    "description": "8 to 128 of A-Z a-z 0-9 . _ : - for as long as the command is kept; without it source.eventId is needed.",
    "schema": {"type": "string"},
}
_PREFER_PARAMETER = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "description": "wait=N: answer as soon as it is in the chart, at the latest after N (at most 30) seconds.",
    "schema": {"type": "string"},
}


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document of ``app``, with the models that really check the bodies."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
        components = document.setdefault("components", {}).setdefault("schemas", {})
        commands = [command_model(spec) for spec in action_specs().values()]
        wanted: list[type[BaseModel]] = [*commands, *_BODIES.values(), ProblemDocument]
        components |= models_json_schema([(model, "validation") for model in wanted], ref_template=_REF)[1]["$defs"]
        components["Command"] = {"oneOf": [_ref(model) for model in commands]}
        components["Batch"] = _batch()
        document["components"]["securitySchemes"] = {
            "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
        }
        document["security"] = [{"token": []}]
        _complete(document["paths"])
        for unused in ("HTTPValidationError", "ValidationError"):
            components.pop(unused, None)
        app.openapi_schema = document
    return app.openapi_schema


def _complete(paths: dict[str, Any]) -> None:
    for path, methods in paths.items():
        for method, operation in methods.items():
            if path.startswith(_OPEN):
                operation["security"] = []
            operation["responses"].pop("422", None)
            problem = {"content": {MEDIA_TYPE: {"schema": _ref(ProblemDocument)}}}
            operation["responses"]["default"] = {"description": "A problem document (RFC 9457)"} | problem
            model = _BODIES.get((path, method))
            if model is not None:
                operation["requestBody"] = _body(_ref(model))
    told = {"schema": {"type": "object"}}
    paths[_NOTIFICATIONS]["post"]["requestBody"] = {
        "required": True,
        "content": {"application/fhir+json": told, "application/json": told},
    }
    paths["/v1/commands"]["post"]["requestBody"] = _body({"$ref": _REF.format(model="Command")})
    paths["/v1/commands"]["post"]["parameters"] = [_KEY_PARAMETER, _PREFER_PARAMETER]
    paths["/v1/commands:batch"]["post"]["requestBody"] = _body({"$ref": _REF.format(model="Batch")})


def _batch() -> dict[str, Any]:
    item = {
        "type": "object",
        "required": ["command"],
        "properties": {"key": {"type": "string"}, "command": {"$ref": _REF.format(model="Command")}},
        "additionalProperties": False,
    }
    items = {"type": "array", "minItems": 1, "maxItems": 100, "items": item}
    return {
        "type": "object",
        "required": ["commands"],
        "properties": {"commands": items},
        "additionalProperties": False,
    }


def _body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _ref(model: type[BaseModel]) -> dict[str, Any]:
    return {"$ref": _REF.format(model=model.__name__)}
