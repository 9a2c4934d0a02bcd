"""The files of the sandbox hospital are what the service and the sandbox read, and its keys stay what they are."""

import stat
from datetime import timedelta
from pathlib import Path

from canonical.ports import Timings
from canonical.principal import Principal
from cli.sandbox_site import APPS, SERVICE, SandboxSite
from config.connections import read_connections
from sandbox.clients import clients_of_file
from tasks.registered_apps import read_registered_apps
from tasks.token_cache import read_token_keys

TIMINGS = Timings(request=timedelta(seconds=2), search_lag=timedelta(seconds=0.25))


def prepared(folder: Path) -> SandboxSite:
    site = SandboxSite(folder=folder / "site", origin="http://127.0.0.1:4711", api_url="http://127.0.0.1:8000")
    site.prepare(TIMINGS)
    return site


def test_the_service_reads_its_connection_with_the_timings_asked_for(tmp_path: Path) -> None:
    (connection,) = read_connections(prepared(tmp_path).connections_file)
    assert connection.timings == TIMINGS
    assert connection.base_url == "http://127.0.0.1:4711/fhir"
    assert Path(connection.auth["key_file"]).exists()


def test_the_service_knows_the_apps_that_may_enqueue(tmp_path: Path) -> None:
    apps = read_registered_apps(prepared(tmp_path).apps_file)
    assert set(apps) == set(APPS)
    ward: Principal = apps["ward"].principal
    assert ward.tenant == "north"
    assert ward.may("VitalReading", "record")
    assert not ward.may("MedicationChange", "stop")


def test_the_sandbox_knows_the_service_and_the_apps_by_public_keys_only(tmp_path: Path) -> None:
    site = prepared(tmp_path)
    assert {client.client_id for client in clients_of_file(site.clients_file)} == {SERVICE, *APPS}
    assert '"d"' not in site.clients_file.read_text()


def test_private_keys_are_for_nobody_else_and_stay_the_same(tmp_path: Path) -> None:
    keys = {file: file.read_bytes() for file in prepared(tmp_path).folder.glob("*.key.json")}
    assert len(keys) == len(APPS) + 1
    assert {stat.S_IMODE(file.stat().st_mode) for file in keys} == {0o600}
    prepared(tmp_path)
    assert {file: file.read_bytes() for file in keys} == keys


def test_the_key_that_seals_tokens_is_for_nobody_else_and_stays_the_same(tmp_path: Path) -> None:
    file = prepared(tmp_path).token_key_file
    key = file.read_bytes()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert read_token_keys(Path(prepared(tmp_path).environment["WRITEBACK_TOKEN_KEY_FILE"])) is not None
    assert file.read_bytes() == key
