"""What a run came to, as a program and as a person reads it."""

import io
import json
from dataclasses import replace
from typing import Any

from rich.console import Console

from cli.demo.disturbance import Disturbance
from cli.demo.judge import judge
from cli.demo.report import document, show
from cli.demo.run import Verdict
from cli.sandbox_site import CONNECTION
from tests.cli.demo.perfect_run import ACTIONS, perfect_case

COUNTS = {
    "received": 57, "inChart": 50, "takenBack": 2, "partlyTakenBack": 0, "inFlight": 0, "ready": 0, "waiting": 0, "parked": 0,
    "needsPerson": 4, "ended": 1,
}  # fmt: skip


def verdict(*, drift_found: bool = True, **changes: Any) -> Verdict:
    disturbance = Disturbance(changed="Observation/7", found=drift_found, seconds=1.25)
    case = replace(perfect_case(), **changes)
    balance = {**COUNTS, "closes": case.balance_closes, "days": {}, "unfit": []}
    faults = {"commit_then_drop": 3}
    return Verdict(
        seed=7,
        cases={CONNECTION: case},
        differences=(*judge(case), *disturbance.differences),
        faults=faults,
        balance=balance,
        disturbance=disturbance,
        seconds=12.34,
    )


def shown(said: Verdict) -> str:
    text = io.StringIO()
    show(said, Console(file=text, width=160))
    return text.getvalue()


def test_a_good_run_is_closed_and_counts_every_action() -> None:
    said = document(verdict())
    assert json.loads(json.dumps(said)) == said
    assert said["closed"] is True
    assert said["differences"] == []
    assert said["actions"] == sum(it["count"] for it in said["endings"]) == ACTIONS
    assert said["chart"]["Observation"] > said["chart"]["MedicationStatement"] > 0
    assert said["seconds"] == 12.3
    assert said["hospitals"][CONNECTION]["actions"] == ACTIONS
    assert 0 < said["hospitals"][CONNECTION]["charted"] < ACTIONS


def test_a_bad_run_is_not_closed_and_names_the_differences() -> None:
    said = document(verdict(balance_closes=False))
    assert said["closed"] is False
    assert said["differences"] == [{"rule": "balance", "sentence": "The service's own balance does not close."}]


def test_people_see_where_everything_ended_and_that_all_is_well() -> None:
    text = shown(verdict())
    assert "identity_mismatch" in text
    assert "wrong patient" in text
    assert "which closes" in text
    assert "3 commit_then_drop" in text
    assert "exactly what was accepted" in text


def test_drift_that_nobody_was_asked_about_is_a_difference() -> None:
    assert document(verdict())["drift"] == {"changed": 1, "found": 1}
    assert "found, a person is asked (1.2 s)" in shown(verdict())
    missed = verdict(drift_found=False)
    assert (document(missed)["closed"], document(missed)["drift"]["found"]) == (False, 0)
    assert "drift is found: Observation/7 was changed by nobody we know of" in shown(missed)


def test_people_see_what_is_wrong() -> None:
    text = shown(verdict(balance_closes=False))
    assert "exactly what was accepted" not in text
    assert "not as it must be" in text
    assert "balance: The service's own balance does not close." in text
