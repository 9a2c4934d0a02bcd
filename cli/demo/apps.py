"""The two upstream apps and the desk that keeps consents, each sending as an app would; what they were told is kept."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx

from canonical import exact_json
from cli.demo.intents import Intent, Kind
from cli.demo.judge import Told
from cli.demo.people import Person
from cli.demo.queue import Queue
from cli.errors import CannotDo
from cli.sandbox_site import APPS, SandboxSite
from cli.service_client import ServiceClient
from cli.submit import told as sentence
from processes.condition import wait_until

#: How many requests the apps have on their way at once.
AT_ONCE = 8
#: An app that is told to come back does so, but not for ever.
TRIES = 20
#: Statuses that say "not now"; everything else is an answer.
_LATER = frozenset({409, 429, 503})
_SOON = timedelta(seconds=20)
_GLANCE = timedelta(milliseconds=60)


@dataclass(frozen=True, kw_only=True)
class End:
    """Where a command was when it was last looked at."""

    status: str
    state: str
    reason: str


@dataclass
class Apps:
    """Everybody who speaks to the service."""

    site: SandboxSite
    queue: Queue
    _clients: dict[str, ServiceClient] = field(init=False)
    _receipts: dict[str, set[str]] = field(default_factory=dict)
    _refusals: dict[str, list[str]] = field(default_factory=dict)
    _noting: threading.Lock = field(default_factory=threading.Lock)
    #: Commands that the revocation named as being on their way.
    named_in_flight: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self._clients = {app: ServiceClient(self.site.profile(app)) for app in APPS}

    def close(self) -> None:
        for client in self._clients.values():
            client.close()

    def record_consents(self, people: Iterable[Person]) -> None:
        """Let the desk record that each patient agrees to what both apps do.

        Raises:
            CannotDo: the service refuses one.
        """
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(self._record_consent, people))

    def give(self, intents: Iterable[Intent], *, then: Callable[[], None] = lambda: None) -> None:
        """Send all of them, several at a time, each as often as it is to be sent; `then` is called after each."""

        def give_one(intent: Intent) -> None:
            self._give(intent)
            then()

        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(give_one, intents))

    def aimed(self, intents: Iterable[Intent]) -> list[Intent]:
        """Return intents with their targets: what the earlier ones that they are of became.

        Raises:
            CannotDo: one of these became nothing.
        """
        return [it.on(self.command_of(it.of)) if it.kind is not Kind.CONFIRMED and it.of else it for it in intents]

    def revoke_in_flight(self, lost: Intent, waiting: Intent) -> None:
        """Revoke a consent while one command is on its way, its answer lost, and another one waits behind it."""
        self._give(lost)
        command = self.command_of(lost.name)
        if not wait_until(lambda: self.end_of(command).state == "unknown", within=_SOON, look_again=_GLANCE):
            raise CannotDo(f"{lost.name} never became 'unknown', although its answer was lost; see the logs.")
        self._give(waiting)
        answer = self._ask("desk", "POST", f"/v1/consents/{lost.envelope['consent']['reference']}:revoke", {})
        self.named_in_flight = frozenset(it["id"] for it in answer["inFlight"])

    def command_of(self, name: str) -> str:
        """Return the command that an intent became.

        Raises:
            CannotDo: it became none, so what follows from it cannot be shown.
        """
        found = self._receipts.get(name)
        if not found:
            codes = ", ".join(self._refusals.get(name, [])) or "no answer"
            raise CannotDo(f"{name} was to be accepted and was not ({codes}); the demonstration cannot go on.")
        return next(iter(found))

    def end_of(self, command: str) -> End:
        return _end(self._ask("desk", "GET", f"/v1/commands/{command}"))

    def pending(self) -> int:
        """Return how many commands are not settled."""
        return len(self._found_by({"status": "pending"}))

    def told(self, intents: Iterable[Intent]) -> tuple[Told, ...]:
        """Return what the apps were told about each intent, and where its command is now."""
        ends = {it["id"]: _end(it) for it in self._found_by({})}
        return tuple(self._told(it, ends) for it in intents)

    def _found_by(self, query: dict[str, Any]) -> list[dict[str, Any]]:
        """Return every command of the tenant that a search finds, page by page."""
        found: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            page = self._ask("desk", "POST", "/v1/commands/_search", {**query, "limit": 100, **cursor})
            found += page["commands"]
            if page.get("cursor") is None:
                return found
            cursor = {"cursor": page["cursor"]}

    def _told(self, intent: Intent, ends: dict[str, End]) -> Told:
        commands = frozenset(self._receipts.get(intent.name, ()))
        end = next((ends[it] for it in commands if it in ends), End(status="", state="", reason=""))
        return Told(
            intent=intent,
            commands=commands,
            refusals=tuple(self._refusals.get(intent.name, ())),
            status=end.status,
            state=end.state,
            reason=end.reason,
        )

    def _record_consent(self, person: Person) -> None:
        terms = {
            "connection": person.connection,
            "patient": {"reference": person.reference},
            "purposes": ["TREAT"],
            "actions": ["*"],
            "apps": ["ward", "pharmacy"],
            "validFrom": person.encounter["period"]["start"],
        }
        self._ask("desk", "PUT", f"/v1/consents/{person.consent}", terms)

    def _give(self, intent: Intent) -> None:
        if intent.kind is Kind.QUEUED:
            self._enqueue(intent)
        elif intent.kind is Kind.RACING:
            self._race(intent)
        else:
            for _ in range(intent.sends):
                self._send(intent)

    def _race(self, intent: Intent) -> None:
        start = threading.Barrier(intent.sends)

        def run(_lane: int) -> None:
            start.wait()
            self._send(intent)

        with ThreadPoolExecutor(intent.sends) as racers:
            list(racers.map(run, range(intent.sends)))

    def _send(self, intent: Intent) -> None:
        answer = self._submit(intent)
        for _ in range(TRIES):
            if not _comes_back(answer):
                break
            # As an app would: no sooner than it was told.
            threading.Event().wait(float(answer.headers.get("Retry-After", 1)))
            answer = self._submit(intent)
        self._note(intent, answer)

    def _submit(self, intent: Intent) -> httpx.Response:
        return self._clients[intent.app].submit(exact_json.dumps(intent.envelope).encode(), key=intent.key)

    def _enqueue(self, intent: Intent) -> None:
        """Give a command to the broker and look, as an app may, what it became."""
        self.queue.send(intent)
        wait_until(lambda: self._found(intent), within=_SOON, look_again=_GLANCE)

    def _found(self, intent: Intent) -> bool:
        query = {"correlationId": intent.envelope["correlationId"], "limit": 2}
        ids = {it["id"] for it in self._ask(intent.app, "POST", "/v1/commands/_search", query)["commands"]}
        with self._noting:
            self._receipts.setdefault(intent.name, set()).update(ids)
        return bool(ids)

    def _note(self, intent: Intent, answer: httpx.Response) -> None:
        document = _document(answer)
        with self._noting:
            if answer.is_success:
                self._receipts.setdefault(intent.name, set()).add(document["id"])
            else:
                self._refusals.setdefault(intent.name, []).append(document.get("code", str(answer.status_code)))

    def _ask(self, app: str, method: str, path: str, body: object = None) -> Any:
        content = None if body is None else exact_json.dumps(body)
        headers = {"Content-Type": "application/json"} if body is not None else {}
        answer = self._clients[app].request(method, path, content=content, headers=headers)
        if not answer.is_success:
            raise CannotDo(f"{method} {path} was refused with {answer.status_code}: {sentence(answer.content)}")
        return exact_json.parse(answer.content)


def _comes_back(answer: httpx.Response) -> bool:
    return answer.status_code in _LATER and _document(answer).get("retry") == "later"


def _document(answer: httpx.Response) -> dict[str, Any]:
    try:
        document = exact_json.parse(answer.content)
    except exact_json.InvalidJsonError:
        document = None
    return document if isinstance(document, dict) else {}


def _end(document: dict[str, Any]) -> End:
    return End(status=document["status"], state=document["state"], reason=document["reason"])
