import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from processes.child_spec import Backoff, ChildSpec, ChildState, ChildStatus
from processes.condition import wait_until
from processes.errors import DidNotStart
from processes.spawner import Spawn, spawn_process
from processes.supervisor import Supervisor
from tests.processes.conftest import Parent, is_alive

SOON = timedelta(seconds=10)
QUICK = Backoff(first=timedelta(milliseconds=10), cap=timedelta(milliseconds=40))
PATIENT = Backoff(first=timedelta(minutes=5), cap=timedelta(minutes=5))
PAUSE = "import signal; signal.pause()"
NOTE_START = "import os, signal, sys, pathlib; note = lambda w: open(sys.argv[1], 'a').write(sys.argv[2] + w + '\\n'); "
OBEDIENT = NOTE_START + "signal.signal(signal.SIGTERM, lambda *_: (note(' stopped'), sys.exit())); note(' started'); "
OBEDIENT += "print('hello from', sys.argv[2], flush=True); signal.pause()"
STUBBORN = "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True)\n"
STUBBORN += "while True: signal.pause()"

Supervise = Callable[..., Supervisor]


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Supervise]:
    made: list[Supervisor] = []

    def make(*children: ChildSpec, backoff: Backoff = QUICK, ready_within: timedelta = SOON) -> Supervisor:
        made.append(Supervisor(children, tmp_path / "logs", backoff=backoff, ready_within=ready_within))
        return made[-1]

    yield make
    for supervisor in made:
        supervisor.stop()


def python(name: str, program: str, *arguments: str, **spec: object) -> ChildSpec:
    return ChildSpec(name=name, argv=[sys.executable, "-I", "-c", program, *arguments], **spec)  # type: ignore[arg-type]


def obedient(name: str, diary: Path) -> ChildSpec:
    started = f"{name} started\n"
    return python(name, OBEDIENT, str(diary), name, ready=lambda: diary.exists() and started in diary.read_text())


def only(supervisor: Supervisor) -> ChildStatus:
    [status] = supervisor.status()
    return status


def pid_of(supervisor: Supervisor) -> int:
    pid = only(supervisor).pid
    assert pid is not None
    return pid


def said(supervisor: Supervisor, text: str) -> bool:
    return text in only(supervisor).log_path.read_text(encoding="utf-8")


