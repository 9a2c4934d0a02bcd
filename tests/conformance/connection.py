"""Each kind of EHR as one site would have it connected, as data, and its adapter opened on the sandbox that plays it.

An adapter that nobody listed gets the standard server and no options: what it asks for, it must do without.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from adapters.adapter import Adapter
from adapters.ehr import RestEhr
from adapters.site import Site
from adapters.tokens import NoTokens, Tokens
from adapters.wire import Wire
from canonical.action import action_specs
from canonical.ports import Proof, Timings
from tests.factories import ABSENT, EFFECTIVE, LOINC, RXNORM, Json, concept, dosage_json
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
_TO = {"fallback_to": {"message": "Practitioner/d1", "task": "Practitioner/d1"}}
_NURSE = [{"reference": "Practitioner/n1"}]


@dataclass(frozen=True, kw_only=True)
class Connection:
    """How a site has one kind of EHR connected.

    ``plays``: the sandbox's personality (default: the adapter's own key), with ``behaviour`` (settings) and ``quirks``;
    ``options`` of the connection; ``native``: path of the address for what is not FHIR; ``seeds``: what the chart holds
    besides; ``says``: action, or (action, operation), → what the example says otherwise there (``ABSENT``: leaves out);
    ``visits``: actions that are filed in an encounter; ``by_patients``: operations whose author is the patient;
    ``tokens``: how a token is had where the EHR asks for one.
    """

    plays: str | None = None
    behaviour: Mapping[str, Any] = field(default_factory=dict)
    quirks: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    native: str = ""
    seeds: tuple[Json, ...] = ()
    says: Mapping[str | tuple[str, str], Json] = field(default_factory=dict)
    visits: frozenset[str] = frozenset()
    by_patients: frozenset[tuple[str, str]] = frozenset()
    tokens: Callable[[RunningSandbox], Tokens] = field(default=lambda _sandbox: NoTokens())


class _Session(NoTokens):
    """A session of Unity, asked for once."""

    def __init__(self, sandbox: RunningSandbox) -> None:
        address = f"{sandbox.origin}{_UNITY}/GetToken"
        self._token = httpx.post(address, json={"Username": "app", "Password": "made-up"}, timeout=10).text

    def bearer(self, seconds: float) -> str:
        return self._token


_UNITY = "/Unity/UnityService.svc/json"
_ATHENA_MEDICATION, _ATHENA_ALLERGEN = "urn:athenahealth:medication", "urn:athenahealth:allergen"
_FDB = "http://www.fdbhealth.com/"
_PENICILLIN, _LISINOPRIL = f"{RXNORM}|7980", f"{RXNORM}|29046"
_SIG: Json = {name: dosage_json()[name] for name in ("text", "route")}
#: A medication by its code and one text of its dosage, which is what most EHRs keep of it.
_PLAIN_MEDICATION: Json = {"form": ABSENT, "strength": ABSENT, "dosage": [_SIG]}
_ATTRIBUTION = [
    *("performer", "performerRole", "origin", "informationSource", "informationSourceRole", "dateAsserted"),
    *("recorder", "recordedDate", "asserter", "author", "authenticator", "sender", "sent", "requester", "category"),
]
#: A note as a document of one page.
_PDF: Json = {
    "docType": concept(LOINC, "34109-9", "Note"),
    "content": ABSENT,
    "attachment": {"contentType": "application/pdf", "data": base64.b64encode(b"%PDF-1.4\n%%EOF\n").decode()},
}

CONNECTIONS: Mapping[str, Connection] = {
    "athenahealth": Connection(
        native="/v1/195900",
        options={
            "department_id": "1",
            "patient_id_prefix": "",
            "encounter_id_prefix": "",
            "medication_reads": "MedicationStatement",
            "accepts_update_window": True,
            "codes": {
                "medication": {_LISINOPRIL: "238923", f"{_ATHENA_MEDICATION}|238923": "238923"},
                "allergy": {_PENICILLIN: "18581", f"{_ATHENA_ALLERGEN}|18581": "18581"},
            },
            "leaves_out": _ATTRIBUTION,
        },
        says={
            "MedicationChange": _PLAIN_MEDICATION,
            ("AllergyUpdate", "record"): {"category": ABSENT},
            # Its author names the substance as the chart shows it.
            ("AllergyUpdate", "addReaction"): {"code": concept(_ATHENA_ALLERGEN, "18581", "penicillin G")},
            ("AllergyUpdate", "removeReaction"): {"code": concept(_ATHENA_ALLERGEN, "18581", "penicillin G")},
        },
    ),
    "canvas": Connection(
        options={
            "codes": {"medication": {_LISINOPRIL: "244899"}, "allergy": {_PENICILLIN: "2-7980"}},
            "note_reviewer": "Practitioner/d1",
            "leaves_out": _ATTRIBUTION,
            **_TO,
        },
        by_patients=frozenset({("CareMessage", "send")}),
        says={
            "MedicationChange": _PLAIN_MEDICATION,
            ("AllergyUpdate", "record"): {"category": ABSENT, "criticality": ABSENT},
            ("CareMessage", "send"): {"topic": ABSENT},
            ("ClinicalNote", "create"): _PDF,
            ("AllergyUpdate", "retract"): {"code": concept(_FDB, "2-7980", "penicillin G")},
            ("MedicationChange", "correct"): {"dosage": [{**_SIG, "text": "Take 1 tablet by mouth at bedtime"}]},
            ("CareTask", "create"): {"owner": {"reference": "Practitioner/d1"}},
            ("CareTask", "update"): {"priority": ABSENT, "description": "Call her daughter about the missed doses"},
        },
    ),
    "eclinicalworks": Connection(
        behaviour={"calls_per_minute": None},
        # Whether vital signs wait to be taken over is not said: here all that is written does.
        quirks={"reconciled": ["AllergyIntolerance", "Condition", "MedicationStatement", "Observation"]},
        options={
            "leaves_out": [*_ATTRIBUTION, "encounter"],
        },
        says={"MedicationChange": _PLAIN_MEDICATION},
    ),
    "epic": Connection(
        options={
            "units": {"29463-7": "kg", "8867-4": "/min"},
            "leaves_out": [*_ATTRIBUTION, "title"],
        },
        # What it is told in words is a note, which it files in an encounter too.
        visits=frozenset(action_specs()),
        says={("AllergyUpdate", "record"): {"criticality": ABSENT}},
    ),
    "fhir_r4": Connection(options={"keeps_security_labels": True}),
    "meditech": Connection(options={"leaves_out": _ATTRIBUTION, **_TO}),
    "oracle_health": Connection(
        visits=frozenset({"ClinicalNote", "ImmunizationRecord"}),
        options={
            "pairs_blood_pressure": True,
            "leaves_out": [*_ATTRIBUTION, "changeReason"],
            **_TO,
        },
        says={
            ("ClinicalNote", "create"): {"period": {"end": EFFECTIVE}},
            ("VitalReading", "record"): {"performer": _NURSE},
            ("VitalReading", "correct"): {"performer": _NURSE},
            "MedicationChange": _PLAIN_MEDICATION,
        },
    ),
    "veradigm": Connection(
        native=_UNITY,
        quirks={
            "vital_fields": {"WeightKg": ["29463-7", "kg"], "Pulse": ["8867-4", "/min"]},
            "drugs": {"1001": "29046"},
        },
        tokens=_Session,
        options={
            "ehr_user": "jmedici",
            "app_name": "writer",
            "vital_fields": {
                "29463-7": {"name": "WeightKg", "unit": "kg"},
                "8867-4": {"name": "Pulse", "unit": "/min"},
            },
            "vital_time": "Date",
            "medication_reads": "MedicationStatement",
            "codes": {"medication": {_LISINOPRIL: "1001"}},
            "leaves_out": _ATTRIBUTION,
        },
        says={"MedicationChange": _PLAIN_MEDICATION},
    ),
}


def connection_of(key: str) -> Connection:
    """Return how the EHR ``key`` is connected; the standard server where nobody listed it."""
    return CONNECTIONS.get(key, Connection(plays="fhir_r4"))


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
