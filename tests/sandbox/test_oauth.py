"""The token endpoint as SMART Backend Services asks for it, and what it refuses."""

import time
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

from tests.sandbox.resources import observation
from tests.sandbox_fixture import RunningSandbox

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
RSA = RSAKey.generate_key(2048, {"kid": "rsa"})
EC = ECKey.generate_key("P-384", {"kid": "ec"})
STRANGER = RSAKey.generate_key(2048, {"kid": "stranger"})
SCOPES = "system/Observation.cru system/Observation.s system/Patient.read"
API = "https://writeback.example"


class App:
    """A registered client that can sign assertions, rightly or wrongly."""

    def __init__(self, sandbox: RunningSandbox) -> None:
        self.endpoint = f"{sandbox.origin}/oauth/token"
        self.http = httpx.Client(timeout=10, verify=False)

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Claims that hold, but for the changes; `exp_in=-60` sets a time relative to now, None leaves one out."""
        now = int(time.time())
        claims = {
            "iss": "app",
            "sub": "app",
            "aud": self.endpoint,
            "exp": now + 200,
            "iat": now,
            "jti": str(uuid.uuid4()),
            **{name: value for name, value in changes.items() if not name.endswith("_in")},
            **{name[:-3]: now + value for name, value in changes.items() if name.endswith("_in")},
        }
        return {name: value for name, value in claims.items() if value is not None}

    def assertion(
        self, *, key: RSAKey | ECKey = RSA, alg: str = "RS384", kid: str | None = None, **changes: Any
    ) -> str:
        return jwt.encode({"alg": alg, "kid": kid or key.kid}, self.claims(**changes), key, algorithms=[alg])

    def ask(self, assertion: str | None = None, **form: str | None) -> httpx.Response:
        fields = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": assertion or self.assertion(),
            "scope": SCOPES,
            **form,
        }
        return self.http.post(self.endpoint, data={name: value for name, value in fields.items() if value is not None})

    def token(self, **form: str) -> str:
        answer = self.ask(**form)
        assert answer.status_code == 200, answer.text
        token: str = answer.json()["access_token"]
        return token


@pytest.fixture
def app(sandbox: RunningSandbox, fhir: httpx.Client) -> Iterator[App]:
    sandbox.settings(open=False)
    sandbox.register(
        {
            "client_id": "app",
            "jwks": {"keys": [RSA.as_dict(private=False), EC.as_dict(private=False)]},
            "scopes": SCOPES,
            "claims": {"tenant": "north"},
            "audiences": {API: {"scopes": "commands.write", "claims": {"fhirUser": "Practitioner/7"}}},
        }
    )
    registered = App(sandbox)
    yield registered
    registered.http.close()


def decoded(sandbox: RunningSandbox, token: str) -> jwt.Token:
    keys = KeySet.import_key_set(httpx.get(f"{sandbox.origin}/oauth/jwks").json())
    return jwt.decode(token, keys, algorithms=["RS256"])


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize(("key", "alg"), [(RSA, "RS384"), (EC, "ES384")], ids=["RS384", "ES384"])
def test_a_signed_assertion_gets_a_token_for_the_fhir_server(
    app: App, sandbox: RunningSandbox, key: RSAKey | ECKey, alg: str
) -> None:
    answer = app.ask(app.assertion(key=key, alg=alg))
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    body = answer.json()
    assert (body["token_type"], body["expires_in"], body["scope"]) == ("bearer", 300, SCOPES)
    claims = decoded(sandbox, body["access_token"]).claims
    assert claims["iss"] == sandbox.origin
    assert claims["aud"] == sandbox.url
    assert (claims["sub"], claims["client_id"], claims["tenant"]) == ("app", "app", "north")
    assert claims["exp"] - claims["iat"] == 300
    assert claims["jti"]


@pytest.mark.parametrize("parameter", ["resource", "audience"])
def test_a_registered_audience_gets_its_own_claims_and_scopes(
    app: App, sandbox: RunningSandbox, parameter: str
) -> None:
    token = app.token(**{parameter: API, "scope": "commands.write commands.admin"})
    claims = decoded(sandbox, token).claims
    assert claims["aud"] == API
    assert (claims["tenant"], claims["fhirUser"], claims["scope"]) == ("north", "Practitioner/7", "commands.write")


def test_a_token_for_another_server_does_not_open_this_one(app: App, fhir: httpx.Client) -> None:
    token = app.token(resource=API, scope="commands.write")
    assert fhir.get("Patient/p1", headers=bearer(token)).status_code == 401


def test_without_a_scope_the_registered_ones_are_given(app: App) -> None:
    assert app.ask(scope=None).json()["scope"] == SCOPES


def test_less_may_be_granted_than_asked(app: App) -> None:
    assert app.ask(scope="system/Observation.r system/Condition.r").json()["scope"] == "system/Observation.r"


def test_an_assertion_is_used_once(app: App, sandbox: RunningSandbox) -> None:
    assertion = app.assertion()
    assert app.ask(assertion).status_code == 200
    answer = app.ask(assertion)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert "before" in answer.json()["error_description"]


def refused(app: App, **changes: Any) -> httpx.Response:
    return app.ask(app.assertion(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"exp_in": -60},
        {"exp_in": 3600},
        {"exp": None},
        {"jti": None},
        {"aud": "https://elsewhere.example/token"},
        {"aud": None},
        {"sub": "somebody"},
        {"iss": "somebody"},
        {"nbf_in": 120},
        {"key": STRANGER},
        {"key": STRANGER, "kid": "rsa"},
        {"alg": "RS256"},
    ],
    ids=str,
)
def test_an_assertion_that_does_not_hold_gets_nothing(app: App, changes: dict[str, Any]) -> None:
    answer = refused(app, **changes)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert "access_token" not in answer.json()


@pytest.mark.parametrize("assertion", ["nonsense", "a.b.c", "e30.e30.e30"])
def test_what_is_no_assertion_gets_nothing(app: App, assertion: str) -> None:
    assert app.ask(assertion).status_code == 401


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"client_assertion_type": "other"}, "invalid_client"),
        ({"scope": "system/Condition.d"}, "invalid_scope"),
        ({"resource": "https://elsewhere.example"}, "invalid_target"),
    ],
)
def test_a_request_that_cannot_be_met_says_why(app: App, form: dict[str, str], error: str) -> None:
    assert app.ask(**form).json()["error"] == error


def test_the_token_request_is_a_form(app: App) -> None:
    answer = app.http.post(app.endpoint, json={"grant_type": "client_credentials"})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    twice = app.http.post(
        app.endpoint,
        content="scope=a&scope=b",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert twice.json()["error"] == "invalid_request"


def test_the_token_endpoint_can_have_trouble_of_its_own(app: App, sandbox: RunningSandbox) -> None:
    sandbox.faults({"fault": "throttle", "match": {"interaction": "token"}, "times": 1})
    assert app.ask().status_code == 429
    assert app.ask().status_code == 200
    assert sandbox.fired() == {"rule-1": 1}
    assert [entry["status"] for entry in sandbox.requests(interaction="token")] == [429, 200]


def test_a_token_opens_what_its_scopes_say(app: App, sandbox: RunningSandbox, fhir: httpx.Client) -> None:
    headers = bearer(app.token())
    made = fhir.post("Observation", json=observation(), headers=headers)
    assert made.status_code == 201
    path = f"Observation/{made.json()['id']}"
    assert fhir.put(path, json=made.json(), headers=headers).status_code == 200
    assert fhir.get("Patient?_id=p1", headers=headers).status_code == 200
    for refusal in (fhir.delete(path, headers=headers), fhir.get("Condition", headers=headers)):
        assert refusal.status_code == 403
        assert refusal.json()["issue"][0]["code"] == "forbidden"
        assert "insufficient_scope" in refusal.headers["WWW-Authenticate"]
    entry = sandbox.requests(method="POST", path="/fhir/Observation")[0]
    assert entry["client"] == "app"
    assert len(sandbox.resources("Observation")) == 1


def test_a_fault_can_be_for_one_client(app: App, sandbox: RunningSandbox, fhir: httpx.Client) -> None:
    sandbox.faults({"fault": "conflict", "match": {"client": "app"}})
    answer = fhir.post("Observation", json=observation(), headers=bearer(app.token()))
    assert answer.status_code == 412


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic YTpi"}, bearer("nonsense")], ids=str)
def test_without_a_token_that_holds_nothing_is_told(
    app: App, sandbox: RunningSandbox, fhir: httpx.Client, headers: dict[str, str]
) -> None:
    for answer in (
        fhir.get("Patient/p1", headers=headers),
        fhir.post("Observation", json=observation(), headers=headers),
    ):
        assert answer.status_code == 401
        assert answer.json()["issue"][0]["code"] == "login"
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert sandbox.resources("Observation") == []
    assert fhir.get("metadata").status_code == 200


def test_a_token_expires(app: App, sandbox: RunningSandbox, fhir: httpx.Client) -> None:
    sandbox.settings(token_ttl_s=1)
    answer = app.ask()
    assert answer.json()["expires_in"] == 1
    headers = bearer(answer.json()["access_token"])
    until = time.monotonic() + 10
    while fhir.get("Patient/p1", headers=headers).status_code != 401:
        assert time.monotonic() < until, "the token never expired"
        time.sleep(0.05)


def test_a_token_signed_by_another_is_refused(app: App, sandbox: RunningSandbox, fhir: httpx.Client) -> None:
    claims = decoded(sandbox, app.token()).claims
    forged = jwt.encode({"alg": "RS256"}, claims, STRANGER, algorithms=["RS256"])
    assert fhir.get("Patient/p1", headers=bearer(forged)).status_code == 401


def test_an_open_server_knows_the_client_of_a_token_all_the_same(
    app: App, sandbox: RunningSandbox, fhir: httpx.Client
) -> None:
    token = app.token()
    sandbox.settings(open=True)
    assert fhir.get("Patient/p1", headers=bearer(token)).status_code == 200
    assert fhir.get("Patient/p1", headers=bearer("nonsense")).status_code == 200
    assert [entry["client"] for entry in sandbox.requests(interaction="read")] == ["app", None]
