"""Each kind of EHR as one site would have it connected, as data, and its adapter opened on the sandbox that plays it.

An adapter that nobody listed gets the standard server and no options: what it asks for, it must do without.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from adapters.adapter import Adapter
from adapters.ehr import RestEhr
from adapters.site import Site
from adapters.tokens import NoTokens, Tokens
from adapters.wire import Answer, Wire
from canonical import exact_json
from canonical.ports import Proof, Timings
from tests.factories import ABSENT, RXNORM, Json, dosage_json
from tests.sandbox_fixture import RunningSandbox

#: Short, so that a lost answer is looked into at once: the tests end leases and quarantines themselves.
TIMINGS = Timings(
    request=timedelta(seconds=3),
    slowest_commit=timedelta(milliseconds=50),
    search_lag=timedelta(milliseconds=10),
    margin=timedelta(milliseconds=40),
    send_within=timedelta(seconds=3),
)
#: Whom the examples name: staff and teams of every chart.
STAFF: tuple[Json, ...] = (
    {"resourceType": "Practitioner", "id": "n1"},
    {"resourceType": "Practitioner", "id": "d1"},
    {"resourceType": "CareTeam", "id": "t1"},
)
PENICILLIN, LISINOPRIL = f"{RXNORM}|7980", f"{RXNORM}|29046"
SIG: Json = {name: dosage_json()[name] for name in ("text", "route")}
#: A medication by its code and one text of its dosage, which is what most EHRs keep of it.
PLAIN_MEDICATION: Json = {"form": ABSENT, "strength": ABSENT, "dosage": [SIG]}
#: Fields that say who said it and when: where an EHR has no place for them, they stay in our record.
ATTRIBUTION = [
    *("performer", "performerRole", "origin", "informationSource", "informationSourceRole", "dateAsserted"),
    *("recorder", "recordedDate", "asserter", "author", "authenticator", "sender", "sent", "requester", "category"),
]
#: To whom what an EHR takes in no other way is told.
TO = {"fallback_to": {"message": "Practitioner/d1", "task": "Practitioner/d1"}}


def answer(status: int, body: Any) -> Answer:
    """Return an EHR's answer with JSON in it."""
    return Answer(status=status, headers={"content-type": "application/json"}, body=exact_json.dumps(body).encode())


def issue(code: str, **more: Any) -> Json:
    """Return an ``OperationOutcome`` that tells one failure."""
    return {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": code, **more}]}


@dataclass(frozen=True, kw_only=True)
class Connection:
    """How a site has one kind of EHR connected.

    ``plays``: the sandbox's personality (default: the adapter's own key), with ``behaviour`` (settings) and ``quirks``;
    ``options`` of the connection; ``native``: path of the address for what is not FHIR; ``seeds``: what the chart holds
    besides; ``says``: action, or (action, operation), → what the example says otherwise there (``ABSENT``: leaves out);
    ``visits``: actions that are filed in an encounter; ``lists``: how it takes part where two clinicians
    meet at one patient's lists; ``by_patients``: operations whose author is the patient;
    ``tokens``: how a token is had where the EHR asks for one; ``failure_inside``: its success status with a failure in it,
    and ``unknown_code`` a refusal by a code that nobody knows, both in its own words; ``takes_provenance``: one may be created.
    """

    plays: str | None = None
    behaviour: Mapping[str, Any] = field(default_factory=dict)
    quirks: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    native: str = ""
    seeds: tuple[Json, ...] = ()
    says: Mapping[str | tuple[str, str], Json] = field(default_factory=dict)
    takes_provenance: bool = False
    visits: frozenset[str] = frozenset()
    lists: frozenset[tuple[str, str]] = frozenset()
    by_patients: frozenset[tuple[str, str]] = frozenset()
    tokens: Callable[[RunningSandbox], Tokens] = field(default=lambda _sandbox: NoTokens())
    failure_inside: Answer = field(default_factory=lambda: answer(201, issue("processing")))
    unknown_code: Answer = field(
        default_factory=lambda: answer(
            400, issue("exception", details={"coding": [{"system": "urn:example:vendor", "code": "99999"}]})
        )
    )


@cache
def listed() -> Mapping[str, Connection]:
    """Return the connections of the folder ``connections``, by the adapter's key, which is the file's name."""
    names = sorted(path.stem for path in (Path(__file__).parent / "connections").glob("*.py"))
    return {name: importlib.import_module(f"tests.conformance.connections.{name}").CONNECTION for name in names}


def connection_of(key: str) -> Connection:
    """Return how the EHR ``key`` is connected; the standard server where nobody listed it."""
    return listed().get(key, Connection(plays="fhir_r4"))


def options_of(adapter: Adapter) -> dict[str, Any]:
    """Return the options of the connection: every contract flag that the adapter asks for, and the site's own."""
    flags = {write.flag for write in adapter.capabilities.writes.values() if write.flag}
    return {**dict.fromkeys(sorted(flags), True), **connection_of(adapter.key).options}


def play(sandbox: RunningSandbox, key: str) -> Connection:
    """Empty the sandbox, let it play the EHR of ``key`` with its staff, and return the connection."""
    connection = connection_of(key)
    sandbox.reset()
    sandbox.settings(personality=connection.plays or key, quirks=connection.quirks, **connection.behaviour)
    sandbox.seed([*STAFF, *connection.seeds])
    return connection


@contextmanager
def opened(sandbox: RunningSandbox, adapter: Adapter) -> Iterator[RestEhr]:
    """Open the adapter on the sandbox that plays its EHR."""
    connection = connection_of(adapter.key)
    native = f"{sandbox.origin}{connection.native}" if connection.native else None
    site = Site(base_url=sandbox.url, options={**options_of(adapter), **({"native_url": native} if native else {})})
    ehr = RestEhr(
        adapter=adapter.connected(site),
        site=site,
        wire=Wire(sandbox.url, max_connections=4),
        native_wire=Wire(native, max_connections=4) if native else None,
        tokens=connection.tokens(sandbox),
        timings=TIMINGS,
        proof=Proof.READ_BACK,
        clock=lambda: datetime.now(UTC),
    )
    try:
        yield ehr
    finally:
        ehr.close()
