"""What may be sent, as JSON Schema: one for each action, made from the models that check it. Not a terminology."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, create_model

from api.models import ProblemTypeDocument, ProblemTypesDocument, SchemaListDocument, SchemaSummary
from api.problems import PROBLEMS, Problem, type_uri
from canonical.action import ActionSpec, action_specs
from canonical.envelope import Envelope


def command_model(spec: ActionSpec) -> type[BaseModel]:
    """Return the model of a whole command with this action in it."""
    name: Any = f"{spec.type}Command"
    model: type[BaseModel] = create_model(name, __base__=Envelope, action=(spec.model, ...))
    return model


def command_schema(spec: ActionSpec) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a command with this action, as sent."""
    schema = command_model(spec).model_json_schema(by_alias=True, mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"/v1/schemas/{spec.type}", **schema}


class SchemaDoor:
    """``/v1/schemas`` and ``/v1/problems``; open to everybody, as documentation is."""

    def router(self) -> APIRouter:
        """Return the routes."""
        router = APIRouter(tags=["schemas"])
        router.add_api_route("/v1/schemas", self.all, methods=["GET"], response_model=SchemaListDocument)
        router.add_api_route("/v1/schemas/{action}", self.read, methods=["GET"])
        router.add_api_route("/v1/problems", self.problems, methods=["GET"], response_model=ProblemTypesDocument)
        return router

    def all(self) -> SchemaListDocument:
        """Return the actions there are, with their operations."""
        schemas = (
            SchemaSummary(action=spec.type, operations=tuple(spec.operations), url=f"/v1/schemas/{spec.type}")
            for spec in action_specs().values()
        )
        return SchemaListDocument(schemas=tuple(schemas))

    def read(self, action: str) -> JSONResponse:
        """Return the JSON Schema of a command with this action."""
        spec = action_specs().get(action)
        if spec is None:
            raise Problem("not-found", f"There is no such action. Known: {', '.join(sorted(action_specs()))}.")
        return JSONResponse(command_schema(spec), media_type="application/schema+json")

    def problems(self) -> ProblemTypesDocument:
        """Return every problem that this API answers with."""
        kinds = (
            ProblemTypeDocument(type=type_uri(code), code=code, status=kind.status, title=kind.title, retry=kind.retry)
            for code, kind in PROBLEMS.items()
        )
        return ProblemTypesDocument(problems=tuple(kinds))