def test_children_start_in_order_and_stop_in_reverse(supervise: Supervise, tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    supervisor = supervise(*(obedient(name, diary) for name in ("first", "second", "third")))
    with supervisor:
        assert [status.state for status in supervisor.status()] == [ChildState.RUNNING] * 3
    assert diary.read_text(encoding="utf-8").splitlines() == [
        *("first started", "second started", "third started"),
        *("third stopped", "second stopped", "first stopped"),
    ]
    assert [(status.state, status.pid, status.last_exit) for status in supervisor.status()] == [
        (ChildState.STOPPED, None, 0)
    ] * 3


def test_each_child_has_its_own_log(supervise: Supervise, tmp_path: Path) -> None:
    with supervise(obedient("first", tmp_path / "diary"), obedient("second", tmp_path / "diary")) as supervisor:
        logs = {status.name: status.log_path for status in supervisor.status()}
    assert {name: log.read_text(encoding="utf-8") for name, log in logs.items()} == {
        "first": "hello from first\n",
        "second": "hello from second\n",
    }


def test_a_child_that_ends_unasked_is_started_again_and_counted(supervise: Supervise) -> None:
    supervisor = supervise(python("worker", PAUSE))
    supervisor.start()
    pids = [pid_of(supervisor)]
    for restarts in (1, 2):
        supervisor.signal("worker", signal.SIGKILL)
        assert wait_until(lambda n=restarts: only(supervisor).restarts == n, within=SOON)  # type: ignore[misc]
        pids.append(pid_of(supervisor))
    assert len(set(pids)) == 3
    assert only(supervisor).last_exit == -signal.SIGKILL
    assert only(supervisor).state is ChildState.RUNNING


def test_a_child_that_keeps_ending_waits_longer_each_time(supervise: Supervise) -> None:
    supervisor = supervise(python("broken", "raise SystemExit(3)"), backoff=PATIENT)
    supervisor.start()
    assert wait_until(lambda: only(supervisor).state is ChildState.BACKING_OFF, within=SOON)
    assert (only(supervisor).pid, only(supervisor).last_exit, only(supervisor).restarts) == (None, 3, 0)
    with pytest.raises(ProcessLookupError):
        supervisor.signal("broken", signal.SIGTERM)
    supervisor.stop()  # does not wait the backoff out
    assert only(supervisor).state is ChildState.STOPPED


def test_a_restart_the_machine_refuses_is_tried_again(supervise: Supervise, monkeypatch: pytest.MonkeyPatch) -> None:
    supervisor = supervise(python("worker", PAUSE))
    supervisor.start()
    refusals = iter([OSError(errno.EAGAIN, "no more processes")] * 2)

    def spawn_or_refuse(order: Spawn) -> subprocess.Popen[bytes]:
        if refusal := next(refusals, None):
            raise refusal
        return spawn_process(order)

    monkeypatch.setattr("processes.child.spawn_process", spawn_or_refuse)
    supervisor.signal("worker", signal.SIGKILL)
    assert wait_until(lambda: only(supervisor).restarts == 1, within=SOON)
    assert next(refusals, None) is None
    assert is_alive(pid_of(supervisor))


def test_a_child_that_is_not_to_be_restarted_stays_down(supervise: Supervise) -> None:
    supervisor = supervise(python("once", PAUSE, restart=False))
    supervisor.start()
    supervisor.signal("once", signal.SIGKILL)
    assert wait_until(lambda: only(supervisor).state is ChildState.STOPPED, within=SOON)
    assert only(supervisor).restarts == 0


def test_a_child_that_does_not_hear_is_killed_after_its_grace(supervise: Supervise) -> None:
    supervisor = supervise(python("deaf", STUBBORN, stop_grace=timedelta(milliseconds=100)))
    supervisor.start()
    assert wait_until(lambda: said(supervisor, "deaf"), within=SOON)
    supervisor.stop()
    assert (only(supervisor).state, only(supervisor).last_exit) == (ChildState.STOPPED, -signal.SIGKILL)


def test_a_paused_child_can_still_be_stopped_cleanly(supervise: Supervise, tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    supervisor = supervise(obedient("paused", diary))
    supervisor.start()
    stat = Path(f"/proc/{pid_of(supervisor)}/stat")
    supervisor.signal("paused", signal.SIGSTOP)
    assert wait_until(lambda: stat.read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "T", within=SOON)
    supervisor.stop()
    assert only(supervisor).last_exit == 0
    assert "paused stopped" in diary.read_text(encoding="utf-8")


def test_what_a_killed_child_had_started_does_not_work_on(supervise: Supervise) -> None:
    fork = "import os, signal; child = os.fork()\nif child: print('child', child, flush=True)\nsignal.pause()"
    supervisor = supervise(python("family", fork), backoff=PATIENT)
    supervisor.start()
    assert wait_until(lambda: said(supervisor, "\n"), within=SOON)
    grandchild = int(only(supervisor).log_path.read_text(encoding="utf-8").split()[1])
    os.kill(pid_of(supervisor), signal.SIGKILL)
    assert wait_until(lambda: not is_alive(grandchild), within=SOON)


def test_a_child_that_ends_before_it_is_ready_stops_the_start(supervise: Supervise, tmp_path: Path) -> None:
    supervisor = supervise(
        obedient("first", tmp_path / "diary"), python("broken", "raise SystemExit(3)", ready=lambda: False)
    )
    with pytest.raises(DidNotStart, match=r"broken ended with status 3.*broken\.log"):
        supervisor.start()
    assert [status.state for status in supervisor.status()] == [ChildState.STOPPED] * 2
    assert "first stopped" in (tmp_path / "diary").read_text(encoding="utf-8")


def test_a_child_that_stays_silent_stops_the_start(supervise: Supervise) -> None:
    supervisor = supervise(python("silent", PAUSE, ready=lambda: False), ready_within=timedelta(milliseconds=50))
    with pytest.raises(DidNotStart, match="was not ready in time"):
        supervisor.start()
    assert only(supervisor).pid is None


def test_a_child_gets_its_environment_beside_ours(supervise: Supervise, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OURS", "ours")
    show = "import os, signal; print(os.environ['OURS'], os.environ['THEIRS'], flush=True); signal.pause()"
    supervisor = supervise(python("child", show, env={"THEIRS": "theirs"}))
    supervisor.start()
    assert wait_until(lambda: said(supervisor, "ours theirs"), within=SOON)


def test_a_stopped_supervisor_can_start_again(supervise: Supervise, tmp_path: Path) -> None:
    supervisor = supervise(obedient("child", tmp_path / "diary"))
    for _ in range(2):
        with supervisor:
            assert only(supervisor).state is ChildState.RUNNING
        assert only(supervisor).state is ChildState.STOPPED


def test_two_children_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="same name"):
        Supervisor([python("twin", PAUSE), python("twin", PAUSE)], tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_waits_for_a_signal_and_puts_the_handlers_back(supervise: Supervise, number: signal.Signals) -> None:
    supervisor = supervise(python("child", PAUSE))
    before = signal.getsignal(number)

    def send_when_waiting() -> None:
        assert wait_until(lambda: signal.getsignal(number) is not before, within=SOON)
        os.kill(os.getpid(), number)

    sender = threading.Thread(target=send_when_waiting)
    with supervisor:
        sender.start()
        assert supervisor.wait() is number
    sender.join()
    assert signal.getsignal(number) is before


def test_meanwhile_is_called_while_it_waits(supervise: Supervise, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processes.supervisor.MEANWHILE_EVERY", timedelta(milliseconds=5))
    calls: list[int] = []

    def meanwhile() -> None:
        calls.append(1)
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    assert supervise().wait(meanwhile=meanwhile) is signal.SIGTERM
    assert len(calls) == 3


def test_no_orphan_when_the_supervisor_is_killed(run_parent: Parent, tmp_path: Path) -> None:
    script = "import signal, sys; from pathlib import Path\n"
    script += "from processes.child_spec import ChildSpec; from processes.supervisor import Supervisor\n"
    script += f"spec = ChildSpec(name='child', argv=[sys.executable, '-c', {STUBBORN!r}])\n"
    script += f"supervisor = Supervisor([spec], Path({str(tmp_path)!r})); supervisor.start()\n"
    script += "print(supervisor.status()[0].pid, flush=True); signal.pause()"
    parent, [pid] = run_parent(script)
    assert is_alive(pid)
    parent.kill()
    assert wait_until(lambda: not is_alive(pid), within=SOON)
