"""The ways in which vendors' token endpoints differ from SMART's, each by setting."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.sandbox.test_oauth import EC, RSA, App
from tests.sandbox_fixture import RunningSandbox

SECRET = "s3cret&more"


@pytest.fixture
def app(sandbox: RunningSandbox) -> Iterator[App]:
    sandbox.register(
        {
            "client_id": "app",
            "client_secret": SECRET,
            "jwks": {"keys": [RSA.as_dict(private=False), EC.as_dict(private=False)]},
            "scopes": "system/Observation.crus system/Patient.rs",
        }
    )
    registered = App(sandbox)
    yield registered
    registered.http.close()


def by_secret(sandbox: RunningSandbox, **arguments: Any) -> httpx.Response:
    data = {"grant_type": "client_credentials", **arguments.pop("data", {})}
    return httpx.post(f"{sandbox.origin}/oauth/token", data=data, **arguments)


def test_a_secret_is_taken_in_the_header_or_in_the_form_where_the_ehr_takes_it(
    app: App, sandbox: RunningSandbox
) -> None:
    in_form = {"client_id": "app", "client_secret": SECRET}
    assert by_secret(sandbox, auth=("app", SECRET)).status_code == 401
    sandbox.settings(token_auth=["client_secret_basic"])
    assert by_secret(sandbox, auth=("app", "s3cret%26more")).status_code == 200
    assert by_secret(sandbox, data=in_form).status_code == 401
    assert app.ask().status_code == 401
    sandbox.settings(token_auth=["client_secret_post"])
    assert by_secret(sandbox, data=in_form).status_code == 200
    assert by_secret(sandbox, data={**in_form, "client_secret": "wrong"}).status_code == 401
    assert by_secret(sandbox, data={**in_form, "client_id": "nobody"}).status_code == 401


def test_a_header_that_cannot_be_read_is_no_proof(app: App, sandbox: RunningSandbox) -> None:
    sandbox.settings(token_auth=["client_secret_basic"])
    assert by_secret(sandbox, headers={"Authorization": "Basic ****"}).status_code == 401
    assert by_secret(sandbox, headers={"Authorization": "Bearer x"}).status_code == 401


def test_scopes_come_back_in_the_words_of_version_1(app: App, sandbox: RunningSandbox) -> None:
    sandbox.settings(scope_words="v1")
    assert app.ask(scope="system/Observation.cu system/Patient.r").json()["scope"] == (
        "system/Observation.write system/Patient.read"
    )


def test_the_scopes_that_are_asked_for_may_be_ignored(app: App, sandbox: RunningSandbox) -> None:
    sandbox.settings(granted_scopes="registered")
    assert app.ask(scope="system/Patient.r").json()["scope"] == "system/Observation.crus system/Patient.rs"


@pytest.mark.parametrize(
    ("settings", "status", "error"),
    [({}, 400, "invalid_scope"), ({"scope_refused": [500, "access_denied"]}, 500, "access_denied")],
)
def test_a_scope_that_is_not_registered_is_refused_in_the_ehrs_way(
    app: App, sandbox: RunningSandbox, settings: dict[str, Any], status: int, error: str
) -> None:
    sandbox.settings(**settings)
    answer = app.ask(scope="system/Task.c")
    assert (answer.status_code, answer.json()["error"]) == (status, error)


def test_a_client_that_no_user_stands_behind_is_unauthorized(app: App, sandbox: RunningSandbox) -> None:
    public = {"keys": [RSA.as_dict(private=False)]}
    sandbox.register({"client_id": "app", "jwks": public, "mapped": False})
    answer = app.ask(scope=None)
    assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")


def test_a_new_client_is_not_known_for_a_while(app: App, sandbox: RunningSandbox) -> None:
    sandbox.settings(activation_s=3600)
    answer = app.ask()
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_a_jti_may_be_too_long(app: App, sandbox: RunningSandbox) -> None:
    sandbox.settings(longest_jti=151)
    assert app.ask(app.assertion(jti="x" * 152)).status_code == 401
    assert app.ask(app.assertion(jti="x" * 151)).status_code == 200


def test_one_algorithm_may_be_the_only_one(app: App, sandbox: RunningSandbox) -> None:
    sandbox.settings(assertion_algorithms=["RS384"])
    assert app.ask(app.assertion(key=EC, alg="ES384")).status_code == 401
    assert app.ask(app.assertion()).status_code == 200
    document = httpx.get(f"{sandbox.origin}/.well-known/smart-configuration").json()
    assert document["token_endpoint_auth_signing_alg_values_supported"] == ["RS384"]


def test_a_users_scope_opens_the_chart_where_the_ehr_says_so(
    app: App, sandbox: RunningSandbox, fhir: httpx.Client
) -> None:
    sandbox.register({"client_id": "user", "client_secret": SECRET, "scopes": "user/Patient.read"})
    sandbox.settings(open=False, token_auth=["client_secret_post"])
    token = by_secret(sandbox, data={"client_id": "user", "client_secret": SECRET}).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    assert fhir.get("Patient/p1", headers=headers).status_code == 403
    sandbox.settings(scope_contexts=["system", "user"])
    assert fhir.get("Patient/p1", headers=headers).status_code == 200


def test_a_bundle_needs_the_scopes_of_its_entries(app: App, sandbox: RunningSandbox, fhir: httpx.Client) -> None:
    sandbox.settings(open=False)
    headers = {"Authorization": f"Bearer {app.ask(scope='system/Patient.r').json()['access_token']}"}
    entries = [{"request": {"method": "GET", "url": "Patient/p1"}}]
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": entries}
    assert fhir.post("", json=bundle, headers=headers).status_code == 200
    entries.append({"request": {"method": "DELETE", "url": "Patient/p1"}})
    assert fhir.post("", json=bundle, headers=headers).status_code == 403
    assert fhir.post("", json=bundle).status_code == 401
