#!/usr/bin/env python3
"""Sets the project up and runs it: `python3 run.py demo | test | lint | types`; the product itself is not in here.

Needs Python 3.11 or newer and nothing else: a pinned uv makes `.venv` from the locked, hash-checked requirements; pip
does it where uv cannot be had.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

OLDEST_PYTHON = (3, 11)
ROOT = Path(__file__).resolve().parent
BOOT = ROOT / ".boot"
BOOT_LOCK = ROOT / "requirements-boot.lock"
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "writeback-stamp"
RUNTIME_LOCK = ROOT / "requirements.lock"
TEST_LOCK = ROOT / "requirements-test.lock"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER_VARIABLE = "WRITEBACK_CHROMIUM"

LINT = (("ruff", "check", "."), ("ruff", "format", "--check", "."))
TYPES = (("mypy",),)
ROOMS = (("lint-imports",),)
#: Most tests wait more than they compute, for PostgreSQL, an EHR, processes, leases: groups of them run side by side, each
#: with servers of its own, and all that no group names in one more. Those of faults measure patience: they stand in one group,
#: and so never beside each other.
GROUPS = {
    "patience": ("tests/faults",),
    "journeys": ("tests/e2e",),
    "doors": ("tests/api", "tests/interop"),
    "writes": ("tests/tasks", "tests/conformance"),
    "sweeps": ("tests/reconcile",),
}
GROUPED = tuple(folder for folders in GROUPS.values() for folder in folders)
SIDE_BY_SIDE = (
    ("pytest", *(f"--ignore={folder}" for folder in GROUPED)),
    *(("pytest", "-o", f"cache_dir=.pytest_cache/{name}", *folders) for name, folders in GROUPS.items()),
)


class SetupFailed(Exception):
    """The project could not be set up; the text says what to do."""


def main(arguments: Sequence[str]) -> int:
    if sys.version_info[:2] < OLDEST_PYTHON:
        return _refuse(
            f"Writeback needs Python {_dotted(OLDEST_PYTHON)} or newer; this is {_dotted(sys.version_info[:2])} "
            f"({sys.executable}). Nothing was changed. Run it again with a newer one, for example: python3.11 run.py"
        )
    verb = VERBS.get(arguments[0]) if arguments else None
    if verb is None:
        asked = f"There is no '{arguments[0]}'. " if arguments else ""
        lines = [f"  {name:<6} {action.__doc__}" for name, action in VERBS.items()]
        return _refuse(f"{asked}Say what to run:  python3 run.py VERB [ARGUMENTS]\n" + "\n".join(lines))
    os.chdir(ROOT)
    try:
        return verb(arguments[1:])
    except SetupFailed as failure:
        return _refuse(str(failure))


# -- verbs


def demo(arguments: Sequence[str]) -> int:
    """The main job: start everything here, write synthetic actions to a simulated EHR, prove each."""
    set_up(RUNTIME_LOCK)
    _flush()
    os.execv(PYTHON, [str(PYTHON), "-m", "cli.main", "demo", *arguments])


def test(arguments: Sequence[str]) -> int:
    """Every check: lint, dependency direction, then types beside all tests in groups, or pytest with your ARGUMENTS."""
    set_up(TEST_LOCK)
    browser = find_browser(os.environ) or install_browser()
    environment = {BROWSER_VARIABLE: browser} if browser else {}
    if arguments:
        return run_steps([*LINT, *TYPES, *ROOMS, ("pytest", *arguments)], environment)
    # The types are checked in the time that the tests wait.
    return run_steps([*LINT, *ROOMS], environment, then_together=(*SIDE_BY_SIDE, *TYPES))


def lint(_arguments: Sequence[str]) -> int:
    """Check style and dependency direction."""
    set_up(TEST_LOCK)
    return run_steps([*LINT, *ROOMS])


def types(_arguments: Sequence[str]) -> int:
    """Check types."""
    set_up(TEST_LOCK)
    return run_steps(TYPES)


VERBS: dict[str, Callable[[Sequence[str]], int]] = {"demo": demo, "test": test, "lint": lint, "types": types}


def run_steps(
    steps: Sequence[Sequence[str]],
    environment: Mapping[str, str] | None = None,
    *,
    then_together: Sequence[Sequence[str]] = (),
) -> int:
    """Run every step, also after one has failed, and at last some side by side; 0 only if none failed."""
    told = {**os.environ, **(environment or {})}
    statuses = []
    for step in steps:
        _say(" ".join(step))
        statuses.append((step, subprocess.run(_command(step), check=False, env=told).returncode))
    statuses += run_together(then_together, told)
    failed = [f"{' '.join(step)} (status {status})" for step, status in statuses if status != 0]
    if failed:
        return _refuse("Failed: " + "; ".join(failed))
    _say("all passed")
    return 0


def run_together(steps: Sequence[Sequence[str]], environment: Mapping[str, str]) -> list[tuple[Sequence[str], int]]:
    """Run steps side by side; the first one speaks as it goes, the others' words follow whole when they have ended."""
    if not steps:
        return []
    for step in steps:
        _say(" ".join(step))
    with ExitStack() as stack:
        quiet = [(step, stack.enter_context(tempfile.TemporaryFile())) for step in steps[1:]]
        others = [
            (step, words, subprocess.Popen(_command(step), env=environment, stdout=words, stderr=subprocess.STDOUT))
            for step, words in quiet
        ]
        statuses = [(steps[0], subprocess.run(_command(steps[0]), check=False, env=environment).returncode)]
        for step, words, process in others:
            statuses.append((step, process.wait()))
            words.seek(0)
            _say(f"what was said meanwhile by {' '.join(step)}")
            shutil.copyfileobj(words, sys.stderr.buffer)
            _flush()
    return statuses


