"""The reading door: one command with its timeline, and search. Patients are named in bodies only, never in URLs."""

from typing import TYPE_CHECKING, Annotated
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response
from pydantic import Field, StringConstraints

from api.auth import Caller
from api.command_documents import command_document, summary_document
from api.models import CommandDocument, PageDocument
from api.problems import not_found
from api.request_body import parse_model, parse_object, read_body
from canonical.admission import patient_key
from canonical.clinical_time import SystemTime
from canonical.command_views import CommandQuery
from canonical.datatypes import Element, Identifier
from canonical.envelope import Token
from canonical.errors import FieldError, RefusedError
from canonical.idempotency import key_hash
from canonical.lifecycle import State
from canonical.principal import Principal
from canonical.status import STATUS_OF, Status

if TYPE_CHECKING:
    from config.wiring import Services

#: Seconds after which a pending command is worth another look; a parked one waits for its EHR.
_LOOK_AGAIN = {State.PARKED: 30}
_LOOK_AGAIN_USUALLY = 2


class PatientQuery(Element):
    """A patient by the EHR's reference, or by an identifier that the commands' envelopes named."""

    reference: Annotated[str, StringConstraints(pattern=r"^Patient/[A-Za-z0-9\-][A-Za-z0-9\-.]{0,63}$")] | None = None
    identifier: Identifier | None = None


class CommandSearch(Element):
    """What to search for; what is left out does not narrow."""

    patient: PatientQuery | None = None
    correlation_id: Token | None = None
    idempotency_key: Token | None = None
    status: Status | None = None
    state: State | None = None
    action: Annotated[str, StringConstraints(pattern=r"^[A-Za-z]+(\.[A-Za-z]+)?$")] | None = None
    connection: Token | None = None
    received_from: SystemTime | None = None
    received_to: SystemTime | None = None
    limit: Annotated[int, Field(ge=1, le=100, strict=True)] = 50
    cursor: Annotated[str, StringConstraints(max_length=200)] | None = None


class CommandViews:
    """``GET /v1/commands/{id}`` and ``POST /v1/commands/_search``."""

    def __init__(self, services: "Services") -> None:
        """Serve with ``services``."""
        self._commands, self._limit = services.doors.commands, services.settings.body_limit
        self._connections, self._questions = services.connections, services.doors.questions
        self._links = services.doors.compensations
        self._acknowledgements = services.doors.acknowledgements

    def router(self) -> APIRouter:
        """Return the routes."""
        router = APIRouter(tags=["commands"])
        router.add_api_route("/v1/commands/_search", self.search, methods=["POST"], response_model=PageDocument)
        router.add_api_route("/v1/commands/{command_id}", self.read, methods=["GET"], response_model=CommandDocument)
        return router

    def read(self, command_id: str, request: Request, principal: Caller) -> Response:
        """Return where a command is, why, what comes next, and its timeline; another tenant's is not there."""
        try:
            command = UUID(command_id)
        except ValueError:
            raise not_found() from None
        detail = self._commands.detail(principal.tenant, command, app=_own(principal))
        if detail is None:
            raise not_found()
        summary = detail.summary
        headers = {"ETag": f'W/"{summary.event_seq}"', "Cache-Control": "private, no-cache"}
        if STATUS_OF[summary.state] is Status.PENDING:
            headers["Retry-After"] = str(_LOOK_AGAIN.get(summary.state, _LOOK_AGAIN_USUALLY))
        if _unchanged(request.headers.get("if-none-match"), headers["ETag"]):
            return Response(status_code=304, headers=headers)
        # What a reviewer asks may name the patient: it is for the app that sent the command, not for whoever may read it.
        own = summary.app == principal.app
        question = self._questions.of(principal.tenant, command) if own else None
        owed = self._acknowledgements.of(principal.tenant, command)
        document = command_document(detail, question, owed, self._links.of(command))
        return JSONResponse(document.model_dump(mode="json", by_alias=True), headers=headers)

    async def search(self, request: Request, principal: Caller) -> Response:
        """Search commands, newest first. By patient identifier a page may be short and still have a cursor."""
        raw = await read_body(request, limit=self._limit)
        query = self._query(parse_model(CommandSearch, parse_object(raw)), principal)
        page = await run_in_threadpool(self._commands.search, principal.tenant, query)
        document = PageDocument(commands=tuple(map(summary_document, page.commands)), cursor=page.cursor)
        return JSONResponse(document.model_dump(mode="json", by_alias=True), headers={"Cache-Control": "no-store"})

    def _query(self, asked: CommandSearch, principal: Principal) -> CommandQuery:
        action_type, _, operation = (asked.action or "").partition(".")
        patient = asked.patient or PatientQuery()
        identifier = patient.identifier
        if identifier is not None and identifier.value is None:
            error = FieldError(pointer="/patient/identifier/value", code="required", detail="needed to search")
            raise RefusedError("invalid-field", "An identifier without a value finds nobody.", errors=(error,))
        key = asked.idempotency_key
        return CommandQuery(
            app=_own(principal),
            connection=asked.connection,
            patient_keys=self._patient_keys(principal.tenant, asked.connection, patient.reference),
            patient_identifier=(identifier.system, identifier.value) if identifier and identifier.value else None,
            correlation_id=asked.correlation_id,
            key_hashes=(key_hash(principal.tenant, principal.app, key),) if key else None,
            states=_states(asked.status, asked.state),
            action_type=action_type or None,
            operation=operation or None,
            received_from=asked.received_from,
            received_to=asked.received_to,
            limit=asked.limit,
            cursor=asked.cursor,
        )

    def _patient_keys(self, tenant: str, connection: str | None, reference: str | None) -> tuple[bytes, ...] | None:
        """Return the keys of the patient's lanes: an EHR's ``Patient/1`` is another EHR's somebody else."""
        if reference is None:
            return None
        names = [connection] if connection else [name for owner, name in self._connections if owner == tenant]
        return tuple(patient_key(tenant, name, reference) for name in names)


def _own(principal: Principal) -> str | None:
    """Return the app whose commands may be read; ``None``: all of the tenant's."""
    return None if principal.reads_tenant else principal.app


def _states(status: Status | None, state: State | None) -> tuple[State, ...] | None:
    if status is None and state is None:
        return None
    wanted = {item for item in State if status is None or STATUS_OF[item] is status}
    return tuple(sorted(wanted & {state} if state is not None else wanted))


def _unchanged(if_none_match: str | None, etag: str) -> bool:
    tags = {tag.strip().removeprefix("W/") for tag in (if_none_match or "").split(",")}
    return "*" in tags or etag.removeprefix("W/") in tags
