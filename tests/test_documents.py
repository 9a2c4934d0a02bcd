"""What the documents say of the code is so: settings and defaults, files they name, moves of the README's diagram."""

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest

from canonical.lifecycle import TRANSITIONS, State, Trigger
from cli.main import COMMANDS
from config.settings import Settings

DOCUMENTS = [Path("README.md"), Path("CHANGELOG.md"), *sorted(Path("docs").rglob("*.md"))]
ROOMS = (
    *("adapters", "api", "bench", "canonical", "cli", "config", "docs", "processes", "reconcile", "sandbox"),
    *("store", "tasks", "tests"),
)
NAMED = re.compile(rf"`((?:{'|'.join(ROOMS)})/[A-Za-z0-9_./]*)`")
LINK = re.compile(r"\]\(([^)#:]+)\)")
MOVE = re.compile(r"^    (\w+) --> (\w+): (.+)$", re.MULTILINE)
ROW = re.compile(r"^\| `(WRITEBACK_[A-Z_]+)` \| (.+?) \|", re.MULTILINE)


def as_documented(value: object) -> str:
    if value == "":
        return "(empty)"
    if value is None:
        return "(none)"
    if isinstance(value, timedelta):
        return f"`{value.total_seconds():g}`"
    return f"`{json.dumps(value)}`" if isinstance(value, bool | dict) else f"`{value}`"


def test_every_setting_is_documented_with_its_default_and_no_other() -> None:
    said = dict(ROW.findall(Path("docs/configuration.md").read_text(encoding="utf-8")))
    fields = Settings.model_fields.items()
    declared = {
        f"WRITEBACK_{name.upper()}": as_documented(field.get_default(call_default_factory=True))
        for name, field in fields
    }
    assert said == declared


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_every_file_that_a_document_names_is_there(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    links = [document.parent / name for name in LINK.findall(text)]
    missing = [str(path) for path in (*map(Path, NAMED.findall(text)), *links) if not path.exists()]
    assert missing == []


def test_every_move_of_the_readmes_diagram_is_in_the_table() -> None:
    moves = MOVE.findall(Path("README.md").read_text(encoding="utf-8"))
    assert len(moves) > 10
    wrong = [move for move in moves if TRANSITIONS.get((State(move[0]), Trigger(move[2]))) is not State(move[1])]
    assert wrong == []


def test_the_readme_names_every_command() -> None:
    text = Path("README.md").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"`{name}" not in text] == []
    assert "run.py demo" in text


def test_the_readme_stays_short_enough_to_be_read() -> None:
    assert len(Path("README.md").read_text(encoding="utf-8").splitlines()) <= 120


def test_decisions_are_numbered_without_a_gap_and_have_the_same_parts() -> None:
    records = sorted(Path("docs/adr").glob("*.md"))
    assert [int(path.name[:4]) for path in records] == list(range(1, len(records) + 1))
    for path in records:
        text = path.read_text(encoding="utf-8")
        headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
        assert [it for it in headings if it != "Context"] == ["Decision", "Consequences", "Alternatives"], path
        assert text.startswith(f"# {path.name[:4]} ")
