"""The resource maps are what the mapping does: each field is written and what changes is compared with the page."""

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from adapters.fhir_r4 import ADAPTER
from adapters.r4 import (
    allergy_intolerance,
    care_gap,
    communication,
    condition,
    document_reference,
    immunization,
    medication_list,
    medication_statement,
    observation,
    questionnaire_response,
    service_request,
    task,
)
from adapters.r4.clinical_status import KEPT, Statuses
from adapters.r4.fields import Field
from adapters.site import Site
from canonical import exact_json
from canonical.action import Action
from canonical.actions.allergy_update import AllergyUpdate
from canonical.actions.care_gap_closure import CareGapClosure
from canonical.actions.care_message import CareMessage
from canonical.actions.care_task import CareTask
from canonical.actions.clinical_note import ClinicalNote
from canonical.actions.immunization_record import ImmunizationRecord
from canonical.actions.medication_change import MedicationChange
from canonical.actions.medication_reconciliation import MedicationReconciliation
from canonical.actions.order_request import OrderRequest
from canonical.actions.patient_reported_outcome import PatientReportedOutcome
from canonical.actions.problem_update import ProblemUpdate
from canonical.actions.vital_reading import VitalReading
from canonical.onset import FORMS
from canonical.ports import Surrounding
from tests.adapters.commands import METFORMIN, REASON, WEIGHT, command
from tests.adapters.r4 import test_allergy_intolerance as allergies
from tests.adapters.r4 import test_care_gap as gaps
from tests.adapters.r4 import test_communication as messages
from tests.adapters.r4 import test_condition as diagnoses
from tests.adapters.r4 import test_document_reference as notes
from tests.adapters.r4 import test_immunization as vaccinations
from tests.adapters.r4 import test_medication_list as reviews
from tests.adapters.r4 import test_medication_statement as medications
from tests.adapters.r4 import test_observation as readings
from tests.adapters.r4 import test_questionnaire_response as answers
from tests.adapters.r4 import test_service_request as proposals
from tests.adapters.r4 import test_task as tasks

PAGE = (Path(__file__).parents[2] / "docs/resource-maps.md").read_text(encoding="utf-8")


def forms(stem: str) -> dict[str, Any]:
    """A choice in each of the five forms that FHIR has for it."""
    values: dict[str, Any] = {"DateTime": "2019", "String": "x", "Period": {"start": "2019"}}
    return {f"{stem}{form}": values.get(form, {"text": "52 years"}) for form in FORMS}


#: Field → what an author may say, as the adapter's own tests have it.
SAMPLES: dict[str, dict[str, Any]] = {
    "VitalReading": {
        **readings.SATURATION,
        **readings.FULL,
        "valueQuantity": WEIGHT["valueQuantity"],
        "dataAbsentReason": {"text": "refused"},
        "effectivePeriod": {"start": "2026-11-22"},
        "howObtained": "stated",
    },
    "MedicationChange": {
        **medications.FULL,
        **medications.DESCRIBED,
        "ingredient": [{"text": "metformin"}, {"text": "glipizide"}],
        "statusReason": REASON,
        "expectedResume": "2026-12",
    },
    "AllergyUpdate": {**allergies.FULL, **forms("onset"), "noneKnownScope": "drug"},
    "ProblemUpdate": {**diagnoses.FULL, **forms("onset"), **forms("abatement")},
    "CareMessage": {**messages.MESSAGE, **messages.RETRACT},
    "CareTask": {**tasks.CREATE, **tasks.SAID["cancel"], **tasks.SAID["complete"]},
    "ClinicalNote": {**notes.FULL, **notes.WITHHELD, **notes.RETRACT, "attachment": notes.PDF},
    "PatientReportedOutcome": {**answers.FULL, **answers.RETRACT},
    "ImmunizationRecord": {**vaccinations.FULL, **vaccinations.REPORTED, **vaccinations.NOT_DONE},
    "OrderRequest": {**proposals.FULL, **proposals.OTHER_TIMES, **proposals.CANCEL},
    "CareGapClosure": {**gaps.RETRACT, **gaps.CLOSE},
    "MedicationReconciliation": {**reviews.RETRACT, **reviews.RECONCILE},
}
MAPPED: list[tuple[type[Action], Sequence[Field], dict[str, Any]]] = [
    (VitalReading, observation.FIELDS, {}),
    (MedicationChange, medication_statement.FIELDS, {"medicationCodeableConcept": METFORMIN}),
    (AllergyUpdate, allergy_intolerance.FIELDS, {}),
    (ProblemUpdate, condition.FIELDS, {}),
    (CareMessage, communication.FIELDS, {}),
    (CareTask, task.FIELDS, {}),
    (ClinicalNote, document_reference.FIELDS, {}),
    (PatientReportedOutcome, questionnaire_response.FIELDS, {}),
    (ImmunizationRecord, immunization.FIELDS, {}),
    (OrderRequest, service_request.FIELDS, {}),
    (CareGapClosure, care_gap.FIELDS, {}),
    (MedicationReconciliation, medication_list.FIELDS, {}),
]
IDS = [model.TYPE for model, _, _ in MAPPED]
#: What becomes a note or stays with us: it has a row and no field of its own.
REASONS = {"retractReason", "changeReason"}
#: Fields that are no content of their own: which operation it is, and what its own row or the status says.
FRAME = {"type", "operation"}


