"""As whom PostgreSQL runs: it refuses root, so root must find somebody else; nothing here starts a server."""

import functools
import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path

from processes.errors import CannotRunAsRoot
from processes.spawner import Spawn, leashed

NOBODY = "nobody"


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What the leash is told about the user, and who owns the files."""

    leash_words: tuple[str, ...]
    user: str | None
    """The other user who owns the files; None when they stay ours."""

    @property
    def owner(self) -> int:
        return os.geteuid() if self.user is None else pwd.getpwnam(self.user).pw_uid

    def can_run(self, program: Path) -> bool:
        """Whether this machine lets `program --version` run like this."""
        trial = leashed(Spawn(argv=[str(program), "--version"], identity=self.leash_words))
        return subprocess.run(trial, check=False, capture_output=True).returncode == 0


OURSELVES = Identity(leash_words=(), user=None)
USER_NAMESPACE = Identity(leash_words=("--namespace",), user=None)
"""Root outside, an ordinary user within: nobody else's directories are opened; the kernel must allow it."""
AS_NOBODY = Identity(leash_words=("--user", NOBODY), user=NOBODY)


@functools.cache
def find_identity(program: Path) -> Identity:
    """The first identity under which `program` runs here.

    Raises:
        CannotRunAsRoot: point the settings at a PostgreSQL server that exists already.
    """
    if os.geteuid() != 0:
        return OURSELVES
    if USER_NAMESPACE.can_run(program):
        return USER_NAMESPACE
    if AS_NOBODY.can_run(Path("/bin/sh")) or AS_NOBODY.can_run(program):
        return AS_NOBODY
    raise CannotRunAsRoot(
        "PostgreSQL refuses root, and this machine allows neither a user namespace nor the user 'nobody'. "
        "Nothing was started. Run as an ordinary user, or set WRITEBACK_DATABASE_URL to a PostgreSQL server."
    )
