"""The table of requirements names every row once, and only files and tests that are there."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/requirements.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in PAGE.splitlines()
    if re.match(r"\| [FX]\d", line)
]
IDS = [f"F{number}" for number in range(1, 137)] + [f"X{number}" for number in range(1, 31)]
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
IN_BACKTICKS = re.compile(r"`([^`]+)`")


@cache
def functions_in(file: str) -> frozenset[str]:
    """The names of the test functions in ``file``; a parametrised one counts by its function."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(function.name for function in functions)


def is_done(row: list[str]) -> bool:
    return not row[3].startswith("not yet")


def test_every_row_is_there_once_and_in_order() -> None:
    assert [row[0] for row in ROWS] == IDS
    assert [row[0] for row in ROWS if len(row) != 4 or not row[1]] == []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_row_names_tests_that_are_there_or_says_not_yet(row: list[str]) -> None:
    named = TEST.findall(row[3])
    assert bool(named) == is_done(row), "a row is done by its tests, and by nothing else"
    if is_done(row):
        assert "".join(f"<br>`{file}::{test}`" for file, test in named).removeprefix("<br>") == row[3]
    missing = [
        f"{file}::{test}" for file, test in named if not (ROOT / file).is_file() or test not in functions_in(file)
    ]
    assert missing == []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_row_names_paths_that_are_there(row: list[str]) -> None:
    paths = IN_BACKTICKS.findall(row[2])
    assert paths or not is_done(row), "what is done was built somewhere"
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_page_counts_its_rows() -> None:
    (count,) = re.findall(r"^(\d+) of (\d+) rows are done\.$", PAGE, re.MULTILINE)
    assert count == (str(sum(map(is_done, ROWS))), str(len(IDS)))