def _command(step: Sequence[str]) -> list[str]:
    return [str(VENV / "bin" / step[0]), *step[1:]]


# -- the environment


def set_up(lock: Path) -> None:
    """Make `.venv` hold what `lock` says, unless its stamp says that it does."""
    with _one_at_a_time():
        if is_set_up(lock):
            return
        _say(f"installing {lock.name} into {VENV.name}")
        STAMP.unlink(missing_ok=True)
        try:
            _install_with_uv(lock, find_uv())
        except (OSError, subprocess.CalledProcessError) as error:
            _say(f"uv is not to be had here ({error}); using pip, which takes a minute or two")
            _install_with_pip(lock)
        # The test requirements contain those of the product.
        held = {RUNTIME_LOCK, lock}
        STAMP.write_text("".join(f"{_digest(each)}\n" for each in sorted(held)), encoding="ascii")


def is_set_up(lock: Path) -> bool:
    if not STAMP.exists() or _digest(lock) not in STAMP.read_text(encoding="ascii").split():
        return False
    return _runs(str(PYTHON), "-c", "")


def find_uv() -> str:
    """The pinned uv: from the PATH, from an earlier run, or fetched now."""
    installed = BOOT / "bin" / "uv"
    for candidate in (shutil.which("uv"), str(installed)):
        if candidate and _output(candidate, "--version").split()[:2] == ["uv", pinned_uv()]:
            return candidate
    _say(f"fetching uv {pinned_uv()}")
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "install",
        "--quiet",
        "--root-user-action=ignore",
    ]
    exactly = ["--target", str(BOOT), "--upgrade", "--no-deps", "--only-binary=:all:", "--require-hashes"]
    subprocess.run([*pip, *exactly, "--requirement", str(BOOT_LOCK)], check=True)
    return str(installed)


def pinned_uv() -> str:
    return BOOT_LOCK.read_text(encoding="ascii").split()[0].partition("==")[2]


def _install_with_uv(lock: Path, uv: str) -> None:
    if not _runs(str(PYTHON), "-c", ""):
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(VENV)], check=True)
    # Compiled once here: nearly a dozen processes start at a time, and where Python may write no bytecode each would
    # compile everything anew.
    exactly = ["--require-hashes", "--compile-bytecode"]
    subprocess.run([uv, "pip", "sync", "--quiet", *exactly, "--python", str(PYTHON), str(lock)], check=True)


def _install_with_pip(lock: Path) -> None:
    try:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=True)
        pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "install", "--require-hashes"]
        subprocess.run([*pip, "--requirement", str(lock)], check=True)
    except subprocess.CalledProcessError as error:
        raise SetupFailed(
            "The requirements could not be installed, neither by uv nor by pip; the messages above say why. "
            "Python needs its modules pip and venv (Debian: python3-pip, python3-venv), and the package index must be "
            "within reach. Nothing outside this folder was changed; run the same command again."
        ) from error


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Two runs in one checkout must not install over each other."""
    BOOT.mkdir(exist_ok=True)
    with (BOOT / "lock").open("w", encoding="ascii") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


# -- the browser


def find_browser(environment: Mapping[str, str]) -> str | None:
    """The path of a Chromium: the one named by WRITEBACK_CHROMIUM, else the first on the PATH that runs."""
    named = environment.get(BROWSER_VARIABLE)
    if named:
        return named
    found = map(shutil.which, BROWSERS)
    return next((path for path in found if path and _runs(path, "--version")), None)


def install_browser() -> str | None:
    """Get Debian's Chromium where that is possible; None where it is not."""
    apt = shutil.which("apt-get")
    if os.geteuid() != 0 or apt is None:
        return None
    _say("installing Chromium for the browser tests")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update"], ["install", "-y", "--no-install-recommends", "chromium"]):
        if subprocess.run([apt, "-qq", *words], check=False, env=quiet, stdout=subprocess.DEVNULL).returncode != 0:
            _say("Chromium could not be installed")
            return None
    return find_browser({})


# -- small things


def _digest(lock: Path) -> str:
    return hashlib.sha256(lock.read_bytes()).hexdigest()


def _runs(*command: str) -> bool:
    try:
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    except OSError:
        return False


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, check=False, capture_output=True, text=True).stdout
    except OSError:
        return ""


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _say(text: str) -> None:
    print(f"==> {text}", file=sys.stderr, flush=True)


def _refuse(text: str) -> int:
    print(text, file=sys.stderr, flush=True)
    return 1


def _flush() -> None:
    sys.stdout.flush()
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
