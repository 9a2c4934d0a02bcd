import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

from processes.leftovers import end_leftovers, processes_in

OBEDIENT = "import signal; print('up', flush=True); signal.pause()"
STUBBORN = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print('up', flush=True)
while True: signal.pause()
"""


def resident(directory: Path, program: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", program], cwd=directory, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    return process


def test_a_directory_nobody_works_in_has_no_leftovers(tmp_path: Path) -> None:
    assert processes_in(tmp_path) == frozenset()
    assert processes_in(tmp_path / "missing") == frozenset()


def test_leftovers_are_asked_first(tmp_path: Path) -> None:
    with resident(tmp_path, OBEDIENT) as process:
        assert processes_in(tmp_path) == {process.pid}
        end_leftovers(tmp_path, ask=signal.SIGTERM, grace=timedelta(seconds=10))
        assert processes_in(tmp_path) == frozenset()
        assert process.wait() == -signal.SIGTERM


def test_leftovers_that_do_not_listen_are_killed(tmp_path: Path) -> None:
    with resident(tmp_path, STUBBORN) as process:
        end_leftovers(tmp_path, ask=signal.SIGTERM, grace=timedelta(milliseconds=100))
        assert processes_in(tmp_path) == frozenset()
        assert process.wait() == -signal.SIGKILL
