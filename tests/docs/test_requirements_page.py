"""The page of requirements: every row is there, says where it is built, and names tests that exist."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/requirements.md").read_text(encoding="utf-8")
ROWS = {
    cells[0]: cells
    for line in PAGE.splitlines()
    if re.match(r"\| [FX]\d+ \|", line)
    for cells in [[cell.strip() for cell in line.strip().strip("|").split(" | ")]]
}
EXPECTED = [*(f"F{number}" for number in range(1, 137)), *(f"X{number}" for number in range(1, 31))]
NAMED = sorted(set(re.findall(r"`(tests/[^`]+\.py::test_[^`]+)`", PAGE)))


@cache
def names_in(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def test_every_row_is_there_once_and_in_order() -> None:
    assert list(ROWS) == EXPECTED
    assert len(re.findall(r"^\| [FX]\d+ \|", PAGE, flags=re.MULTILINE)) == len(EXPECTED)


@pytest.mark.parametrize("named", NAMED)
def test_every_test_that_a_row_names_exists(named: str) -> None:
    path, name = named.split("::")
    assert name in names_in(path)


@pytest.mark.parametrize("row", EXPECTED)
def test_a_row_is_proven_or_says_what_is_missing(row: str) -> None:
    _, capability, built, proof = ROWS[row]
    assert capability
    assert proof.startswith("not yet") or "::test_" in proof
    for place in re.findall(r"`([^`{*]+)`", built):
        assert (ROOT / place).exists(), place


def test_the_page_counts_its_rows_rightly() -> None:
    done = sum(not cells[3].startswith("not yet") for cells in ROWS.values())
    assert f"{done} of {len(ROWS)} rows are done." in PAGE
