import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import pytest

import run

LOCKS = ("requirements-boot.lock", "requirements.lock", "requirements-test.lock")
PIN = re.compile(r"^([a-z0-9._-]+)==(\S+)", re.MULTILINE)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout in which nothing is set up, with small lock files."""
    places = {
        "BOOT": tmp_path / ".boot",
        "VENV": tmp_path / ".venv",
        "PYTHON": tmp_path / ".venv" / "bin" / "python",
        "STAMP": tmp_path / ".venv" / "writeback-stamp",
        "RUNTIME_LOCK": tmp_path / "requirements.lock",
        "TEST_LOCK": tmp_path / "requirements-test.lock",
    }
    for name, path in places.items():
        monkeypatch.setattr(run, name, path)
    run.RUNTIME_LOCK.write_text("runtime==1", encoding="ascii")
    run.TEST_LOCK.write_text("runtime==1 test==1", encoding="ascii")
    return tmp_path


@pytest.fixture
def installed(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was installed with uv, in order; the interpreter that it leaves runs."""
    done: list[str] = []

    def install(lock: Path, _uv: str) -> None:
        run.PYTHON.parent.mkdir(parents=True, exist_ok=True)
        if not run.PYTHON.exists():
            run.PYTHON.symlink_to(sys.executable)
        done.append(lock.name)

    monkeypatch.setattr(run, "find_uv", lambda: "uv")
    monkeypatch.setattr(run, "_install_with_uv", install)
    return done


def in_a_shell(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )


# -- lock files


@pytest.mark.parametrize("name", LOCKS)
def test_lock_files_name_no_address_and_no_path(name: str) -> None:
    text = Path(name).read_text(encoding="utf-8")
    assert "://" not in text
    assert " @ " not in text
    assert not re.search(r"^-", text, re.MULTILINE), "an option would depend on the machine"


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_package_has_a_version_and_hashes(name: str) -> None:
    entries = re.sub(r"\\\n", " ", Path(name).read_text(encoding="utf-8")).splitlines()
    packages = [entry for entry in entries if entry and not entry.lstrip().startswith("#")]
    assert packages
    assert [entry for entry in packages if not PIN.match(entry) or "--hash=sha256:" not in entry] == []


def test_the_test_requirements_contain_those_of_the_product() -> None:
    product, tests = (dict(PIN.findall(Path(name).read_text(encoding="utf-8"))) for name in LOCKS[1:])
    assert product.items() <= tests.items()


def test_uv_is_pinned_to_one_version() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", run.pinned_uv())


# -- verbs


def test_without_a_verb_the_verbs_are_listed() -> None:
    done = in_a_shell("run.py")
    assert done.returncode != 0
    assert [name for name in ("demo", "test", "lint", "types") if f"\n  {name}" not in done.stderr] == []


def test_an_unknown_verb_is_named_and_the_verbs_are_listed() -> None:
    done = in_a_shell("run.py", "deploy")
    assert done.returncode != 0
    assert "no 'deploy'" in done.stderr
    assert "\n  demo" in done.stderr


def test_an_older_python_is_refused_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 9, "final", 0))
    assert run.main(["demo"]) == 1
    assert "needs Python 3.11 or newer; this is 3.10" in capsys.readouterr().err


def test_an_older_python_can_still_read_the_file() -> None:
    """What it cannot parse it could not refuse with a sentence."""
    ast.parse(Path("run.py").read_text(encoding="utf-8"), feature_version=(3, 8))


