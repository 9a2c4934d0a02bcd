import importlib.util
import os
import pwd
import subprocess
from pathlib import Path

import pytest

from processes.errors import DidNotStart, ProcessTrouble
from processes.identity import OURSELVES, Identity
from processes.postgres_cluster import PostgresCluster, installed_programs


def test_the_programs_are_found_without_importing_their_package() -> None:
    version = subprocess.run([installed_programs() / "bin" / "postgres", "--version"], check=True, capture_output=True)
    assert version.stdout.startswith(b"postgres (PostgreSQL) 18")


def test_a_missing_package_names_the_setting_that_replaces_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ProcessTrouble, match="WRITEBACK_DATABASE_URL"):
        installed_programs()


def test_programs_the_other_user_cannot_reach_are_copied_for_him(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Identity, "can_run", lambda *_: False)
    monkeypatch.setattr("processes.postgres_cluster.PUBLIC_PLACE", tmp_path)
    me = Identity(leash_words=(), user=pwd.getpwuid(os.geteuid()).pw_name)
    cluster = PostgresCluster(tmp_path / "home", me)
    assert cluster.programs == cluster.files / "programs" / "bin"
    version = subprocess.run([cluster.programs / "postgres", "--version"], check=True, capture_output=True)
    assert version.stdout.startswith(b"postgres (PostgreSQL) 18")


def test_a_cluster_that_cannot_be_made_says_why_and_leaves_none(tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "initdb").write_text("#!/bin/sh\necho 'no space left' >&2\nexit 1\n", encoding="ascii")
    (programs / "initdb").chmod(0o755)
    cluster = PostgresCluster(tmp_path / "home", OURSELVES)
    cluster.__dict__["programs"] = programs
    with pytest.raises(DidNotStart, match=r"no space left.*Nothing was stored"):
        cluster.prepare()
    assert not cluster.data.exists()
