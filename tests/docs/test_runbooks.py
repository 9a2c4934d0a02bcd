"""The runbooks name commands, signals and reasons that exist; playing them is ``tests/reconcile/test_runbooks.py``."""

import re
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from canonical.case_kinds import case_kinds
from canonical.unfit import UNFIT_WORDS
from cli.main import make_app
from tests.docs.runbook import FOLDER, RUNBOOKS, Runbook

ROOT = Path(__file__).parents[2]
ROOMS = ("api", "tasks", "reconcile", "config", "store")
SECTIONS = ["Signals", "What is safe", "What to do", "It is over when"]
STANDS_FOR = {
    "COMMAND": "6f1c0a52-3c3b-4d40-9f0e-0a4cf7e1f9a1",
    "CASE": "17",
    "TENANT": "north",
    "CONNECTION": "north-r4",
}
SOURCE = "\n".join(path.read_text(encoding="utf-8") for room in ROOMS for path in (ROOT / room).rglob("*.py"))


def parsed(words: list[str]) -> None:
    """Parse a command as the program does, without running it; raises where an option or a verb does not exist."""
    command: Any = get_command(make_app())
    context = command.context_class(command, info_name="writeback")
    rest = [STANDS_FOR.get(word, word) for word in words]
    while hasattr(command, "resolve_command"):
        name, command, rest = command.resolve_command(context, rest)
        context = command.context_class(command, info_name=name, parent=context)
    command.make_context(words[0], rest, parent=context.parent)


def test_the_list_names_every_runbook() -> None:
    listed = re.findall(r"\]\((\S+)\.md\)", (FOLDER / "README.md").read_text(encoding="utf-8"))
    assert sorted(listed) == RUNBOOKS


@pytest.mark.parametrize("name", RUNBOOKS)
def test_a_runbook_says_how_one_got_there_what_is_safe_what_to_do_and_when_it_is_over(name: str) -> None:
    assert re.findall(r"^## (.+)$", Runbook(name).text, re.MULTILINE) == SECTIONS


@pytest.mark.parametrize("name", RUNBOOKS)
def test_every_command_of_a_runbook_can_be_run_as_it_stands(name: str) -> None:
    for words in Runbook(name).commands:
        parsed(words)


@pytest.mark.parametrize("name", RUNBOOKS)
def test_every_metric_of_a_runbook_is_one_of_ours(name: str) -> None:
    named = set(re.findall(r"`(writeback_\w+)`", Runbook(name).text))
    assert {metric for metric in named if f'"{metric}"' not in SOURCE} == set()


@pytest.mark.parametrize("name", RUNBOOKS)
def test_every_log_line_of_a_runbook_is_one_of_ours(name: str) -> None:
    named = {found for found in Runbook(name).signals if re.fullmatch(r"[a-z_]+\.[a-z_]+", found)}
    assert {action for action in named if f'action="{action}"' not in SOURCE} == set()


@pytest.mark.parametrize("name", RUNBOOKS)
def test_every_kind_of_case_that_a_runbook_names_exists(name: str) -> None:
    kinds = re.findall(r"[Cc]ase of kind ((?:`\w+`(?:, | or )?)+)", Runbook(name).text)
    kinds += re.findall(r"--kind (\w+)", Runbook(name).text)
    assert {kind for found in kinds for kind in re.findall(r"\w+", found)} - {"or"} <= set(case_kinds())


def test_every_reason_for_which_a_command_fits_nowhere_is_told() -> None:
    rows = re.findall(r"^\s*\| `([a-z-]+)` \|", Runbook("balance-does-not-close").text, re.MULTILINE)
    assert sorted(rows) == sorted(UNFIT_WORDS)
