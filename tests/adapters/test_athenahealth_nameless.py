"""A success that names nothing, from an EHR that keeps no mark of ours: what was written is looked for at once."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, cast

import pytest

from adapters.athenahealth import ADAPTER
from adapters.ehr import RestEhr
from adapters.tokens import open_tokens
from adapters.wire import Answer, NoAnswer, Wire
from canonical.outcome import Outcome
from canonical.ports import Proof, Timings, Trace
from tests.adapters.commands import NOW, WEIGHT
from tests.adapters.test_athenahealth import PATIENT, SITE, VISIT, in_chart
from tests.adapters.vendors import planned, searched

TRACE = Trace(correlation_id="c", request_id="r")


class ScriptedWire:
    """Answers in the order given and remembers what was asked."""

    def __init__(self, answers: Iterator[Answer | NoAnswer]) -> None:
        self.answers, self.asked = answers, cast("list[tuple[str, str]]", [])

    def request(self, method: str, path: str, **_: Any) -> Answer | NoAnswer:
        self.asked.append((method, path))
        return next(self.answers)

    def read(self, path: str, **_: Any) -> Answer | NoAnswer:
        return self.request("GET", path)

    def close(self) -> None:
        return None


def sent(read: Answer | NoAnswer, **envelope: Any) -> tuple[Outcome, str | None, list[tuple[str, str]]]:
    """What sending one weight comes to when the chart is searched with ``read`` afterwards."""
    fhir = ScriptedWire(iter([read]))
    native = ScriptedWire(iter([Answer(status=200, body=b'{"success": true}')]))
    ehr = RestEhr(
        adapter=ADAPTER,
        site=SITE,
        wire=cast("Wire", fhir),
        native_wire=cast("Wire", native),
        tokens=open_tokens({"kind": "none"}, clock=lambda: NOW),
        timings=Timings(request=timedelta(seconds=5)),
        proof=Proof.READ_BACK,
        clock=lambda: NOW,
    )
    (operation,) = planned(ADAPTER, WEIGHT, SITE, **{**PATIENT, **envelope})
    settled = ehr.send(operation, TRACE)
    assert [method for method, _ in native.asked] == ["POST"]
    return settled.outcome, settled.reference, fhir.asked


@pytest.mark.parametrize("envelope", [{}, VISIT])
def test_entry_that_the_chart_shows_already_is_named(envelope: dict[str, Any]) -> None:
    outcome, reference, asked = sent(searched(in_chart()), **envelope)
    assert (outcome, reference) == (Outcome.APPLIED, "Observation/a-195900.vital-5")
    assert [method for method, _ in asked] == ["GET"]


@pytest.mark.parametrize("read", [searched(), Answer(status=503), NoAnswer(sent=True, reason="r"), Answer(status=403)])
def test_entry_that_is_not_shown_yet_leaves_the_success_without_a_name(read: Answer | NoAnswer) -> None:
    assert sent(read, **VISIT)[:2] == (Outcome.APPLIED_UNVERIFIED, None)
    assert sent(read)[:2] == (Outcome.PENDING_REMOTE, None)
