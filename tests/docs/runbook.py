"""A runbook as its reader has it: the commands to run, and the signals that brought them there."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "docs" / "runbooks"
_COMMAND = re.compile(r"^\s*```console\n(.*?)^\s*```", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True)
class Runbook:
    """The page ``name``.md."""

    name: str

    @property
    def text(self) -> str:
        return (FOLDER / f"{self.name}.md").read_text(encoding="utf-8")

    @property
    def commands(self) -> list[list[str]]:
        """What is to be run, word by word and without the program's name, in the order of the page."""
        lines = [line.strip() for block in _COMMAND.findall(self.text) for line in block.splitlines() if line.strip()]
        words = [shlex.split(line) for line in lines]
        assert all(line[0] == "writeback" for line in words), lines
        return [line[1:] for line in words]

    def command(self, *begins: str) -> list[str]:
        """Return the first command that begins with these words."""
        return next(words for words in self.commands if tuple(words[: len(begins)]) == begins)

    @property
    def signals(self) -> set[str]:
        """Everything in ``code`` of the section that says how one got there."""
        section = self.text.partition("## Signals")[2].partition("\n## ")[0]
        return set(_CODE.findall(section))


RUNBOOKS = sorted(path.stem for path in FOLDER.glob("*.md") if path.stem != "README")
