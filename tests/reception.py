"""Everything a test of the doors needs: an issuer with its keys on a real server, services on real stores, tokens, a client."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import ECKey

from api.app import make_app
from canonical.admission import patient_key
from canonical.consent import ConsentTerms
from canonical.principal import Principal
from config.settings import Settings
from config.wiring import Services, build
from store.database import rows, transaction
from tasks.receive import Receipt
from tests.factories import NOW, as_bytes, envelope_json
from tests.prompt_server import TRUST, PromptServer

TENANT, APP, OTHER_TENANT = "north", "visits", "south"
SCOPES = "writeback/VitalReading.* writeback/MedicationChange.*"
PRINCIPAL = Principal(tenant=TENANT, app=APP, issuer="https://issuer.example", scopes=frozenset(SCOPES.split()))
CONNECTIONS = """
[[connection]]
tenant = "north"
name = "north-r4"
adapter = "fhir_r4"
base_url = "http://127.0.0.1:9/fhir"
[connection.notifications]
kind = "signed"
secret_file = "north-notifications.secret"
[[connection]]
tenant = "south"
name = "north-r4"
adapter = "fhir_r4"
base_url = "http://127.0.0.1:9/fhir"
[connection.notifications]
kind = "header"
secret_file = "south-notifications.secret"
[[connection]]
tenant = "north"
name = "labels-r4"
adapter = "fhir_r4"
base_url = "http://127.0.0.1:9/fhir"
[connection.options]
keeps_security_labels = true
medication_list = []
"""


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Issuer:
    """An issuer of tokens: signing keys, and a real server that publishes the public ones."""

    keys: list[ECKey] = field(default_factory=list)
    fetched: int = 0
    up: bool = True
    url: str = ""

    def add_key(self, kid: str) -> ECKey:
        key = ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256", "kid": kid})
        self.keys.append(key)
        return key

    def token(self, *, key: ECKey | None = None, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """Return a token of the app; ``claims`` are set over the usual ones, ``None`` takes one out."""
        key = key or self.keys[0]
        usual = {
            "iss": "https://issuer.example",
            "aud": "writeback",
            "sub": APP,
            "client_id": APP,
            "tenant": TENANT,
            "scope": SCOPES,
            "iat": int(NOW.timestamp()),
            "exp": int((NOW + timedelta(minutes=5)).timestamp()),
        }
        said = {name: value for name, value in (usual | claims).items() if value is not None}
        head = {"alg": "ES256", "kid": key.kid, "typ": "at+jwt"} | (header or {})
        return jwt.encode({k: v for k, v in head.items() if v is not None}, said, key, algorithms=["ES256"])


@contextmanager
def open_issuer() -> Iterator[Issuer]:
    """Yield an issuer with one key, serving it."""
    issuer = Issuer()
    issuer.add_key("k1")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.fetched += 1
            body = json.dumps({"keys": [key.as_dict(private=False) for key in issuer.keys]}).encode()
            self.send_response(200 if issuer.up else 503)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    issuer.url = f"http://127.0.0.1:{server.server_port}/jwks"
    yield issuer
    server.shutdown()
    server.server_close()
    thread.join()


@contextmanager
def open_services(
    database_url: str, redis_url: str, folder: Path, *, clock: Clock | None = None, **settings: Any
) -> Iterator[Services]:
    """Yield the services of one process, with the connections above."""
    connections = folder / "connections.toml"
    connections.write_text(CONNECTIONS)
    usual: dict[str, Any] = {
        "issuer": "https://issuer.example",
        "jwks_url": "http://127.0.0.1:9/jwks",
        "pool_size": 4,
    }
    services = build(
        Settings(
            database_url=database_url,
            redis_url=redis_url,
            connections_file=connections,
            **(usual | settings),
        ),
        clock=clock or Clock(),
    )
    try:
        yield services
    finally:
        services.close()


def give_consent(
    services: Services, *, tenant: str = TENANT, connection: str = "north-r4", **over: Any
) -> ConsentTerms:
    """Record the consent that the factories' commands rely on."""
    terms: dict[str, Any] = {
        "id": 0,
        "reference": "consent-1",
        "version": 0,
        "patient_key": patient_key(tenant, connection, "Patient/p1"),
        "active": True,
        "purposes": ("TREAT",),
        "actions": ("*",),
        "apps": ("*",),
        "valid_from": NOW - timedelta(days=1),
        "valid_until": None,
    }
    return services.doors.consents.put(tenant, ConsentTerms(**(terms | over)), actor="test")


