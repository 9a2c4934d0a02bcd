"""An entry that was proven changes and nobody is named: the EHR tells that it changed, the service reads it and asks a person.

It comes after the judgement of the charts, which it would otherwise disturb.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from cli.demo.chart import Chart
from cli.demo.intents import Kind
from cli.demo.judge import Case, Difference, Told, created_by
from processes.condition import wait_until

#: A notification, a read and a comparison take a second; a busy machine takes its time.
FOUND_WITHIN = timedelta(seconds=30)
#: Why a command whose entry changed with no author waits for a person.
DRIFT = "drift"
_GLANCE = timedelta(milliseconds=200)


@dataclass(frozen=True, kw_only=True)
class Disturbance:
    """What became of the change: `changed` entry, `found` if a person was asked about it, after so many seconds."""

    changed: str
    found: bool
    seconds: float

    @property
    def differences(self) -> tuple[Difference, ...]:
        if self.found:
            return ()
        sentence = f"{self.changed} was changed by nobody we know of, and nobody was asked about it."
        return (Difference(rule="drift is found", sentence=sentence),)


def disturb(chart: Chart, case: Case, look_again: Callable[[Told], Told]) -> Disturbance:
    """Change a proven reading of `case` with no author in its `chart`, and wait until its command waits for a person."""
    # What a correction wrote over is the correction's.
    corrected = {it.intent.of for it in case.told}
    readings = (it for it in case.told if it.intent.kind is Kind.RECORDED and it.intent.name not in corrected)
    told = next(it for it in readings if it.state == "verified")
    (reference,) = created_by(case, told)
    began = time.monotonic()
    chart.change_unnamed(reference)

    def is_found() -> bool:
        now = look_again(told)
        return now.status == "needsAttention" and now.reason.startswith(DRIFT)

    found = wait_until(is_found, within=FOUND_WITHIN, look_again=_GLANCE)
    return Disturbance(changed=reference, found=found, seconds=time.monotonic() - began)
