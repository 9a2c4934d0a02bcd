"""A running sandbox for tests of every room: `from tests.sandbox_fixture import sandbox, sandbox_server`."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import httpx
import pytest
import simplejson

ADMIN_TOKEN = "for-tests-only"
START_S = 30.0


class RunningSandbox:
    """A sandbox process on a data folder of its own, with its admin endpoint at hand.

    `url` is the FHIR base; `origin` is scheme, host and port, which is also the OAuth issuer.
    """

    def __init__(self, data_dir: Path, *, open: bool = True, arguments: tuple[str, ...] = ()) -> None:
        self.data_dir = data_dir
        self.admin = httpx.Client(headers={"Authorization": f"Bearer {ADMIN_TOKEN}"}, timeout=30)
        self.origin = ""
        self._arguments = (*(("--open",) if open else ()), *arguments)
        self._port = 0
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"{self.origin}/fhir"

    @property
    def pid(self) -> int:
        return self._running().pid

    def start(self) -> Self:
        """Start on the same data folder, and on the same port as before."""
        command = [
            sys.executable,
            "-m",
            "sandbox",
            "--data-dir",
            str(self.data_dir),
            "--port",
            str(self._port),
        ]
        self._process = subprocess.Popen(
            [*command, *self._arguments],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "SANDBOX_ADMIN_TOKEN": ADMIN_TOKEN},
            cwd=Path(__file__).parents[1],
        )
        assert self._process.stdout is not None
        ready = self._process.stdout.readline()
        assert ready.startswith("sandbox ready at "), f"the sandbox did not start: {ready!r}"
        self.origin = ready.removeprefix("sandbox ready at ").strip()
        self._port = httpx.URL(self.origin).port or 0
        self.admin.base_url = httpx.URL(f"{self.origin}/admin/")
        return self

    def stop(self) -> int:
        """Stop politely (SIGTERM); returns the exit status."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """Stop at once (SIGKILL), as a power cut would."""
        return self._end(signal.SIGKILL)

    def close(self) -> None:
        if self._process is not None:
            self.kill()
        self.admin.close()

    def reset(self) -> None:
        self._admin("POST", "reset")

    def faults(self, *rules: dict[str, Any]) -> None:
        """Replace the fault rules; with none, nothing goes wrong any more."""
        self._admin("PUT", "faults", json=list(rules))

    def fired(self) -> dict[str, int]:
        """How often each rule fired, by its id ("rule-1", … where it has none)."""
        return {rule["id"]: rule["fired"] for rule in self._admin("GET", "faults").json()["rules"]}

    def requests(self, *, since: int = 0, **wanted: object) -> list[dict[str, Any]]:
        """The request log, oldest first; `requests(method="POST")` keeps the entries with these values."""
        entries = self._admin("GET", "requests", params={"since": since}).json()["requests"]
        return [entry for entry in entries if all(entry[name] == value for name, value in wanted.items())]

    def resources(self, type: str | None = None) -> list[dict[str, Any]]:
        """All current resources, decimals as `Decimal` with the digits they were written with."""
        answer = self._admin("GET", "resources", params={"type": type} if type else {})
        found: list[dict[str, Any]] = simplejson.loads(answer.text, use_decimal=True)["resources"]
        return found

    def history(self, reference: str) -> list[dict[str, Any]]:
        """Every version of `Type/id`, oldest first: version, deleted, source, at, resource."""
        answer = self._admin("GET", "history", params={"ref": reference})
        found: list[dict[str, Any]] = simplejson.loads(answer.text, use_decimal=True)["versions"]
        return found

    def seed(self, resources: list[dict[str, Any]] | dict[str, Any]) -> None:
        """Store resources (a list or a Bundle) under their own ids as version 1."""
        self._admin("POST", "seed", content=simplejson.dumps(resources, use_decimal=True))

    def edit(self, resource: dict[str, Any], *, source: str = "clinician", **more: Any) -> dict[str, Any]:
        """A clinician's own change in the EHR (`more`: by, system, at); returns the new version."""
        content = simplejson.dumps({"resource": resource, "source": source, **more}, use_decimal=True)
        found: dict[str, Any] = self._admin("POST", "edit", content=content).json()
        return found

    def delete(self, reference: str) -> None:
        """A clinician deletes a resource in the EHR."""
        self._admin("POST", "edit", json={"delete": reference})

    def merge(self, patient: str, into: str | None, *, moves_entries: bool = True) -> None:
        """A registrar merges the record ``patient`` into another (`Patient/id` each), or parts it again."""
        self._admin("POST", "merge", json={"patient": patient, "into": into, "moves_entries": moves_entries})

    def settings(self, **changes: object) -> None:
        """Change how the EHR behaves, e.g. `stale_status=409`."""
        self._admin("PATCH", "settings", json=changes)

    def register(self, client: dict[str, Any]) -> None:
        """Register an OAuth client: client_id, jwks, scopes, claims, audiences."""
        self._admin("POST", "clients", json=client)

    def register_person(self, person: dict[str, Any]) -> None:
        """Let somebody log in: sub, name, roles, tenant, fhirUser."""
        self._admin("POST", "people", json=person)

    def register_web_client(self, client: dict[str, Any]) -> None:
        """Register what people log in to: client_id, client_secret, redirect_uris, post_logout_redirect_uris."""
        self._admin("POST", "web-clients", json=client)

    def subscribe(self, url: str, **more: Any) -> int | None:
        """Have every change told to ``url`` (`more`: id, payload, secret, header, types); returns what answered the handshake."""
        found: int | None = self._admin("POST", "subscriptions", json={"url": url, **more}).json()["handshake"]
        return found

    def told(self) -> list[dict[str, Any]]:
        """Let everything be told that was not yet; per subscription its events and what was answered."""
        found: list[dict[str, Any]] = self._admin("GET", "subscriptions").json()["subscriptions"]
        return found

    def wait_until_up(self, seconds: float = START_S) -> None:
        """Wait until requests are answered, e.g. after SIGCONT."""
        until = time.monotonic() + seconds
        while True:
            try:
                if self.admin.get("settings").is_success:
                    return
            except httpx.TransportError:
                if time.monotonic() > until:
                    raise
            time.sleep(0.02)

    def _admin(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        answer = self.admin.request(method, path, **arguments)
        assert answer.is_success, f"{method} /admin/{path}: {answer.status_code} {answer.text}"
        return answer

    def _running(self) -> "subprocess.Popen[str]":
        assert self._process is not None, "the sandbox is not running"
        return self._process

    def _end(self, how: signal.Signals) -> int:
        process = self._running()
        process.send_signal(how)
        status = process.wait(timeout=START_S)
        assert process.stdout is not None
        process.stdout.close()
        self._process = None
        return status


@pytest.fixture(scope="session")
def sandbox_server(servers_folder: Path) -> Iterator[RunningSandbox]:
    """One open sandbox for the whole run; use `sandbox`, which empties it first."""
    running = RunningSandbox(servers_folder / "sandbox").start()
    yield running
    running.close()


@pytest.fixture
def sandbox(sandbox_server: RunningSandbox) -> RunningSandbox:
    """An empty, open sandbox without faults."""
    sandbox_server.reset()
    return sandbox_server
