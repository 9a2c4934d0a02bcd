"""Patients of one's own in the running hospital: questions that people must decide, and the people who log in to decide them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import httpx
import psycopg
from playwright.sync_api import Browser, BrowserContext, Page
from psycopg.rows import dict_row

from canonical import exact_json
from cli.sandbox_site import CONNECTION, PEOPLE, SandboxSite
from cli.service_client import ServiceClient
from processes.condition import wait_until
from tests.factories import (
    ABSENT,
    concept,
    dosage_json,
    envelope_json,
    medication_change_json,
    quantity,
    vital_reading_json,
)

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
METOPROLOL = concept(RXNORM, "6918", "metoprolol")
PHYSICIAN = {"name": "Dr. Alma Reyes", "role": "physician"}
WORKSTATION = "urn:example:ward-workstation"
SOON = timedelta(seconds=20)
LAPTOP = {"width": 1366, "height": 768}
AS_JSON = {"Content-Type": "application/json"}
_FAMILIES = ("Testwell", "Samplery", "Fixturova", "Mockford", "Demoton", "Trialby", "Stubbs", "Exemplar", "Probeson")


@dataclass(frozen=True, kw_only=True)
class Question:
    """A command that waits for a person; ``entry`` is what it would change, empty where it creates."""

    case: int
    command: str
    patient: str
    family: str
    entry: str = ""


def dose(milligrams: str) -> dict[str, Any]:
    """Return the directions of so many milligrams twice a day."""
    return dosage_json(
        text=f"Take {milligrams} mg by mouth twice daily",
        timing={"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}},
        doseAndRate=[{"doseQuantity": quantity(milligrams, "mg", "mg")}],
    )


class Clinic:
    """Works on a product that runs: ``site`` is its hospital, ``database_url`` where it remembers."""

    def __init__(self, site: SandboxSite, database_url: str) -> None:
        self._site, self._database_url = site, database_url.replace("postgresql+psycopg:", "postgresql:")
        self.origin = site.api_url
        secret = {"Authorization": f"Bearer {site.admin_token}"}
        self._chart = httpx.Client(base_url=f"{site.origin}/admin", headers=secret, timeout=30)
        self._apps = {app: ServiceClient(site.profile(app)) for app in ("ward", "pharmacy", "desk")}
        self._numbers = count(1)

    def close(self) -> None:
        self._chart.close()
        for app in self._apps.values():
            app.close()

    # -- what happens in the hospital

    def conflict(self) -> Question:
        """Return a dose change from 25 to 50 mg, of an entry that a physician put to 12.5 mg meanwhile."""
        number, patient, family = self._admit()
        entry = self._prescribed(number, patient)
        looked = datetime.now(UTC)
        self.prescribe(entry, "12.5")
        seen = {
            "status": "active",
            "medication": METOPROLOL,
            "dosage": [dose("25")],
        }
        who = {"identifier": {"system": "urn:example:staff", "value": "m.ortega"}, "role": "pharmacist"}
        target = {
            "reference": entry,
            "versionId": "1",
            "seenAt": looked.isoformat(),
            "seen": seen,
            "acknowledged": {"by": who["identifier"], "when": looked.isoformat()},
        }
        action = medication_change_json(
            "changeDose",
            medication=seen["medication"],
            dosage=[dose("50")],
            form=ABSENT,
            strength=ABSENT,
            dateAsserted=looked.date().isoformat(),
        )
        why = "Heart rate still 96 a minute at the visit of today"
        command = self._submit(
            "pharmacy", self._envelope(number, patient, family, action, target=target, author=who, reason=why)
        )
        return self._question(command, patient=patient, family=family, entry=entry)

    def reading_of_a_model(self) -> Question:
        """Return a body weight that a model heard in a visit: a person must approve it first."""
        number, patient, family = self._admit()
        measured = datetime.now(UTC) - timedelta(minutes=30)
        action = vital_reading_json(
            valueQuantity=quantity("72.5", "kg", "kg"), effectiveDateTime=measured.isoformat(timespec="seconds")
        )
        model = {"model": "visit-scribe", "version": "2.1", "sourceFacts": ["DocumentReference/visit-transcript"]}
        command = self._submit("ward", self._envelope(number, patient, family, action, ai=model))
        return self._question(command, patient=patient, family=family)

    def prescribe(self, entry: str, milligrams: str) -> None:
        """Let a named physician change the dose of an entry in the EHR itself."""
        current = self.entry(entry)
        changed = {**current, "dosage": [dose(milligrams)]}
        self._in_chart("POST", "/edit", {"resource": changed, "by": PHYSICIAN, "system": WORKSTATION})

    def hold_back(self, *, on: bool) -> None:
        """Turn the switch of the connection, so that what is decided waits, and goes on."""
        asked = {"kind": "connection", "key": CONNECTION, "on": on, "reason": "a test of what waits"}
        self._ok(self._apps["desk"].request("PUT", "/v1/switches", json=asked))

    # -- what is so

    def entry(self, reference: str) -> dict[str, Any]:
        """Return an entry of the chart as it stands."""
        kind, _, name = reference.partition("/")
        found: list[dict[str, Any]] = self._in_chart("GET", f"/resources?type={kind}")["resources"]
        return next(it for it in found if it["id"] == name)

    def history(self, reference: str) -> list[dict[str, Any]]:
        """Return all versions of an entry, the oldest first; ``source`` is who wrote one, ``None`` a client such as ours."""
        versions: list[dict[str, Any]] = self._in_chart("GET", f"/history?ref={reference}")["versions"]
        return versions

    def written_by(self, question: Question, kind: str) -> list[dict[str, Any]]:
        """Return the entries of ``kind`` that bear the mark of a question's command."""
        found: list[dict[str, Any]] = self._in_chart("GET", f"/resources?type={kind}")["resources"]
        marks = [(it, {mark.get("value") for mark in it.get("identifier", [])}) for it in found]
        return [it for it, values in marks if question.command in values]

    def state(self, question: Question) -> str:
        (row,) = self.query("SELECT state FROM commands WHERE id = %(id)s", id=question.command)
        return str(row["state"])

    def triggers(self, question: Question) -> list[str]:
        """Return what happened to a command, in order."""
        found = self.query("SELECT trigger FROM events WHERE command_id = %(id)s ORDER BY seq", id=question.command)
        return [str(row["trigger"]) for row in found]

    def decisions(self, question: Question) -> list[dict[str, Any]]:
        return self.query("SELECT * FROM decisions WHERE command_id = %(id)s ORDER BY id", id=question.command)

    def case_of(self, question: Question) -> int | None:
        """Return the open case of a command."""
        text = "SELECT id FROM cases WHERE command_id = %(id)s AND closed_at IS NULL"
        return next((int(row["id"]) for row in self.query(text, id=question.command)), None)

    def query(self, text: str, **parameters: Any) -> list[dict[str, Any]]:
        """Run one statement and return its rows, if it has any."""
        with psycopg.connect(self._database_url, autocommit=True, row_factory=dict_row) as connection:
            done = connection.execute(text.encode(), parameters)
            return done.fetchall() if done.description else []

    # -- how it is made

    def _admit(self) -> tuple[int, str, str]:
        """Put a patient into the chart, who agrees to what the apps do."""
        number = next(self._numbers)
        patient, family = f"review-{number}", _FAMILIES[number % len(_FAMILIES)]
        kind = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]}
        self._in_chart(
            "POST",
            "/seed",
            [
                {
                    "resourceType": "Patient",
                    "id": patient,
                    "identifier": [{"type": kind, "system": "urn:example:mrn", "value": f"{40_070 + number}"}],
                    "birthDate": "1957-11-23",
                    "gender": "female",
                    "name": [{"family": family, "given": ["Oda"]}],
                }
            ],
        )
        terms = {
            "connection": CONNECTION,
            "patient": {"reference": f"Patient/{patient}"},
            "purposes": ["TREAT"],
            "actions": ["*"],
            "apps": ["ward", "pharmacy"],
            "validFrom": (datetime.now(UTC) - timedelta(days=1)).isoformat(),
        }
        self._ok(self._apps["desk"].request("PUT", f"/v1/consents/consent-{patient}", json=terms))
        return number, patient, family

    def _prescribed(self, number: int, patient: str) -> str:
        name = f"metoprolol-{number}"
        self._in_chart(
            "POST",
            "/seed",
            [
                {
                    "resourceType": "MedicationStatement",
                    "id": name,
                    "status": "active",
                    "subject": {"reference": f"Patient/{patient}"},
                    "medicationCodeableConcept": METOPROLOL,
                    "dosage": [dose("25")],
                }
            ],
        )
        return f"MedicationStatement/{name}"

    def _envelope(self, number: int, patient: str, family: str, action: Mapping[str, Any], **more: Any) -> bytes:
        over = {
            "connection": CONNECTION,
            "patient": {"reference": f"Patient/{patient}", "birthDate": "1957-11-23", "family": family},
            "consent": {"reference": f"consent-{patient}"},
            "correlationId": f"review-{number}",
            "source": {"eventId": f"event-review-{number}", "channel": "clinic-visit"},
            **more,
        }
        return exact_json.dumps(envelope_json(dict(action), **over)).encode()

    def _submit(self, app: str, envelope: bytes) -> str:
        answer = self._ok(self._apps[app].submit(envelope))
        return str(answer["id"])

    def _question(self, command: str, **members: str) -> Question:
        draft = Question(case=0, command=command, **members)
        assert wait_until(lambda: self.case_of(draft) is not None, within=SOON), f"no case: {self.triggers(draft)}"
        return Question(case=self.case_of(draft) or 0, command=command, **members)

    def _in_chart(self, method: str, path: str, body: object = None) -> Any:
        content = None if body is None else exact_json.dumps(body)
        return self._ok(self._chart.request(method, path, content=content, headers=AS_JSON))

    @staticmethod
    def _ok(answer: httpx.Response) -> Any:
        assert answer.is_success, f"{answer.status_code} {answer.text}"
        return exact_json.parse(answer.content) if answer.content else None


@dataclass(frozen=True, kw_only=True)
class Desk:
    """Opens browsers for people who log in: each has one of their own."""

    clinic: Clinic
    browser: Browser
    contexts: list[BrowserContext]

    def log_in(self, subject: str, *, path: str = "/review/queue", scripted: bool = True) -> Page:
        """Return the page at ``path`` as one of the sandbox's people sees it, having logged in there."""
        context = self.browser.new_context(viewport=LAPTOP, java_script_enabled=scripted)  # type: ignore[arg-type]
        self.contexts.append(context)
        page = context.new_page()
        page.goto(f"{self.clinic.origin}{path}")
        page.get_by_role("button", name=PEOPLE[subject][0]).click()
        page.wait_for_url(f"{self.clinic.origin}{path}")
        return page

    def at_case(self, subject: str, question: Question, *, scripted: bool = True) -> Page:
        return self.log_in(subject, path=f"/review/cases/{question.case}", scripted=scripted)

    def close(self) -> None:
        for context in self.contexts:
            context.close()


def waiting(condition: Callable[[], bool]) -> bool:
    """Whether ``condition`` comes true soon."""
    return wait_until(condition, within=SOON)
