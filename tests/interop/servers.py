"""Two FHIR R4 servers behind one face: our sandbox, and one that nobody here wrote; both real processes over HTTP."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import simplejson
from joserfc.jwk import ECKey

from processes.free_port import free_port
from tests.sandbox_fixture import RunningSandbox

FHIR = {"Content-Type": "application/fhir+json"}
START_S = 30.0
#: Token of whoever works in the EHR itself.
CLINICIAN = "a-clinicians-own"


class FhirServer:
    """A plain R4 server: what a clinician's own client would do to it, without any help of ours.

    ``creates_in_one_step`` says whether its conditional create searches and creates under one lock.
    """

    creates_in_one_step = False
    #: The process itself, where it is our own sandbox and can be told to misbehave.
    sandbox: RunningSandbox | None = None

    def __init__(self, url: str, *, token: str | None = None, auth: Mapping[str, str] | None = None) -> None:
        """Reach the server as a clinician's client, with ``token`` if it asks for one; ``auth`` is how we prove ourselves."""
        self.url = url
        self.auth = auth or {"kind": "none"}
        headers = FHIR | ({"Authorization": f"Bearer {token}"} if token else {})
        self._client = httpx.Client(base_url=f"{url}/", headers=headers, timeout=10)

    def put(self, resource: dict[str, Any]) -> None:
        path = f"{resource['resourceType']}/{resource['id']}"
        answer = self._client.put(path, content=simplejson.dumps(resource, use_decimal=True))
        assert answer.is_success, f"PUT {path}: {answer.status_code} {answer.text}"

    def get(self, reference: str) -> dict[str, Any]:
        found: dict[str, Any] = simplejson.loads(self._client.get(reference).text, use_decimal=True)
        return found

    def all(self, type: str) -> list[dict[str, Any]]:
        bundle = simplejson.loads(self._client.get(type, params={"_count": "100"}).text, use_decimal=True)
        return [entry["resource"] for entry in bundle.get("entry", [])]

    def close(self) -> None:
        self._client.close()


@contextmanager
def sandbox_server(folder: Path) -> Iterator[FhirServer]:
    """Our own sandbox."""
    running = RunningSandbox(folder).start()
    running.settings(update_create=True)
    server = FhirServer(running.url)
    server.creates_in_one_step = True
    server.sandbox = running
    try:
        yield server
    finally:
        server.close()
        running.close()


@contextmanager
def sekmet_server(folder: Path) -> Iterator[FhirServer]:
    """`sekmet-fhir`: an independent R4 server; it keeps numbers as binary floats, so ``72.50`` comes back as ``72.5``."""
    url = f"http://127.0.0.1:{free_port()}/fhir"
    with _sekmet(folder, FhirServer(url), {}) as server:
        yield server


@contextmanager
def sekmet_server_with_oauth2(folder: Path) -> Iterator[FhirServer]:
    """The same server asking for tokens: ours by SMART Backend Services, the clinician's client with one of its own."""
    origin = f"http://127.0.0.1:{free_port()}"
    key = ECKey.generate_key("P-384", auto_kid=True)
    key_file = folder / "service.key.json"
    key_file.write_text(simplejson.dumps(key.as_dict(private=True)))
    auth = {
        "kind": "private_key_jwt",
        "token_url": f"{origin}/auth/token",
        "client_id": "writeback",
        "key_file": str(key_file),
        "alg": "ES384",
        "scope": "system/*.cruds",
    }
    client = {
        "client_id": "writeback",
        "jwks": {"keys": [key.as_dict(private=False) | {"alg": "ES384"}]},
        "scopes": "system/*.cruds",
    }
    settings = {"types": ["smart", "bearer"], "tokens": [CLINICIAN], "smart_clients": [client]}
    server = FhirServer(f"{origin}/fhir", token=CLINICIAN, auth=auth)
    with _sekmet(folder, server, {"server_auth": settings}):
        yield server


@contextmanager
def _sekmet(folder: Path, server: FhirServer, more: dict[str, Any]) -> Iterator[FhirServer]:
    settings = {
        "base_url": server.url,
        "host": "127.0.0.1",
        "port": urlsplit(server.url).port,
        "data_dir": str(folder),
        "simulator": {"enabled": False},
        **more,
    }
    (folder / "settings.yaml").write_text(simplejson.dumps(settings))  # YAML reads JSON
    program = [sys.executable, "-c", "from sekmet.cli import app; app()", "serve", "-c", str(folder / "settings.yaml")]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(program, stdout=log, stderr=log, cwd=folder)
        try:
            _wait_until_up(f"{server.url}/metadata", process)
            yield server
        finally:
            server.close()
            process.kill()
            process.wait()


def _wait_until_up(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_S
    while True:
        assert process.poll() is None, "the server ended while it started"
        try:
            if httpx.get(url, timeout=2).is_success:
                return
        except httpx.TransportError:
            assert time.monotonic() < until, "the server did not start"
        time.sleep(0.05)


SERVERS = {"sandbox": sandbox_server, "sekmet": sekmet_server, "sekmet-oauth2": sekmet_server_with_oauth2}
