import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from processes.data_directory import (
    LONGEST_SOCKET_NAME,
    SOCKET_PATH_LIMIT,
    DataDirectoryLock,
    private_directory,
    short_name,
    socket_directory,
)
from processes.errors import DataDirectoryInUse, ProcessTrouble


def test_only_the_owner_may_enter(tmp_path: Path) -> None:
    wide = tmp_path / "a" / "b"
    wide.mkdir(parents=True, mode=0o755)
    assert stat.S_IMODE(private_directory(wide).stat().st_mode) == 0o700


def test_a_directory_of_somebody_else_is_refused(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    with pytest.raises(ProcessTrouble, match="not a directory of ours"):
        private_directory(theirs, owner=os.geteuid() + 1)


def test_a_link_is_not_followed_into_a_directory_of_somebody_else(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "real")
    with pytest.raises(ProcessTrouble):
        private_directory(link)


def test_the_socket_stands_beside_the_data_when_the_path_is_short() -> None:
    assert socket_directory(Path("/srv/writeback")) == Path("/srv/writeback/run")


def test_a_long_path_gets_a_short_socket_that_can_be_bound(tmp_path: Path) -> None:
    long = tmp_path / ("long" * 30) / ("path" * 30)
    directory = private_directory(socket_directory(long))
    path = f"{directory}{LONGEST_SOCKET_NAME}"
    assert len(os.fsencode(path)) < SOCKET_PATH_LIMIT
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
    Path(path).unlink()
    directory.rmdir()


def test_a_long_temporary_directory_is_not_used_for_sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / ("t" * 120)))
    directory = socket_directory(Path("/" + "x" * 200))
    assert len(os.fsencode(directory)) + len(LONGEST_SOCKET_NAME) < SOCKET_PATH_LIMIT


def test_short_names_are_stable_and_differ(tmp_path: Path) -> None:
    assert short_name(tmp_path / "a") == short_name(tmp_path / "a")
    assert short_name(tmp_path / "a") != short_name(tmp_path / "b")


def test_the_second_user_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    script = "import sys; from pathlib import Path; from processes.data_directory import DataDirectoryLock\n"
    script += "DataDirectoryLock(Path(sys.argv[1])).acquire()"
    command = [sys.executable, "-c", script, str(tmp_path)]
    with DataDirectoryLock(tmp_path):
        refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert f"in use by process {os.getpid()}" in refused.stderr
    assert subprocess.run(command, check=False).returncode == 0


def test_a_lock_is_released_for_the_next_and_its_file_stays(tmp_path: Path) -> None:
    first, second = DataDirectoryLock(tmp_path), DataDirectoryLock(tmp_path)
    first.acquire()
    with pytest.raises(DataDirectoryInUse, match="give another data directory"):
        second.acquire()
    first.release()
    first.release()
    second.acquire()
    second.release()
