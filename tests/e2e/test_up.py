"""`writeback up`: one command runs the product; killed without warning it leaves nothing behind and goes on where it was."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from canonical import exact_json
from cli.demo.apps import Apps
from cli.demo.chart import Chart
from cli.demo.people import people_of
from cli.demo.plan import Planner, cohort
from cli.demo.queue import Queue
from cli.sandbox_site import SandboxSite
from cli.service_client import ServiceClient
from processes.condition import wait_until
from processes.free_port import free_port

ROOT = Path(__file__).parents[2]
SOON = timedelta(seconds=60)


@contextmanager
def up(data_dir: Path, port: int) -> Iterator["subprocess.Popen[str]"]:
    """The command, once it says that it runs."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("WRITEBACK_")}
    words = ["up", "--sandbox", "--data-dir", str(data_dir), "--port", str(port), "--workers", "1"]
    running = subprocess.Popen(
        [sys.executable, "-m", "cli.main", *words],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
        env=clean,
    )
    try:
        assert running.stderr is not None
        said = iter(running.stderr.readline, "")
        assert any("Ctrl-C stops it" in line for line in said), f"it ended with {running.wait()}"
        yield running
    finally:
        if running.poll() is None:
            running.kill()
        running.communicate()


def command(*words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Another command of the same machine, told nothing but where the product's data are."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("WRITEBACK_")}
    words = (sys.executable, "-m", "cli.main", *words)
    return subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT, env={**clean, **environment})


def children_of(folder: Path) -> list[str]:
    """Ids of processes that were started for this data directory (Linux: by command line and environment)."""
    entries = [it for it in Path("/proc").iterdir() if it.name.isdigit()] if Path("/proc/self").exists() else []
    return [it.name for it in entries if os.fsencode(folder) in _words_of(it) and int(it.name) != os.getpid()]


def _words_of(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
    except OSError:  # ended meanwhile
        return b""


@pytest.mark.timeout(300)  # everything is started twice, on a machine that may be busy
def test_up_survives_being_killed_and_stops_when_it_is_told_to(tmp_path: Path) -> None:
    port = free_port()
    with up(tmp_path, port) as first:
        site = site_of(tmp_path, port)
        bundle = cohort(1, 60)
        envelope = next(
            it.envelope
            for it in Planner(people_of(bundle), 1).plan(60)
            if it.ending.status == "inChart" and it.creates and it.app == "ward"
        )
        queue = Queue(broker_url="", key_prefix="", site=site)
        with closing(Chart(site.origin, site.admin_token)) as chart, closing(Apps(site, queue)) as apps:
            chart.seed(bundle)
            apps.record_consents(people_of(bundle))
        with ServiceClient(site.profile("ward")) as ward:
            receipt = ward.submit(exact_json.dumps(envelope).encode(), key="up-0001-key", wait=20).json()
        assert receipt["status"] == "inChart"
        first.send_signal(signal.SIGKILL)
        first.wait()
        assert wait_until(lambda: not children_of(tmp_path), within=SOON)

    with up(tmp_path, port) as second:
        with ServiceClient(site_of(tmp_path, port).profile("ward")) as ward:
            again = ward.submit(exact_json.dumps(envelope).encode(), key="up-0001-key")
        assert again.status_code == 200
        assert (again.json()["id"], again.json()["status"]) == (receipt["id"], "inChart")
        said = command("balance", "--json", WRITEBACK_DATA_DIR=str(tmp_path))
        assert json.loads(said.stdout)["inChart"] == 1
        second.send_signal(signal.SIGTERM)
        assert second.wait(timeout=SOON.total_seconds()) == 0
        assert children_of(tmp_path) == []


def site_of(data_dir: Path, port: int) -> SandboxSite:
    noted = (data_dir / "site" / "port").read_text(encoding="ascii")
    return SandboxSite(folder=data_dir / "site", origin=f"http://127.0.0.1:{noted}", api_url=f"http://127.0.0.1:{port}")
