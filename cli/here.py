"""The product that `writeback up` runs on this machine, as other commands find it: a file in its data directory."""

import os
from collections.abc import Mapping
from pathlib import Path

from config.environment import read_settings
from config.settings import Settings

_FILE = "environment"


def announce(data_dir: Path, environment: Mapping[str, str]) -> None:
    """Note what a command must be told to reach the product that runs on `data_dir`; for its owner only."""
    file = data_dir / _FILE
    file.touch(mode=0o600)
    file.write_text("".join(f"{name}={value}\n" for name, value in sorted(environment.items())), encoding="utf-8")


def withdraw(data_dir: Path) -> None:
    (data_dir / _FILE).unlink(missing_ok=True)


def settings_here() -> Settings:
    """Return the settings; what the environment does not say, the product running in the data directory does.

    Raises:
        ConfigurationError: a setting is wrong.
    """
    file = read_settings().data_dir / _FILE
    if file.exists():
        for line in file.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition("=")
            os.environ.setdefault(name, value)
    return read_settings()