def test_only_the_standard_library_is_imported() -> None:
    tree = ast.parse(Path("run.py").read_text(encoding="utf-8"))
    imported = {
        alias.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    }
    imported |= {str(node.module).split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported <= sys.stdlib_module_names


def test_demo_hands_over_to_the_product(installed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def handed_over(program: Path, argv: Sequence[str]) -> NoReturn:
        raise SystemExit(json.dumps([str(program), *argv]))

    monkeypatch.setattr(os, "execv", handed_over)
    with pytest.raises(SystemExit) as end:
        run.main(["demo", "--once", "--seed", "7"])
    python = str(run.PYTHON)
    assert json.loads(str(end.value)) == [python, python, "-m", "cli.main", "demo", "--once", "--seed", "7"]
    assert installed == ["requirements.lock"]


def test_all_checks_run_and_one_failure_is_enough(
    installed: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "find_browser", lambda _: "/usr/bin/chromium")
    run.set_up(run.TEST_LOCK)
    for name in ("ruff", "mypy", "lint-imports", "pytest"):
        program = run.VENV / "bin" / name
        status = 3 if name == "mypy" else 0
        program.write_text(f'#!/bin/sh\necho "{name} $* $WRITEBACK_CHROMIUM" >> {run.VENV}/ran\nexit {status}\n')
        program.chmod(0o755)
    assert run.main(["test", "-k", "some"]) == 1
    assert (run.VENV / "ran").read_text(encoding="utf-8").splitlines() == [
        "ruff check . /usr/bin/chromium",
        "ruff format --check . /usr/bin/chromium",
        "mypy  /usr/bin/chromium",
        "lint-imports  /usr/bin/chromium",
        "pytest -k some /usr/bin/chromium",
    ]
    assert "Failed: mypy (status 3)" in capsys.readouterr().err
    assert run.main(["lint"]) == 0
    assert run.main(["types"]) == 1


@pytest.mark.parametrize(
    "failing", [None, "--ignore=tests/faults", *(f"cache_dir=.pytest_cache/{name}" for name in run.GROUPS), "mypy"]
)
def test_all_tests_run_in_groups_side_by_side_and_one_failing_group_is_enough(
    installed: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], failing: str | None
) -> None:
    monkeypatch.setattr(run, "find_browser", lambda _: "/usr/bin/chromium")
    run.set_up(run.TEST_LOCK)
    # Each group ends only when all others have begun: one after the other they would never end.
    all_of_them = len(run.SIDE_BY_SIDE)
    meet = f"touch {run.VENV}/$$; until [ $(ls {run.VENV} | grep -c '^[0-9]*$') = {all_of_them} ]; do sleep 0.01; done"
    for name in ("ruff", "mypy", "lint-imports"):
        (run.VENV / "bin" / name).write_text(f"#!/bin/sh\nexit {int(name == failing)}\n")
        (run.VENV / "bin" / name).chmod(0o755)
    program = run.VENV / "bin" / "pytest"
    program.write_text(f'#!/bin/sh\n{meet}\necho "ran $*"\ncase "$*" in *{failing}*) exit 1;; esac\n')
    program.chmod(0o755)
    assert run.main(["test"]) == (0 if failing is None else 1)
    said = capfd.readouterr()
    for group in run.SIDE_BY_SIDE:
        assert f"ran {' '.join(group[1:])}" in said.out + said.err
    told = f"Failed: {'mypy' if failing == 'mypy' else 'pytest'}"
    assert (told in said.err) is (failing is not None)


def test_the_groups_leave_no_test_out_and_run_none_twice() -> None:
    rest, *groups = run.SIDE_BY_SIDE
    ignored = [word.removeprefix("--ignore=") for word in rest[1:]]
    chosen = [word for group in groups for word in group if word.startswith("tests/")]
    assert sorted(ignored) == sorted(chosen) == sorted({*chosen})
    assert all(Path(folder).is_dir() and not folder.endswith("/") for folder in chosen)
    assert not [(one, other) for one in chosen for other in chosen if other.startswith(f"{one}/")]


def test_the_groups_keep_what_failed_apart() -> None:
    kept = [word for group in run.SIDE_BY_SIDE for word in group if word.startswith("cache_dir=")]
    assert len({*kept}) == len(kept) == len(run.SIDE_BY_SIDE) - 1


# -- the environment and its stamp


def test_a_second_run_installs_nothing(installed: list[str]) -> None:
    run.set_up(run.TEST_LOCK)
    run.set_up(run.TEST_LOCK)
    assert installed == ["requirements-test.lock"]


def test_the_test_environment_serves_the_product_too(installed: list[str]) -> None:
    run.set_up(run.TEST_LOCK)
    run.set_up(run.RUNTIME_LOCK)
    assert installed == ["requirements-test.lock"]


def test_the_environment_of_the_product_does_not_serve_the_tests(installed: list[str]) -> None:
    run.set_up(run.RUNTIME_LOCK)
    run.set_up(run.TEST_LOCK)
    assert installed == ["requirements.lock", "requirements-test.lock"]


def test_a_changed_lock_is_installed(installed: list[str]) -> None:
    run.set_up(run.RUNTIME_LOCK)
    run.RUNTIME_LOCK.write_text("runtime==2", encoding="ascii")
    run.set_up(run.RUNTIME_LOCK)
    assert installed == ["requirements.lock"] * 2


def test_an_environment_whose_interpreter_is_gone_is_made_again(installed: list[str], tmp_path: Path) -> None:
    run.set_up(run.RUNTIME_LOCK)
    run.PYTHON.unlink()
    run.PYTHON.symlink_to(tmp_path / "gone")
    assert not run.is_set_up(run.RUNTIME_LOCK)


def test_an_interrupted_installation_leaves_no_stamp(installed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    run.set_up(run.RUNTIME_LOCK)
    run.RUNTIME_LOCK.write_text("runtime==2", encoding="ascii")
    monkeypatch.setattr(run, "_install_with_uv", raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        run.set_up(run.RUNTIME_LOCK)
    assert not run.STAMP.exists()


def test_pip_takes_over_where_uv_cannot_be_had(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "find_uv", raising(subprocess.CalledProcessError(1, "pip")))
    by_pip: list[Path] = []

    def install(lock: Path) -> None:
        run.VENV.mkdir()
        by_pip.append(lock)

    monkeypatch.setattr(run, "_install_with_pip", install)
    run.set_up(run.RUNTIME_LOCK)
    assert by_pip == [run.RUNTIME_LOCK]


def test_when_nothing_installs_the_person_is_told_what_is_missing(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "find_uv", raising(OSError("no network")))
    monkeypatch.setattr(subprocess, "run", raising(subprocess.CalledProcessError(1, "venv")))
    assert run.main(["types"]) == 1
    assert "python3-venv" in capsys.readouterr().err
    assert not run.STAMP.exists()


def test_a_uv_of_another_version_is_not_used(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_uv(checkout, f"uv {run.pinned_uv()}1 (other)", monkeypatch)
    calls: list[Sequence[str]] = []
    monkeypatch.setattr(run, "_output", lambda *_: f"uv {run.pinned_uv()}1 (other)")
    monkeypatch.setattr(subprocess, "run", lambda command, **_: calls.append(command))
    assert run.find_uv() == str(run.BOOT / "bin" / "uv")
    [fetch] = calls
    assert fetch[1:3] == ["-m", "pip"]
    assert "--require-hashes" in fetch


def test_the_right_uv_on_the_path_is_used(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = fake_uv(checkout, f"uv {run.pinned_uv()} (build)", monkeypatch)
    assert run.find_uv() == right


def fake_uv(directory: Path, version: str, monkeypatch: pytest.MonkeyPatch) -> str:
    program = directory / "uv"
    program.write_text(f"#!/bin/sh\necho '{version}'\n", encoding="ascii")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(directory), prepend=os.pathsep)
    return str(program)


def raising(error: BaseException) -> Callable[..., NoReturn]:
    def fail(*_: Any, **__: Any) -> NoReturn:
        raise error

    return fail


# -- the browser


def browser_found(environment: Mapping[str, str], path: Path, monkeypatch: pytest.MonkeyPatch) -> str | None:
    monkeypatch.setenv("PATH", str(path))
    return run.find_browser(environment)


def program(path: Path, body: str) -> Path:
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="ascii")
    path.chmod(0o755)
    return path


def test_the_named_browser_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert browser_found({"WRITEBACK_CHROMIUM": "/opt/c"}, tmp_path, monkeypatch) == "/opt/c"


def test_the_first_browser_on_the_path_that_runs_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert browser_found({}, tmp_path, monkeypatch) is None
    program(tmp_path / "chromium", "exit 1")  # a stand-in which only says how to install it
    works = program(tmp_path / "google-chrome", "exit 0")
    assert browser_found({}, tmp_path, monkeypatch) == str(works)


def test_only_root_with_apt_installs_a_browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(run, "BROWSERS", ("made-up-browser",))
    log = tmp_path / "log"
    install = f'echo "$*" >> {log}; if [ "$2" = install ]; then cp {tmp_path}/new {tmp_path}/made-up-browser; fi'
    program(tmp_path / "apt-get", install)
    program(tmp_path / "new", "exit 0")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert run.install_browser() is None
    assert not log.exists()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert run.install_browser() == str(tmp_path / "made-up-browser")
    assert log.read_text(encoding="ascii").splitlines() == [
        "-qq update",
        "-qq install -y --no-install-recommends chromium",
    ]


def test_a_browser_that_cannot_be_installed_is_no_browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    program(tmp_path / "apt-get", "exit 100")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert run.install_browser() is None


# -- the build machine


def test_the_build_machine_runs_all_tests_and_returns_their_status(tmp_path: Path) -> None:
    program(tmp_path / "python3", 'echo "$PWD $*"; exit 7')
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [str(Path(".ci/run").resolve())], cwd=tmp_path, env={"PATH": path}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (7, f"{Path.cwd()} run.py test\n")
