"""What a person is shown beside a decision: chosen from the chart, in words, and honest about what is not known."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from canonical.action import action_specs, spec_for
from canonical.case_views import UNREAD, ContextEntry
from canonical.medication_context import CLASS_NOT_CHECKED, INGREDIENT_NOT_CHECKED
from canonical.review_context import NOTHING, Subject, context_entry
from tests.factories import ABSENT, EnvelopeFactory, medication_change_json, vital_reading_json
from tests.list_factories import allergy_update_json, problem_update_json

RXNORM, LOINC = "http://www.nlm.nih.gov/research/umls/rxnorm", "http://loinc.org"
NOW = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
READ_AT = "10:00 CET on 26 November 2026"


def coded(system: str, code: str, text: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}], "text": text}


METOPROLOL = coded(RXNORM, "6918", "metoprolol")
TABLET = coded(RXNORM, "866924", "metoprolol tartrate 25 MG Oral Tablet")


def shown(action: dict[str, Any], title: str, entries: Sequence[dict[str, Any]] | None, **more: Any) -> ContextEntry:
    envelope = EnvelopeFactory(action=action, **more.pop("envelope", {}))
    (wanted,) = [item for item in spec_for(envelope.action).context if item.title == title]
    subject = Subject(envelope=envelope, now=NOW, zone=BERLIN, **{"reference": None, **more})
    return context_entry(wanted, subject, entries, read_at=READ_AT)


def entry(reference: str, medication: dict[str, Any], **more: Any) -> dict[str, Any]:
    dose = {"text": "1 tablet twice daily", "doseAndRate": [{"doseQuantity": {"value": Decimal("25.0"), "unit": "mg"}}]}
    return {"reference": reference, "status": "active", "medication": medication, "dosage": [dose], **more}


def lines(action: dict[str, Any], title: str, entries: Sequence[dict[str, Any]], **more: Any) -> tuple[str, ...]:
    return shown(action, title, entries, **more).lines


def test_every_action_declares_what_it_needs_and_most_need_nothing() -> None:
    declared = {name for name, spec in action_specs().items() if spec.context}
    assert declared == {"MedicationChange", "VitalReading", "AllergyUpdate", "ProblemUpdate"}
    for spec in action_specs().values():
        assert len({item.title for item in spec.context}) == len(spec.context)


@pytest.mark.parametrize(
    ("action", "title"), [(name, item.title) for name, spec in action_specs().items() for item in spec.context]
)
def test_what_could_not_be_read_is_said_with_the_time_and_never_blank(action: str, title: str) -> None:
    made = {
        "MedicationChange": medication_change_json(),
        "VitalReading": vital_reading_json(),
        "AllergyUpdate": allergy_update_json(),
        "ProblemUpdate": problem_update_json(),
    }[action]
    assert shown(made, title, None) == ContextEntry(title=title, lines=(UNREAD,), read_at=READ_AT)
    assert all(line.strip() for line in lines(made, title, []))


def test_a_medicine_is_shown_beside_the_same_ingredient_first_and_the_class_is_said_to_be_unchecked() -> None:
    action = medication_change_json(medication=TABLET, ingredient=[METOPROLOL])
    entries = [
        entry("MedicationStatement/1", coded(RXNORM, "1", "aspirin 100 MG"), effectivePeriod={"start": "2026-01"}),
        entry("MedicationStatement/2", coded(RXNORM, "2", "metoprolol succinate 50 MG"), ingredient=[METOPROLOL]),
        entry("MedicationStatement/3", coded(RXNORM, "3", "old one"), status="stopped"),
    ]
    assert lines(action, "Other medicines on the list", entries) == (
        'Same medicine or ingredient: metoprolol succinate 50 MG: "1 tablet twice daily", dose 25 mg, active',
        'aspirin 100 MG: "1 tablet twice daily", dose 25 mg, active, since 2026-01',
        CLASS_NOT_CHECKED,
    )


def test_the_entry_itself_is_no_other_medicine_and_without_ingredients_nothing_is_guessed() -> None:
    action = medication_change_json(medication=TABLET, ingredient=ABSENT)
    entries = [entry("MedicationStatement/1", TABLET), entry("MedicationStatement/2", TABLET)]
    told = lines(action, "Other medicines on the list", entries, reference="MedicationStatement/1")
    assert told[0].startswith("Same medicine or ingredient: metoprolol")
    assert told[1:] == (INGREDIENT_NOT_CHECKED, CLASS_NOT_CHECKED)


def measured(reference: str, code: str, value: str, unit: str, time: str, **more: Any) -> dict[str, Any]:
    return {
        "reference": reference,
        "status": "final",
        "code": coded(LOINC, code, {"29463-7": "weight", "2160-0": "creatinine", "62238-1": "eGFR"}[code]),
        "valueQuantity": {"value": Decimal(value), "unit": unit},
        "effectiveDateTime": time,
        **more,
    }


def test_weight_and_kidneys_are_the_latest_of_each() -> None:
    entries = [
        measured("Observation/1", "29463-7", "71.0", "kg", "2026-11-01"),
        measured("Observation/2", "29463-7", "72.50", "kg", "2026-11-26T08:00:00Z"),
        measured("Observation/3", "29463-7", "7.2", "kg", "2026-11-26T08:30:00Z", status="entered-in-error"),
        measured("Observation/4", "62238-1", "41", "mL/min/1.73m2", "2026-11-20"),
        measured("Observation/5", "2160-0", "1.8", "mg/dL", "2026-11-20"),
    ]
    action = medication_change_json()
    assert lines(action, "Weight", entries) == ("weight: 72.50 kg, 09:00 CET on 26 November 2026, final",)
    assert lines(action, "Renal function", entries) == (
        "eGFR: 41 mL/min/1.73m2, 2026-11-20, final",
        "creatinine: 1.8 mg/dL, 2026-11-20, final",
    )
    assert lines(action, "Renal function", []) == (NOTHING,)


def test_a_vital_sign_is_shown_beside_the_last_three_of_its_kind() -> None:
    entries = [measured(f"Observation/{at}", "29463-7", f"7{at}", "kg", f"2026-11-0{at}") for at in range(1, 6)]
    entries.append(measured("Observation/9", "2160-0", "1.8", "mg/dL", "2026-11-09"))
    action = vital_reading_json(code=coded(LOINC, "29463-7", "Body weight"))
    told = lines(action, "The last three of the same kind", entries, reference="Observation/5")
    assert told == (
        "weight: 74 kg, 2026-11-04, final",
        "weight: 73 kg, 2026-11-03, final",
        "weight: 72 kg, 2026-11-02, final",
    )


def test_components_and_absent_values_are_told() -> None:
    pressure = {
        "reference": "Observation/1",
        "status": "final",
        "code": coded(LOINC, "85354-9", "Blood pressure"),
        "component": [
            {"code": {"text": "Systolic"}, "valueQuantity": {"value": 128, "unit": "mmHg"}},
            {"code": {"text": "Diastolic"}, "dataAbsentReason": {"text": "not measured"}},
        ],
    }
    action = vital_reading_json(code=coded(LOINC, "85354-9", "Blood pressure"))
    (told,) = lines(action, "The last three of the same kind", [pressure])
    assert told == "Blood pressure: Systolic 128 mmHg, Diastolic no value: not measured, no time stated, final"


def allergy(reference: str, code: dict[str, Any], **more: Any) -> dict[str, Any]:
    reaction = [{"manifestation": [{"text": "hives"}], "severity": "severe"}]
    return {"reference": reference, "code": code, "clinicalStatus": "active", "reaction": reaction, **more}


def test_an_allergy_is_shown_with_reactions_on_record_and_medicines_that_contain_it() -> None:
    penicillin = coded(RXNORM, "7980", "penicillin G")
    action = allergy_update_json(code=penicillin)
    told = lines(
        action,
        "Allergies on record",
        [
            allergy("AllergyIntolerance/1", {"text": "latex"}),
            allergy("AllergyIntolerance/2", penicillin, clinicalStatus="resolved", criticality="high"),
            allergy("AllergyIntolerance/3", {"text": "egg"}, verificationStatus="entered-in-error"),
        ],
    )
    assert told == (
        "Same substance: penicillin G: hives, severe, criticality high, not active",
        "latex: hives, severe",
    )
    found = lines(
        action,
        "Medicines that contain it",
        [
            entry("MedicationStatement/1", coded(RXNORM, "9", "a penicillin mix"), ingredient=[penicillin]),
            entry("MedicationStatement/2", TABLET),
        ],
    )
    assert found[0].startswith("Contains it: a penicillin mix")
    assert len(found) == 2
    assert "could not be checked" in found[1]


def test_a_problem_is_shown_with_its_own_kind_and_the_diagnoses_of_the_encounter() -> None:
    diabetes = {"coding": [{"system": "http://snomed.info/sct", "code": "44054006"}], "text": "Type 2 diabetes"}
    action = problem_update_json(code=diabetes)
    listed = {
        "reference": "Condition/1",
        "code": diabetes,
        "category": "problem-list-item",
        "clinicalStatus": "active",
        "onsetDateTime": "2019",
    }
    of_visit = {
        "reference": "Condition/2",
        "code": {"text": "Pneumonia"},
        "category": "encounter-diagnosis",
        "encounter": {"reference": "Encounter/e1"},
    }
    entries = [listed, of_visit]
    assert lines(action, "Entries of the same problem", entries) == (
        "Type 2 diabetes, problem list item, active, since 2019",
    )
    here = {"envelope": {"encounter": {"reference": "Encounter/e1"}}}
    assert lines(action, "Diagnoses of the encounter", entries, **here) == ("Pneumonia, encounter diagnosis",)
    assert lines(action, "Diagnoses of the encounter", entries) == (NOTHING,)
