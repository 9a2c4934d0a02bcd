import os
import signal
import subprocess
import sys
import tempfile
import threading
from datetime import timedelta

from processes.condition import wait_until
from processes.spawner import Spawn, spawn_process
from tests.processes.conftest import Parent, is_alive

SOON = timedelta(seconds=10)
SLEEPER = [sys.executable, "-I", "-S", "-c", "import signal; signal.pause()"]
PARENT = f"""
import signal
from processes.spawner import Spawn, spawn_process
print(spawn_process(Spawn(argv={SLEEPER!r})).pid, flush=True)
signal.pause()
"""


def output_of(spawn_argv: list[str], *words: str) -> tuple[int, str]:
    with tempfile.TemporaryFile() as output:
        status = spawn_process(Spawn(argv=spawn_argv, output=output.fileno(), identity=words)).wait()
        output.seek(0)
        return status, output.read().decode()


def test_a_child_dies_with_a_killed_parent(run_parent: Parent) -> None:
    parent, [pid] = run_parent(PARENT)
    assert is_alive(pid)
    parent.kill()
    assert wait_until(lambda: not is_alive(pid), within=SOON)


def test_a_child_outlives_the_thread_that_asked_for_it() -> None:
    children: list[subprocess.Popen[bytes]] = []
    thread = threading.Thread(target=lambda: children.append(spawn_process(Spawn(argv=SLEEPER))))
    thread.start()
    thread.join()
    [child] = children
    assert not wait_until(lambda: child.poll() is not None, within=timedelta(milliseconds=300))
    child.kill()
    child.wait()


def test_a_child_leads_a_session_of_its_own() -> None:
    status, said = output_of([sys.executable, "-c", "import os; print(os.getpid(), os.getsid(0), os.getppid())"])
    pid, session, parent = said.split()
    assert (status, session, int(parent)) == (0, pid, os.getpid())


def test_a_program_that_is_not_there_ends_with_126_and_says_so() -> None:
    status, said = output_of(["/no/such/program"])
    assert status == 126
    assert "/no/such/program was not started" in said


def test_a_child_whose_parent_is_gone_already_does_not_start() -> None:
    orphan = [sys.executable, "-I", "-S", "processes/leash.py", "--parent", "1", "--death-signal", "9", "--", "true"]
    assert subprocess.run(orphan, check=False).returncode == -signal.SIGKILL
