"""What the simulated EHR tells its subscribers, over real HTTP, of which changes."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from tests.notification_factories import SECRET
from tests.sandbox.resources import observation
from tests.sandbox_fixture import RunningSandbox


@dataclass
class Listener:
    """A subscriber: what it was told, and what it answers (``answers`` first, then 202)."""

    url: str = ""
    heard: list[tuple[dict[str, str], dict[str, Any]]] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    def events(self) -> list[tuple[str, str | None, list[str]]]:
        """Return of each message its type, the number of its event, and what else it carries."""
        return [
            (
                _said(body, "type"),
                _said(body, "events-since-subscription-start"),
                [entry["fullUrl"].rpartition("/fhir/")[2] for entry in body["entry"][1:]],
            )
            for _, body in self.heard
        ]


def _said(body: dict[str, Any], name: str) -> str:
    (found,) = [item for item in body["entry"][0]["resource"]["parameter"] if item["name"] == name]
    return str(found.get("valueCode", found.get("valueString")))


@pytest.fixture
def listener(sandbox: RunningSandbox) -> Iterator[Listener]:
    listener = Listener()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            listener.raw.append(raw)
            listener.heard.append(({name.lower(): value for name, value in self.headers.items()}, json.loads(raw)))
            self.send_response(listener.answers.pop(0) if listener.answers else 202)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    listener.url = f"http://127.0.0.1:{server.server_port}/"
    yield listener
    sandbox.reset()
    server.shutdown()
    server.server_close()
    thread.join()


def test_every_change_is_told_in_order_whoever_made_it(
    sandbox: RunningSandbox, fhir: httpx.Client, listener: Listener
) -> None:
    sandbox.seed([observation(id="o1")])
    assert sandbox.subscribe(listener.url, types=["Observation"]) == 202
    sandbox.edit(observation(id="o1", status="amended"))
    fhir.put("Patient/p1", json={"resourceType": "Patient", "id": "p1"})
    made = fhir.post("Observation", json=observation()).json()["id"]
    sandbox.delete("Observation/o1")
    assert sandbox.told() == [{"id": "all", "events": 3, "answers": [202] * 4}]
    assert listener.events() == [
        ("handshake", "0", []),
        ("event-notification", "1", ["Observation/o1"]),
        ("event-notification", "2", [f"Observation/{made}"]),
        ("event-notification", "3", ["Observation/o1"]),
    ]
    assert "resource" not in listener.heard[1][1]["entry"][1]


def test_a_message_is_signed_over_its_bytes_and_carries_the_resource_if_asked(
    sandbox: RunningSandbox, listener: Listener
) -> None:
    sandbox.subscribe(listener.url, payload="full-resource", secret=SECRET, header="Bearer told")
    sandbox.seed([observation(id="o1")])
    sandbox.told()
    headers, body = listener.heard[1]
    Webhook(SECRET).verify(listener.raw[1], headers, json_parse=False)
    assert headers["authorization"] == "Bearer told"
    assert body["entry"][1]["resource"]["id"] == "o1"


def test_what_is_not_taken_is_sent_again_and_then_left_out(sandbox: RunningSandbox, listener: Listener) -> None:
    sandbox.subscribe(listener.url)
    listener.answers = [503, 202, 503, 503, 503]
    sandbox.seed([observation(id="o1")])
    sandbox.seed([observation(id="o2")])
    assert sandbox.told()[0]["answers"] == [202, 202, 503]
    sandbox.reset()
    assert sandbox.told() == []
