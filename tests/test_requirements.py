"""The lock that installs the product suffices to run it; the tests' own packages would hide what is missing there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

#: What the product's processes import, now or when they have work: Celery and kombu load parts by name.
LOADED = (
    *(
        "api.app",
        "cli.main",
        "cli.demo.command",
        "config.wiring",
        "config.checks",
        "sandbox.server",
        "sandbox.patients",
    ),
    *("tasks.celery_tasks", "tasks.receive_message", "tasks.poller", "tasks.scheduler", "reconcile.schedule"),
    *(
        "kombu.transport.redis",
        "celery.backends.redis",
        "celery.concurrency.thread",
        "celery.apps.worker",
        "celery.apps.beat",
    ),
    *("celery.bin.celery", "flower.command", "uvicorn", "fhir.resources.R4B.observation", "ucumvert"),
)
SCRIPT = """
import importlib, re, sys
from importlib.abc import MetaPathFinder
from importlib.metadata import packages_distributions

canonical = lambda name: re.sub(r"[-_.]+", "-", name).lower()
locked = set(map(canonical, sys.argv[1].split()))
owners = {name: set(map(canonical, them)) for name, them in packages_distributions().items()}

class NotInstalled(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        owner = owners.get(name.partition(".")[0])
        if owner and not owner & locked:
            raise ModuleNotFoundError(f"{name} is not in the lock", name=name)

sys.meta_path.insert(0, NotInstalled())
for name in sys.argv[2:]:
    importlib.import_module(name)
"""


@pytest.mark.timeout(400)  # it installs the whole lock, on a machine that may be busy
def test_the_product_loads_with_nothing_installed_but_the_runtime_lock() -> None:
    text = Path("requirements.lock").read_text(encoding="ascii")
    locked = re.findall(r"^([A-Za-z0-9_.-]+)==", text, re.MULTILINE)
    words = [sys.executable, "-c", SCRIPT, " ".join(locked), *LOADED]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
