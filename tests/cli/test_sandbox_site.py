"""The files of the sandbox hospital are what the service and the sandbox read, and its keys stay what they are."""

import stat
from datetime import timedelta
from pathlib import Path

import pytest

from api.review.login_setup import read_client_secret
from canonical.ports import Timings
from canonical.principal import Principal
from cli.sandbox_site import APPS, PEOPLE, REVIEW, SERVICE, SandboxSite
from config.connections import read_connections
from config.environment import read_settings
from config.people_policy import read_people_policy
from sandbox.clients import clients_of_file
from sandbox.people import staff_of_file
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


def test_everybody_who_can_log_in_has_a_role_that_means_something(tmp_path: Path) -> None:
    staff, roles = staff_of_file(prepared(tmp_path).people_file), read_people_policy()
    assert {person.sub for person in staff.people} == set(PEOPLE)
    who = {
        person.sub: roles.of_claims(person.claims(), issuer="i", tenant_claim="tenant", user_claim="fhirUser")
        for person in staff.people
    }
    assert all(reviewer.rights and reviewer.tenant == "north" and reviewer.fhir_user for reviewer in who.values())
    assert sorted(licence for reviewer in who.values() for licence in reviewer.licences) == [
        *("nurse", "operations", "pharmacist", "pharmacist", "prescriber"),
    ]


def test_service_and_sandbox_agree_on_the_review_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = prepared(tmp_path)
    for name, value in site.environment.items():
        monkeypatch.setenv(name, value)
    settings = read_settings()
    (client,) = staff_of_file(site.people_file).web_clients
    assert (client.client_id, settings.review_client_id) == (REVIEW, REVIEW)
    assert client.client_secret == read_client_secret(settings.review_client_secret_file)
    assert client.redirect_uris == (f"{settings.review_url}/review/callback",)
    assert str(site.people_file) in site.sandbox[0]


def test_secrets_of_the_review_pages_are_for_nobody_else_and_stay_the_same(tmp_path: Path) -> None:
    site = prepared(tmp_path)
    files = (site.session_key_file, site.review_secret_file, site.people_file)
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    kept = [file.read_bytes() for file in files]
    prepared(tmp_path)
    assert [file.read_bytes() for file in files] == kept
