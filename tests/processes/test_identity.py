import os
import sys
from pathlib import Path

import pytest

from processes.errors import CannotRunAsRoot
from processes.identity import AS_NOBODY, OURSELVES, USER_NAMESPACE, Identity, find_identity

PYTHON = Path(sys.executable)


@pytest.fixture(autouse=True)
def fresh_search() -> None:
    find_identity.cache_clear()


def as_root_where_only(monkeypatch: pytest.MonkeyPatch, *allowed: Identity) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(Identity, "can_run", lambda self, _: self in allowed)


def test_an_ordinary_user_runs_it_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert find_identity(PYTHON) == OURSELVES


def test_root_prefers_a_user_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    as_root_where_only(monkeypatch, USER_NAMESPACE, AS_NOBODY)
    assert find_identity(PYTHON) == USER_NAMESPACE


def test_root_without_user_namespaces_becomes_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    as_root_where_only(monkeypatch, AS_NOBODY)
    assert find_identity(PYTHON) == AS_NOBODY


def test_root_with_no_way_out_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    as_root_where_only(monkeypatch)
    with pytest.raises(CannotRunAsRoot, match="WRITEBACK_DATABASE_URL"):
        find_identity(PYTHON)


def test_what_cannot_run_is_noticed() -> None:
    assert OURSELVES.can_run(PYTHON)
    assert not OURSELVES.can_run(Path("/no/such/program"))
