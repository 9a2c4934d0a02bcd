"""The test's side door: faults, seeds, a clinician's edits, the log; never part of what a real EHR offers."""

import hmac
import json
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox import request_log, written_json
from sandbox.answers import Refusal, instant
from sandbox.chart import Chart, StoredVersion
from sandbox.clients import Client, register
from sandbox.edits import Edit, edit_chart, known
from sandbox.ehr import Ehr
from sandbox.faults import Rule
from sandbox.held import decide, held
from sandbox.merges import Merge, merge
from sandbox.people import Person, WebClient, register_person, register_web_client
from sandbox.subscriptions import SubscriptionRequest, Subscriptions

_RULES = TypeAdapter(list[Rule])
_MOMENT = TypeAdapter(AwareDatetime)


class Lock(BaseModel):
    """What somebody works on, and for how long."""

    model_config = ConfigDict(extra="forbid")

    reference: Annotated[str, Field(pattern=r"^[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}$")]
    seconds: Annotated[float, Field(ge=0, le=3600)] = 600


class Admin:
    """The endpoints under `/admin`, behind their own secret; they meet no faults and are not logged."""

    def __init__(self, ehr: Ehr, secret: str, at_start: Callable[[], Awaitable[None]]) -> None:
        self._ehr = ehr
        self._secret = secret
        self._at_start = at_start
        self._subscriptions = Subscriptions(ehr)
        ehr.database.on_written = self._subscriptions.changed

    def routes(self) -> list[Route]:
        return [
            Route(f"/admin/{path}", self._guarded(handler), methods=[method])
            for method, path, handler in (
                ("PUT", "faults", self.put_faults),
                ("GET", "faults", self.get_faults),
                ("DELETE", "faults", self.delete_faults),
                ("GET", "requests", self.get_requests),
                ("GET", "resources", self.get_resources),
                ("GET", "history", self.get_history),
                ("POST", "seed", self.post_seed),
                ("POST", "edit", self.post_edit),
                ("GET", "held", self.get_held),
                ("POST", "held/{number:int}/{decision}", self.post_decision),
                ("POST", "lock", self.post_lock),
                ("POST", "close", self.post_close),
                ("POST", "merge", self.post_merge),
                ("POST", "subscriptions", self.post_subscriptions),
                ("GET", "subscriptions", self.get_subscriptions),
                ("POST", "reset", self.post_reset),
                ("POST", "clients", self.post_clients),
                ("POST", "people", self.post_people),
                ("POST", "web-clients", self.post_web_clients),
                ("PATCH", "settings", self.patch_settings),
                ("GET", "settings", self.get_settings),
            )
        ]

    def _guarded(self, handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            given = request.headers.get("authorization", "").removeprefix("Bearer ")
            if not hmac.compare_digest(given.encode(), self._secret.encode()):
                return JSONResponse({"error": "The admin secret is needed as a bearer token."}, 401)
            try:
                return await handler(request)
            except ValidationError as error:
                return JSONResponse(
                    {"error": error.errors(include_url=False, include_context=False, include_input=False)}, 422
                )
            except written_json.MalformedJson as error:
                return JSONResponse({"error": str(error)}, 400)
            except Refusal as refusal:
                return JSONResponse({"error": refusal.diagnostics}, refusal.status)

        return endpoint

    async def put_faults(self, request: Request) -> Response:
        """Replace the rules by a list of rules, or `{"rules": […]}`."""
        given = await _json(request)
        rules = given.get("rules") if isinstance(given, dict) else given
        self._ehr.faults.replace(_RULES.validate_python(rules))
        return await self.get_faults(request)

    async def get_faults(self, request: Request) -> Response:
        return JSONResponse({"rules": self._ehr.faults.shown()})

    async def delete_faults(self, request: Request) -> Response:
        self._ehr.faults.replace([])
        return Response(status_code=204)

    async def get_requests(self, request: Request) -> Response:
        """The log after `since` (an entry's id), complete up to now."""
        last = _whole_number(request, "since")
        entries = await self._ehr.database.write(lambda connection: request_log.since(connection, last))
        return JSONResponse({"requests": entries})

    async def get_resources(self, request: Request) -> Response:
        """All current resources, of `type` or of every type."""
        chart = self._ehr.chart(self._ehr.database.reader)
        return _json_list("resources", [it.body for it in chart.resources(request.query_params.get("type"))])

    async def get_history(self, request: Request) -> Response:
        """Every version of `ref` (`Type/id`), oldest first."""
        resource_type, _, resource_id = request.query_params.get("ref", "").partition("/")
        chart = self._ehr.chart(self._ehr.database.reader)
        return _json_list("versions", [_shown(it) for it in chart.history(resource_type, resource_id)])

    async def post_seed(self, request: Request) -> Response:
        """Store resources (a Bundle or a list) under their own ids as version 1; `at` is when, now by default."""
        resources = _resources(await _written(request))
        at = _seeded_at(request, self._ehr.clock())
        await self._ehr.database.write(lambda connection: _seed(self._ehr.chart(connection), resources, at))
        return JSONResponse({"stored": len(resources)}, 201)

    async def post_edit(self, request: Request) -> Response:
        """Write a new version as a clinician would, past every precondition and fault; see `Edit`."""
        given = await _written(request)
        is_bare = isinstance(given, dict) and "resourceType" in given
        edit = Edit.model_validate({"resource": given} if is_bare else given)
        at = self._ehr.clock()
        stored = await self._ehr.database.write(lambda connection: edit_chart(self._ehr.chart(connection), edit, at))
        return _raw_json(_shown(stored), 200)

    async def get_held(self, request: Request) -> Response:
        """What clients wrote and no clinician took yet."""
        return _json_list("held", held(self._ehr.database.reader))

    async def post_decision(self, request: Request) -> Response:
        """A clinician accepts or rejects what waits under a number."""
        number, decision = request.path_params["number"], request.path_params["decision"]
        if decision not in {"accept", "reject"}:
            raise Refusal(404, "not-found", "What waits is accepted or rejected.")
        at, accept = self._ehr.clock(), decision == "accept"
        reference = await self._ehr.database.write(
            lambda connection: decide(self._ehr.chart(connection), number, accept=accept, at=at)
        )
        return JSONResponse({"reference": reference})

    async def post_lock(self, request: Request) -> Response:
        """Somebody works on an entry for some seconds; with 0 they have finished."""
        lock = Lock.model_validate(await _json(request))
        until = self._ehr.clock() + lock.seconds
        type_and_id = lock.reference.split("/")
        await self._ehr.database.write(
            lambda connection: connection.execute(
                "REPLACE INTO locks (type, id, until) VALUES (?, ?, ?)", (*type_and_id, until)
            )
        )
        return Response(status_code=204)

    async def post_close(self, request: Request) -> Response:
        """A clinician ends an encounter."""
        reference = Lock.model_validate(await _json(request)).reference
        at = self._ehr.clock()
        stored = await self._ehr.database.write(lambda connection: _close(self._ehr.chart(connection), reference, at))
        return _raw_json(_shown(stored), 200)

    async def post_merge(self, request: Request) -> Response:
        """A registrar merges two records of one person, or parts them again; see `Merge`."""
        asked, at = Merge.model_validate(await _json(request)), self._ehr.clock()
        await self._ehr.database.write(lambda connection: merge(self._ehr.chart(connection), asked, at))
        return Response(status_code=204)

    async def post_subscriptions(self, request: Request) -> Response:
        """Notify somebody of every change from now on; the answer says what their server made of the handshake."""
        asked = SubscriptionRequest.model_validate(await _json(request))
        return JSONResponse({"id": asked.id, "handshake": await self._subscriptions.add(asked)}, 201)

    async def get_subscriptions(self, _request: Request) -> Response:
        """What each subscription sent; everything that was committed before has been tried by then."""
        await self._subscriptions.flush()
        return JSONResponse({"subscriptions": self._subscriptions.shown()})

    async def post_reset(self, request: Request) -> Response:
        """Empty chart and log; forget faults, changed settings and clients registered since the start."""
        self._subscriptions.forget()
        await self._ehr.reset()
        await self._at_start()
        return Response(status_code=204)

    async def post_clients(self, request: Request) -> Response:
        """Register an OAuth client, or replace its registration."""
        given = Client.model_validate(await _json(request))
        client = given.model_copy(update={"registered_at": self._ehr.clock()})
        await self._ehr.database.write(partial(register, client))
        return JSONResponse({"client_id": client.client_id}, 201)

    async def post_people(self, request: Request) -> Response:
        """Register a person who can log in, or replace what is known of them."""
        person = Person.model_validate(await _json(request))
        await self._ehr.database.write(partial(register_person, person))
        return JSONResponse({"sub": person.sub}, 201)

    async def post_web_clients(self, request: Request) -> Response:
        """Register a web client that people log in to, or replace its registration."""
        client = WebClient.model_validate(await _json(request))
        await self._ehr.database.write(partial(register_web_client, client))
        return JSONResponse({"client_id": client.client_id}, 201)

    async def patch_settings(self, request: Request) -> Response:
        await self._ehr.change_behaviour(_object(await _json(request)))
        return await self.get_settings(request)

    async def get_settings(self, request: Request) -> Response:
        return JSONResponse(self._ehr.behaviour.model_dump(mode="json"))


async def _json(request: Request) -> Any:
    try:
        return json.loads(await request.body())
    except ValueError:
        raise Refusal(400, "structure", "The body is not JSON.") from None


async def _written(request: Request) -> Any:
    # Resources keep their numbers as written.
    return written_json.loads(await request.body())


def _object(given: Any) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise Refusal(400, "structure", "Send a JSON object.")
    return given


def _resources(given: Any) -> list[dict[str, Any]]:
    if isinstance(given, dict) and given.get("resourceType") == "Bundle":
        given = [entry.get("resource") for entry in given.get("entry", [])]
    if not isinstance(given, list):
        raise Refusal(400, "structure", "Send a Bundle or a list of resources.")
    return [known(resource) for resource in given]


def _seed(chart: Chart, resources: list[dict[str, Any]], at: float) -> None:
    for resource in resources:
        if chart.current(resource["resourceType"], resource["id"]) is not None:
            raise Refusal(409, "duplicate", f"{resource['resourceType']}/{resource['id']} exists already.")
        chart.store(resource, id=resource["id"], at=at, source="seed")


def _close(chart: Chart, reference: str, at: float) -> StoredVersion:
    resource_type, _, encounter_id = reference.partition("/")
    current = chart.current(resource_type, encounter_id)
    if resource_type != "Encounter" or current is None or current.deleted:
        raise Refusal(404, "not-found", f"{reference} is no encounter of the chart.")
    encounter = written_json.loads(current.body)
    period = {**(encounter.get("period") or {}), "end": instant(at)}
    return chart.store(
        {**encounter, "status": "finished", "period": period}, id=encounter_id, at=at, source="clinician"
    )


def _shown(stored: StoredVersion) -> str:
    head = {
        "reference": stored.reference,
        "version": stored.version,
        "deleted": stored.deleted,
        "source": stored.source,
        "at": stored.stored_at,
    }
    text = written_json.dumps(head)
    return f'{text[:-1]},"resource":{stored.body or "null"}}}'


def _json_list(name: str, texts: list[str]) -> Response:
    return _raw_json(f'{{"{name}":[{",".join(texts)}]}}', 200)


def _raw_json(text: str, status: int) -> Response:
    return Response(text, status, media_type="application/json")


def _seeded_at(request: Request, now: float) -> float:
    text = request.query_params.get("at")
    return now if text is None else _MOMENT.validate_python(text).timestamp()


def _whole_number(request: Request, name: str) -> int:
    text = request.query_params.get(name, "0")
    if not text.isdecimal():
        raise Refusal(400, "invalid", f"'{name}' is not a whole number.")
    return int(text)
