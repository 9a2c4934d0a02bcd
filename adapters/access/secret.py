"""A secret that the settings only name: a file or an environment variable. Its value is never kept, shown or logged.

It is read each time it is needed, so one that was exchanged counts from the next token on, without a restart.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from canonical.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class Secret:
    """``setting``: the name of the setting in its ``table`` that says where; ``file`` or ``variable``: where."""

    setting: str
    file: Path | None = None
    variable: str | None = None
    table: str = "auth"

    def read(self) -> str:
        """Return the secret without the line end of its file.

        Raises :class:`ConfigurationError` naming the setting, never what was found.
        """
        text = self._text()
        if not text:
            raise ConfigurationError(
                f"{self.table}.{self.setting} names something that is not there, not text or empty"
            )
        return text

    def _text(self) -> str:
        if self.file is None:
            return os.environ.get(self.variable or "", "")
        try:
            return self.file.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError):
            return ""


def secret_named(auth: Mapping[str, str], name: str) -> Secret:
    """Return the secret that ``<name>_file`` or ``<name>_env`` of a connection's ``auth`` points to, once it was found there.

    Raises :class:`ConfigurationError` where neither or both are set, or nothing is there.
    """
    file, variable = auth.get(f"{name}_file"), auth.get(f"{name}_env")
    if bool(file) == bool(variable):
        raise ConfigurationError(f"auth needs either {name}_file or {name}_env")
    setting = f"{name}_file" if file else f"{name}_env"
    secret = Secret(setting=setting, file=Path(file) if file else None, variable=variable)
    secret.read()
    return secret
