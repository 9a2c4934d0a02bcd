"""The demonstration as a program uses it: one JSON object, and an exit status that says whether everything held."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: Seconds: on a busy machine it did not end within 110.
PATIENT = 400


@pytest.mark.timeout(PATIENT)
def test_the_demonstration_closes_and_says_so_in_one_json_object() -> None:
    words = ["demo", "--once", "--json", "--seed", "31", "--actions", "60"]
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENT - 10,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["closed"] is True
    assert said["differences"] == []
    assert said["actions"] == 60
    assert said["seed"] == 31
    assert len(said["hospitals"]) >= 4
    assert all(0 < it["charted"] <= it["actions"] for it in said["hospitals"].values())
    assert said["balance"]["closes"] is True
    assert said["faults"]["commit_then_drop"] >= 1
    assert {it["ending"] for it in said["endings"]} == {
        "inChart",
        "takenBack",
        "needsAttention",
        "notWritten",
        "refused",
    }
