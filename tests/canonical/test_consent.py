from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from canonical.consent import ConsentTerms, check_consent
from canonical.errors import RefusedError
from tests.compound_factories import care_gap_closure_json
from tests.factories import NOW, EnvelopeFactory

PATIENT = b"p" * 32
TERMS = ConsentTerms(
    id=1,
    reference="consent-1",
    version=1,
    patient_key=PATIENT,
    active=True,
    purposes=("TREAT",),
    actions=("VitalReading.record",),
    apps=("visits",),
    valid_from=NOW - timedelta(days=1),
    valid_until=NOW + timedelta(days=1),
)


def check(terms: ConsentTerms | None) -> ConsentTerms:
    return check_consent(terms, EnvelopeFactory.create(), patient_key=PATIENT, app="visits", now=NOW)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"actions": ("*",)},
        {"actions": ("VitalReading",)},
        {"apps": ("*",)},
        {"apps": ("other", "visits")},
        {"valid_from": NOW},
        {"valid_until": None},
    ],
)
def test_terms_that_cover_the_command_pass(change: dict[str, Any]) -> None:
    assert check(replace(TERMS, **change)).id == 1


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"patient_key": b"q" * 32}, "consent-absent", "unknown"),
        ({"active": False}, "consent-revoked", "ended"),
        ({"valid_until": NOW}, "consent-revoked", "ended"),
        ({"valid_from": NOW + timedelta(seconds=1)}, "consent-absent", "not-begun"),
        ({"purposes": ("HRESCH",)}, "consent-absent", "purpose-not-covered"),
        ({"actions": ("VitalReading.correct", "MedicationChange")}, "consent-absent", "action-not-covered"),
        ({"apps": ("other",)}, "consent-absent", "app-not-covered"),
        ({"purposes": ()}, "consent-absent", "purpose-not-covered"),
        ({"actions": ()}, "consent-absent", "action-not-covered"),
        ({"apps": ()}, "consent-absent", "app-not-covered"),
    ],
)
def test_terms_that_do_not_are_refused_until_consent_is_given(change: dict[str, Any], code: str, field: str) -> None:
    with pytest.raises(RefusedError) as refused:
        check(replace(TERMS, **change))
    assert (refused.value.code, refused.value.retry) == (code, "afterConsent")
    assert [(error.pointer, error.code) for error in refused.value.errors] == [("/consent/reference", field)]


def test_another_patients_consent_is_not_told_from_none() -> None:
    with pytest.raises(RefusedError) as none:
        check(None)
    with pytest.raises(RefusedError) as anothers:
        check(replace(TERMS, patient_key=b"q" * 32))
    assert (str(none.value), none.value.errors) == (str(anothers.value), anothers.value.errors)


@pytest.mark.parametrize(
    ("actions", "covers"),
    [
        (("CareGapClosure",), False),
        (("VitalReading",), False),
        (("CareGapClosure", "VitalReading.correct"), False),
        (("CareGapClosure", "VitalReading"), True),
        (("CareGapClosure.close", "VitalReading.record"), True),
        (("*",), True),
    ],
)
def test_a_consent_covers_a_compound_only_with_all_its_parts(actions: tuple[str, ...], *, covers: bool) -> None:
    envelope = EnvelopeFactory.create(action=care_gap_closure_json())
    terms = replace(TERMS, actions=actions)
    if covers:
        assert check_consent(terms, envelope, patient_key=PATIENT, app="visits", now=NOW) is terms
        return
    with pytest.raises(RefusedError) as refused:
        check_consent(terms, envelope, patient_key=PATIENT, app="visits", now=NOW)
    assert [error.code for error in refused.value.errors] == ["action-not-covered"]
