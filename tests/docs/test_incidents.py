"""The page on reports after an incident names every kind, every act, every step, and commands as they can be typed."""

import re
from pathlib import Path

import pytest

from canonical.incident.report import ActKind, DivergenceKind, IncidentLimits
from canonical.incident.scenario import Do
from tests.docs.test_runbooks import parsed

PAGE = (Path(__file__).parents[2] / "docs/incidents.md").read_text(encoding="utf-8")


def told(title: str) -> set[str]:
    section = PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]
    first = re.findall(r"^\| (`[^|]+) \|", section, re.MULTILINE)
    return {name for cell in first for name in re.findall(r"`(\w+)`", cell)}


def test_every_kind_of_divergence_and_every_act_is_told() -> None:
    assert told("What it looks for") - {"kind"} == set(DivergenceKind)
    assert {f"`{act}`" for act in ActKind if f"`{act}`" not in PAGE} == set()


def test_every_step_of_a_scenario_is_told() -> None:
    assert told("The regression case") == set(Do)


def test_the_limits_are_those_in_force() -> None:
    limits = IncidentLimits()
    assert f"at most {limits.window.days} days and {limits.commands} commands" in PAGE


@pytest.mark.parametrize("line", re.findall(r"^writeback (.+)$", PAGE, re.MULTILINE))
def test_every_command_can_be_typed_as_it_stands(line: str) -> None:
    parsed(["writeback", *line.split()][1:])
