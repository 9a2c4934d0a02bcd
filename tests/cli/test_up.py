"""Where `writeback up` says that things are."""

from pathlib import Path

from cli.launch import Running
from cli.sandbox_site import PEOPLE, SandboxSite
from cli.stack import Stack
from cli.up import addresses
from processes.embedded import EmbeddedServers
from processes.supervisor import Supervisor


def test_up_says_where_cases_are_reviewed_and_who_can_log_in(tmp_path: Path) -> None:
    stack = Stack(environment={"WRITEBACK_DATA_DIR": str(tmp_path)}, api_port=8000)
    site = SandboxSite(folder=tmp_path, origin="http://127.0.0.1:4711", api_url="http://127.0.0.1:8000")
    product = Running(stack=stack, supervisor=Supervisor([], tmp_path), servers=EmbeddedServers(tmp_path))
    told = "\n".join(addresses(product, site))
    assert "http://127.0.0.1:8000/review" in told
    assert all(f"{name} ({role})" in told for name, role in PEOPLE.values())
    assert "/review" not in "\n".join(addresses(product, None))
