import httpx
import pytest
from fhir.resources.R4B.capabilitystatement import CapabilityStatement

from sandbox.resource_types import RESOURCE_TYPES
from tests.sandbox_fixture import RunningSandbox

OAUTH_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"


def resource(fhir: httpx.Client, name: str) -> dict[str, object]:
    rest = fhir.get("metadata").json()["rest"][0]
    found: dict[str, object] = next(it for it in rest["resource"] if it["type"] == name)
    return found


def test_the_statement_is_valid_r4_and_names_every_type(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    statement = fhir.get("metadata").json()
    CapabilityStatement.model_validate(statement)
    assert statement["fhirVersion"] == "4.0.1"
    assert statement["implementation"]["url"] == sandbox.url
    assert [it["type"] for it in statement["rest"][0]["resource"]] == list(RESOURCE_TYPES)


def test_the_statement_follows_the_behaviour(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    before = resource(fhir, "Observation")
    assert (before["versioning"], before["conditionalCreate"], before["updateCreate"]) == ("versioned", True, False)
    sandbox.settings(missing_if_match="reject", if_none_exist="ignore", update_create=True)
    after = resource(fhir, "Observation")
    assert (after["versioning"], after["conditionalCreate"], after["updateCreate"]) == (
        "versioned-update",
        False,
        True,
    )


@pytest.mark.parametrize("name", list(RESOURCE_TYPES))
def test_every_search_parameter_it_names_can_be_used(fhir: httpx.Client, name: str) -> None:
    samples = {"token": "x", "reference": "Patient/p1", "date": "2026", "string": "x"}
    for parameter in resource(fhir, name)["searchParam"]:  # type: ignore[attr-defined]
        answer = fhir.get(name, params={parameter["name"]: samples[parameter["type"]]})
        assert answer.status_code == 200, parameter


def test_a_guarded_server_says_where_tokens_are(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    assert "security" not in fhir.get("metadata").json()["rest"][0]
    sandbox.settings(open=False)
    extension = fhir.get("metadata").json()["rest"][0]["security"]["extension"][0]
    token = {"url": "token", "valueUri": f"{sandbox.origin}/oauth/token"}
    assert extension == {"url": OAUTH_URIS, "extension": [token]}


@pytest.mark.parametrize("path", ["/.well-known/smart-configuration", "/fhir/.well-known/smart-configuration"])
def test_smart_discovery_names_what_is_there(sandbox: RunningSandbox, path: str) -> None:
    document = httpx.get(f"{sandbox.origin}{path}").json()
    assert document["token_endpoint"] == f"{sandbox.origin}/oauth/token"
    assert document["token_endpoint_auth_signing_alg_values_supported"] == ["RS384", "ES384"]
    assert "client-confidential-asymmetric" in document["capabilities"]


def test_issuer_discovery_leads_to_the_keys(sandbox: RunningSandbox) -> None:
    document = httpx.get(f"{sandbox.origin}/.well-known/openid-configuration").json()
    assert document["issuer"] == sandbox.origin
    assert httpx.get(document["jwks_uri"]).json()["keys"][0]["kty"] == "RSA"
