"""The files of a hospital beside the sandbox's own: what the service and its sandbox read is the same."""

import stat
from pathlib import Path

import pytest

from canonical.ports import Timings
from cli.sandbox_neighbour import Neighbour
from cli.sandbox_site import SERVICE, SandboxSite
from config.connections import read_connections
from sandbox.clients import clients_of_file

OPTIONS = {"plain": True, "text": 'a "quoted" word', "list": ["a", "b"], "table": {"8867-4": "/min"}}


def site_with(folder: Path, auth: str) -> SandboxSite:
    neighbour = Neighbour(name="east", adapter="fhir_r4", origin="http://127.0.0.1:4712", auth=auth, options=OPTIONS)
    site = SandboxSite(
        folder=folder / "site",
        origin="http://127.0.0.1:4711",
        api_url="http://127.0.0.1:8000",
        neighbours=(neighbour,),
    )
    site.prepare(Timings())
    return site


@pytest.mark.parametrize("auth", ["private_key_jwt", "client_secret_post"])
def test_the_service_reads_the_connection_with_its_options_and_proof(tmp_path: Path, auth: str) -> None:
    home, east = read_connections(site_with(tmp_path, auth).connections_file)
    assert (home.name, east.name, east.base_url) == ("north-r4", "east", "http://127.0.0.1:4712/fhir")
    assert dict(east.options) == OPTIONS
    assert east.auth["kind"] == auth
    assert home.timings == east.timings


def test_a_secret_is_for_nobody_else_the_same_at_both_ends_and_kept(tmp_path: Path) -> None:
    site = site_with(tmp_path, "client_secret_post")
    secret = site.folder / "east.secret"
    kept = secret.read_text()
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    (client,) = clients_of_file(site.folder / "east.clients.json")
    assert client.client_id == SERVICE
    assert kept in (site.folder / "east.clients.json").read_text()
    site_with(tmp_path, "client_secret_post")
    assert secret.read_text() == kept


def test_the_sandbox_is_told_whose_ehr_it_plays_and_where(tmp_path: Path) -> None:
    site = site_with(tmp_path, "private_key_jwt")
    words, origin = site.neighbours[0].sandbox(site.folder)
    assert origin == "http://127.0.0.1:4712"
    assert words[:4] == ["--personality", "fhir_r4", "--port", "4712"]
