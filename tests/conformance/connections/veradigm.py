"""Veradigm as one site has it: Unity's fields by that site's own names, in a session."""

from __future__ import annotations

import httpx

from adapters.tokens import NoTokens
from tests.conformance.connection import ATTRIBUTION, LISINOPRIL, PLAIN_MEDICATION, Connection, answer
from tests.sandbox_fixture import RunningSandbox

_UNITY = "/Unity/UnityService.svc/json"


class _Session(NoTokens):
    """A session of Unity, asked for once."""

    def __init__(self, sandbox: RunningSandbox) -> None:
        address = f"{sandbox.origin}{_UNITY}/GetToken"
        self._token = httpx.post(address, json={"Username": "app", "Password": "made-up"}, timeout=10).text

    def bearer(self, seconds: float) -> str:
        return self._token


CONNECTION = Connection(
    lists=frozenset(
        {
            ("MedicationChange", "start"),
        }
    ),
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
        "codes": {"medication": {LISINOPRIL: "1001"}},
        "leaves_out": ATTRIBUTION,
    },
    says={"MedicationChange": PLAIN_MEDICATION},
    failure_inside=answer(200, [{"Error": "Magic Error - The entry was not saved."}]),
    unknown_code=answer(200, [{"Error": "Magic Error - 9999"}]),
)
