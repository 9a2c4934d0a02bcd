"""What athenaOne shows as found not to be so does not say what was written, whatever else of it is the same."""

from adapters.athenahealth import ADAPTER
from tests.adapters.vendors import planned, site

SITE = site(native_url="https://ehr.example/v1/195900", department_id="1", patient_id_prefix="")
DIABETES = {"system": "http://snomed.info/sct", "code": "44054006"}
ADD = {"type": "ProblemUpdate", "operation": "add", "category": "problem-list-item", "code": {"coding": [DIABETES]}}
THO = "http://terminology.hl7.org/CodeSystem/"
SHOWN = {
    "resourceType": "Condition",
    "id": "c1",
    "clinicalStatus": {"coding": [{"system": f"{THO}condition-clinical", "code": "active"}]},
    "code": {"coding": [DIABETES]},
    "subject": {"reference": "Patient/p1"},
}


def test_refuted_entry_differs() -> None:
    (operation,) = planned(ADAPTER, ADD, SITE)
    assert ADAPTER.differences(operation, SHOWN, SITE) == ()
    for code, name in (("refuted", "verificationStatus"), ("entered-in-error", "status")):
        said = {"coding": [{"system": f"{THO}condition-ver-status", "code": code}]}
        assert ADAPTER.differences(operation, {**SHOWN, "verificationStatus": said}, SITE) == (name,)