def table_under(head: str) -> dict[str, list[str]]:
    """First column → the names in backticks of the second one."""
    rows = PAGE.partition(f"| {head} |")[2].partition("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    return {first.strip("`"): re.findall(r"`([^`]+)`", second) for first, second, *_ in cells}


def places(value: Any, path: str = "") -> Iterator[str]:
    """Every leaf as a path without positions; an extension by the last part of its URL."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from places(item, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for item in value:
            is_extension = path.endswith("extension") and isinstance(item, Mapping)
            yield from places(item, f"{path}({re.split('[/:]', item['url'])[-1]})" if is_extension else path)
    else:
        yield f"{path}={value}"


def written(field: Field, value: Any, frame: dict[str, Any]) -> set[str]:
    """The paths that change when ``field`` is written into a resource with nothing but ``frame``."""
    resource = copy.deepcopy(frame)
    field.write(resource, value)
    return {place.partition("=")[0] for place in set(places(resource)) - set(places(frame))}


@pytest.mark.parametrize(("model", "fields", "frame"), MAPPED, ids=IDS)
def test_every_field_of_an_action_has_its_row(
    model: type[Action], fields: Sequence[Field], frame: dict[str, Any]
) -> None:
    names = {info.alias or name for name, info in model.model_fields.items()}
    assert set(table_under(model.TYPE)) == names - FRAME


@pytest.mark.parametrize(("model", "fields", "frame"), MAPPED, ids=IDS)
def test_a_field_is_written_where_its_row_says_and_nowhere_else(
    model: type[Action], fields: Sequence[Field], frame: dict[str, Any]
) -> None:
    told = table_under(model.TYPE)
    names = {field.name for field in fields}
    assert names == {name for name, where in told.items() if where} - (REASONS - names)
    for field in fields:
        changed = written(field, SAMPLES[model.TYPE][field.name], frame)
        assert changed, field.name
        astray = {place for place in changed if not place.startswith((*told[field.name], "contained.resourceType"))}
        unused = {where for where in told[field.name] if not any(place.startswith(where) for place in changed)}
        # A contained Medication brings its id and its code with it.
        astray -= {"contained.id", "contained.code.text", "contained.code.coding.code", "contained.code.coding.system"}
        assert (astray, unused - {"performer.display"}) == (set(), set()), field.name


def test_extensions_are_listed_by_their_whole_address() -> None:
    told = table_under("name")
    urls = {url: name for name, (url,) in told.items()}
    samples = [(fields, SAMPLES[model.TYPE], frame) for model, fields, frame in MAPPED]
    used = {url for fields, sample, frame in samples for url in _extension_urls(fields, sample, frame)}
    assert used == set(urls) - {observation.STATES["sleep"][0]}
    assert observation.STATES["sleep"][0] in urls


def _extension_urls(fields: Sequence[Field], sample: dict[str, Any], frame: dict[str, Any]) -> set[str]:
    found: set[str] = set()
    for field in fields:
        resource = copy.deepcopy(frame)
        field.write(resource, sample[field.name])
        urls = {place.partition("=")[2] for place in places(resource) if re.search(r"extension\([^)]*\)\.url=", place)}
        # The parts of an extension are named without an address.
        found |= {url for url in urls if ":" in url}
    return found


def test_operations_move_the_status_as_the_page_says() -> None:
    sections = {model.TYPE: _section(model.TYPE) for model, _, _ in MAPPED[:2]}
    updates = {name: re.findall(r"^\| `(\w+)` \| update", text, re.MULTILINE) for name, text in sections.items()}
    assert sorted(updates["MedicationChange"]) == sorted(medication_statement.STATUS_MOVES)
    assert sorted(updates["VitalReading"]) == ["correct", "retract"]
    for operation, (allowed, leads_to) in medication_statement.STATUS_MOVES.items():
        row = _row_of("MedicationChange", operation)
        before, _, after = row.partition("→")
        assert sorted(re.findall(r"`([a-z-]+)`", before)) == sorted(allowed), operation
        assert re.findall(r"`([a-z-]+)`", after) == ([leads_to] if leads_to else []), operation
    corrected = _row_of("VitalReading", "correct")
    moved = {status for status, now in observation.CORRECTED.items() if now == "corrected"}
    assert set(re.findall(r"`([a-z-]+)`", corrected.partition("→")[0])) == moved
    assert set(re.findall(r"`([a-z-]+)`", corrected.partition(";")[2])) == set(observation.CORRECTED) - moved


@pytest.mark.parametrize(
    ("action", "statuses", "begin"),
    [
        ("AllergyUpdate", allergy_intolerance.STATUSES, {"record": "unconfirmed", "assertNoneKnown": "confirmed"}),
        ("ProblemUpdate", condition.STATUSES, {"add": "unconfirmed"}),
    ],
)
def test_operations_move_both_statuses_as_the_page_says(action: str, statuses: Statuses, begin: dict[str, str]) -> None:
    rows = re.findall(r"^\| `(\w+)` \| (create|update)[^|]*\| (.*?) \| (.*?) \|$", _section(action), re.MULTILINE)
    assert {name for name, verb, *_ in rows if verb == "update"} == set(statuses.moves)
    assert {name for name, verb, *_ in rows if verb == "create"} == set(begin)
    for name, verb, clinical, verification in rows:
        if verb == "create":
            assert (clinical, verification) == ("`active`", f"`{begin[name]}`")
            continue
        move = statuses.moves[name]
        assert clinical == _told(move.clinical_from, move.clinical), name
        assert verification == _told(move.verification_from, move.verification), name


def test_whatever_has_one_status_moves_it_as_the_page_says() -> None:
    for operation, (allowed, leads_to) in task.STATUS_MOVES.items():
        assert _row_of("CareTask", operation) == _told(allowed, KEPT if leads_to is None else leads_to), operation
    taken_back = re.findall(r"`([a-z-]+)`", _row_of("CareMessage", "retract"))
    assert taken_back == [*sorted(communication.ENDED), "entered-in-error"]
    for operation in ("update", "cancel"):
        after = KEPT if operation == "update" else "revoked"
        assert _row_of("OrderRequest", operation) == _told(frozenset({service_request.DRAFT}), after), operation
    assert _row_of("ImmunizationRecord", "correct") == _told(immunization.LIVE, KEPT)
    assert _row_of("ImmunizationRecord", "retract") == _told(immunization.LIVE, "entered-in-error")
    retracted = _told(questionnaire_response.RETRACTABLE, "entered-in-error")
    assert _row_of("PatientReportedOutcome", "retract").partition(";")[0] == retracted
    amended = {status for status, now in questionnaire_response.CORRECTED.items() if now == "amended"}
    corrected = _row_of("PatientReportedOutcome", "correct").partition(";")
    assert corrected[0] == _told(frozenset(amended), "amended")
    assert corrected[2].startswith(f" `{questionnaire_response.PARTIAL}` stays")
    assert _row_of("ClinicalNote", "retract") == _told(document_reference.RETRACTABLE, "entered-in-error")
    for action, retractable in (
        ("ClinicalNote", document_reference.RETRACTABLE),
        ("CareGapClosure", care_gap.RETRACTABLE),
        ("MedicationReconciliation", medication_list.RETRACTABLE),
    ):
        assert _row_of(action, "retract") == _told(retractable, "entered-in-error"), action


def _told(allowed: frozenset[str | None], leads_to: str | None) -> str:
    before = ", ".join(f"`{code}`" for code in sorted(code for code in allowed if code is not None))
    if leads_to == KEPT:
        return f"{before} stay"
    return f"{before} → {'none' if leads_to is None else f'`{leads_to}`'}"


def _section(action: str) -> str:
    return PAGE.partition(f"## {action} →")[2].partition("\n## ")[0]


def _row_of(action: str, operation: str) -> str:
    section = _section(action)
    (cell,) = re.findall(rf"^\| `{operation}` \| update[^|]*\| (.*?) \|$", section, re.MULTILINE)
    return str(cell)


def test_what_belongs_to_our_own_record_stays_out_of_the_chart() -> None:
    """The page's sentence about the rest of the envelope: every value below can be told from content by its 471."""
    ours: dict[str, Any] = {
        "author": {"identifier": {"system": "urn:staff", "value": "n-471"}, "role": "nurse"},
        "onBehalfOf": {"value": "o-471"},
        "attestation": [{"who": {"value": "a-471"}, "role": "role-471", "time": "2026-11-22T08:16:00Z"}],
        "app": {"version": "app-471"},
        "source": {"eventId": "event-471", "channel": "channel-471", "derivedFrom": ["Observation/d-471"]},
        "ai": {"model": "model-471", "version": "v-471", "approvedBy": {"value": "n-471"}},
        "consent": {"reference": "consent-471"},
        "purposeOfUse": "PUBHLTH",
        "reason": "visit 471",
        "correlationId": "round-471",
    }
    confirmed = {"by": {"value": "n-471"}, "when": "2026-11-22T08:16:00Z"}
    sent = command({**WEIGHT, "confirmed": confirmed}, **ours)
    assert exact_json.dumps(sent.envelope.as_json()).count("471") > len(ours), "they must be there to be left out"
    operation, provenance = ADAPTER.plan(sent, Surrounding(), Site(base_url="https://ehr.example/fhir"))
    assert [word for word in (b"471", b"PUBHLTH") if word in operation.body] == []
    told = set(re.findall(r"[a-z]+[ -]471", provenance.body.decode()))
    assert told == {"n-471", "o-471", "a-471", "role-471", "d-471", "model-471", "v-471"}
    none = Site(base_url="https://ehr.example/fhir", options={"provenance": "none"})
    assert [item.body for item in ADAPTER.plan(sent, Surrounding(), none)] == [operation.body]


def test_the_page_names_every_element_of_a_provenance() -> None:
    sent = command(
        WEIGHT,
        ai={"model": "scribe", "sourceFacts": ["Observation/s1"]},
        onBehalfOf={"value": "o"},
        source={"derivedFrom": ["Observation/d1"]},
    )
    *_, operation = ADAPTER.plan(sent, Surrounding(), Site(base_url="https://ehr.example/fhir"))
    said = exact_json.parse(operation.body)
    section = PAGE.partition("## Provenance, beside what was written")[2].partition("\n## ")[0]
    rows = re.findall(r"^\|[^|]*\| `([a-zA-Z]+)", section, re.MULTILINE)
    assert said.keys() - {"resourceType"} == set(rows)
