"""A task of Canvas Medical as what the EHR is told where it takes no entry: all that it says must find a place."""

from typing import Any

from adapters.canvas import ADAPTER
from tests.adapters.vendors import body, planned, refuses, site

DOCTOR = {"author": {"role": "physician", "reference": "Practitioner/d1"}}
ASKED: dict[str, Any] = {"type": "CareTask", "operation": "create", "description": "Call the patient"}


def test_what_a_task_is_called_stands_before_its_description_and_routine_needs_no_priority() -> None:
    called = {**ASKED, "code": {"text": "For the chart, by hand"}, "priority": "routine"}
    sent = body(planned(ADAPTER, called, site(), **DOCTOR)[0])
    assert sent["description"] == "For the chart, by hand\nCall the patient"
    assert not {"code", "priority"} & sent.keys()


def test_coded_or_urgent_task_is_refused() -> None:
    coded = {"coding": [{"system": "urn:example", "code": "1"}], "text": "call"}
    refuses(ADAPTER, {**ASKED, "code": coded}, site(), "no place for code", **DOCTOR)
    refuses(ADAPTER, {**ASKED, "priority": "urgent"}, site(), "no place for priority", **DOCTOR)
