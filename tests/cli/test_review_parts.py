"""`writeback review` on a command that is in the chart only in part: what stands is listed, and taken back after a yes."""

from __future__ import annotations

import pytest

from tests.api.case_bench import CaseBench, PartCases, chart_server, part_cases
from tests.cli.test_review import Run, run
from tests.reconcile.review.bench import NURSE
from tests.reconcile.review.part_bench import WHY, readings

__all__ = ["chart_server", "part_cases", "run"]


@pytest.fixture
def cases(part_cases: PartCases) -> CaseBench:
    return part_cases.served


def test_what_stands_is_listed_with_what_to_type(part_cases: PartCases, run: Run) -> None:
    root = part_cases.parts.stopped(readings())
    said = run(NURSE, "show", part_cases.parts.case_of(root)).stdout
    for text in ("Part 1: ", "In the chart, as it was written, version 1.", "--part 1=retract: By retract", "Part 3: "):
        assert text in said
    assert "Not in the chart: the EHR did not take it." in said
    assert "--part 3" not in said


@pytest.mark.parametrize(("answer", "state"), [("y\n", "compensated"), ("n\n", "incomplete")])
def test_parts_are_taken_back_after_a_yes_only(part_cases: PartCases, run: Run, answer: str, state: str) -> None:
    parts = part_cases.parts
    root = parts.stopped(readings())
    picks = ("--part", "1=retract", "--part", "2=retract", "--text", WHY)
    done = run(NURSE, "decide", parts.case_of(root), "--verb", "compensate", *picks, answer=answer)
    assert done.exit_code == (answer == "n\n"), done.stderr
    assert "part 2: retract" in done.stderr
    parts.drive(root)
    assert parts.whole.state(root) == state
    assert len(parts.undoing(root)) == (2 if answer == "y\n" else 0)


@pytest.mark.parametrize("part", ["retract", "one=retract", "1="])
def test_what_names_no_part_sends_nothing(part_cases: PartCases, run: Run, part: str) -> None:
    root = part_cases.parts.stopped(readings())
    done = run(NURSE, "decide", part_cases.parts.case_of(root), "--verb", "compensate", "--part", part, "--text", WHY)
    assert done.exit_code == 1
    assert "Nothing was sent." in done.stderr
    assert part_cases.parts.whole.state(root) == "incomplete"