@dataclass
class Reception:
    """A served application with its services; ``client`` carries the usual token."""

    services: Services
    issuer: Issuer
    clock: Clock
    client: httpx.Client

    def post(
        self, body: Any = None, *, key: str | None = None, path: str = "/v1/commands", **headers: str
    ) -> httpx.Response:
        """Send a command (by default a usual one) as JSON bytes, decimals as written."""
        content = body if isinstance(body, bytes) else as_bytes(envelope_json() if body is None else body)
        sent = {"Content-Type": "application/json", **headers} | ({"Idempotency-Key": key} if key else {})
        return self.client.post(path, content=content, headers=sent)

    def as_(self, **claims: Any) -> dict[str, str]:
        """Return the header of another token."""
        return {"Authorization": f"Bearer {self.issuer.token(**claims)}"}

    def rows(self, sql: str, **parameters: Any) -> list[dict[str, Any]]:
        """Look into the database."""
        return look(self.services, sql, **parameters)

    def refusals(self) -> list[dict[str, Any]]:
        """Return what was refused, oldest first."""
        return self.rows("SELECT tenant, app, door, code, errors, body_digest FROM refused_messages ORDER BY id")

    def stored(self) -> int:
        """Return how many commands, payloads and events there are: none after a refusal."""
        counts = "SELECT (SELECT count(*) FROM commands) + (SELECT count(*) FROM payloads) + (SELECT count(*) FROM events) AS n"
        return int(self.rows(counts)[0]["n"])


@contextmanager
def open_reception(
    issuer: Issuer, database_url: str, redis_url: str, folder: Path, **settings: Any
) -> Iterator[Reception]:
    """Yield the application on a real server, with a consent given in both tenants."""
    clock = Clock()
    with open_services(database_url, redis_url, folder, clock=clock, jwks_url=issuer.url, **settings) as services:
        give_consent(services)
        give_consent(services, tenant=OTHER_TENANT)
        with serve(services) as url, httpx.Client(base_url=url, timeout=30, verify=TRUST) as client:
            client.headers["Authorization"] = f"Bearer {issuer.token()}"
            yield Reception(services=services, issuer=issuer, clock=clock, client=client)


@contextmanager
def serve(services: Services) -> Iterator[str]:
    """Yield the address of the application, served in a thread on a free port."""
    with serve_app(make_app(services)) as url:
        yield url


@contextmanager
def serve_app(app: FastAPI, *, port: int = 0) -> Iterator[str]:
    """Yield the address of ``app``, served in a thread on ``port`` (0: a free one)."""
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", lifespan="off")
    server = PromptServer(config)
    listening = config.bind_socket()
    listening.listen(256)
    host, bound = listening.getsockname()[:2]
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{bound}"
    finally:
        server.end()
        thread.join(10)
        listening.close()


def receive(services: Services, body: Any = None, *, key: str | None = None, **principal: Any) -> Receipt:
    """Receive a command (by default a usual one) as the HTTP door would."""
    raw = body if isinstance(body, bytes) else as_bytes(envelope_json() if body is None else body)
    return services.receiver.receive(raw, principal=replace(PRINCIPAL, **principal), key=key, door="http")


def look(services: Services, sql: str, **parameters: Any) -> list[dict[str, Any]]:
    """Look into the database."""
    with transaction(services.engine) as connection:
        return rows(connection, sql, parameters)


def add_operation(services: Services, command: object, state: str) -> None:
    """Journal an operation of ``command`` that is in ``state``."""
    look(
        services,
        """
        INSERT INTO operations (command_id, seq, tenant, state, interaction, resource_type, mark, body_digest, mapping_version)
        SELECT id, 1, tenant, %(state)s, 'create', 'Observation', 'mark', envelope_digest, '1'
          FROM commands WHERE id = %(id)s
        """,
        id=command,
        state=state,
    )


def ask_somebody(services: Services, command: object) -> None:
    """Open a case that asks a person about ``command``."""
    look(
        services,
        """
        INSERT INTO cases (tenant, command_id, connection_id, action_type, kind, pool, severity)
        SELECT tenant, id, connection_id, action_type, 'cannot_tell', 'clinical', 1 FROM commands WHERE id = %(id)s
        """,
        id=command,
    )


def put_state(services: Services, command: object, state: str) -> None:
    """Put a command where no door can bring it, with the event that says so: a test of reading, not of moving."""
    with transaction(services.engine) as connection:
        rows(
            connection,
            """
            WITH cm AS (UPDATE commands SET state = %(state)s, state_reason = 'test', event_seq = event_seq + 1
                         WHERE id = %(id)s RETURNING *)
            INSERT INTO events (tenant, command_id, seq, trigger, source, target, reason, actor)
            SELECT tenant, id, event_seq, 'test', 'ready', state, 'test', 'test' FROM cm
            """,
            {"id": command, "state": state},
        )
