"""The page on sending again names every mode, every result, every reason to wait, and commands that there are."""

import re
from pathlib import Path

from canonical.replay import Mode, Result
from cli.replay import replay

PAGE = (Path(__file__).parents[2] / "docs/replaying.md").read_text(encoding="utf-8")


def told(title: str) -> list[str]:
    section = PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]
    first = re.findall(r"^\| (`[^|]+) \|", section, re.MULTILINE)
    return [name for cell in first for name in re.findall(r"`(\w+)`", cell)]


def test_every_mode_and_every_result_is_told() -> None:
    assert told("Which bytes") == list(Mode)
    assert set(told("What may become of an item")) - {"result"} == set(Result)


def test_the_commands_shown_are_commands_that_there_are() -> None:
    known = {command.callback.__name__ for command in replay.registered_commands if command.callback}
    shown = set(re.findall(r"^writeback replay (\w+)", PAGE, re.MULTILINE))
    assert shown <= known == {"plan", "start", "show", "pause", "resume", "cancel"}
