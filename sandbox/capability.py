"""What the server says of itself, true to what it does; not a list of what it might do one day."""

from typing import Any

from sandbox.call import Interaction
from sandbox.keys import ALGORITHM
from sandbox.personality import Conduct
from sandbox.resource_types import COMMON_SEARCH, RESOURCE_TYPES, ResourceType
from sandbox.settings import Behaviour

OAUTH_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
#: In the order of the statement.
_CODES = (
    *(Interaction.READ, Interaction.VREAD, Interaction.CREATE, Interaction.UPDATE, Interaction.PATCH),
    *(Interaction.DELETE, Interaction.SEARCH, Interaction.HISTORY),
)
#: How web clients, to which people log in, prove who they are.
_WEB_AUTH = ("client_secret_basic", "client_secret_post", "none")
#: The day the statement last changed in substance.
_DATE = "2026-11-26"


def capability_statement(conduct: Conduct, *, base: str, token_endpoint: str) -> dict[str, Any]:
    """An R4 CapabilityStatement of the behaviour in force.

    Args:
        conduct: in force now.
        base: FHIR base URL.
        token_endpoint: URL of the OAuth token endpoint; named unless the server is open.
    """
    rest: dict[str, Any] = {
        "mode": "server",
        "resource": [_resource(name, rules, conduct) for name, rules in RESOURCE_TYPES.items()],
        "interaction": [{"code": code} for code in conduct.personality.advertised],
    }
    if not rest["interaction"]:
        del rest["interaction"]
    if not conduct.behaviour.open:
        rest["security"] = _security(token_endpoint)
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": _DATE,
        "kind": "instance",
        "software": {"name": "Writeback sandbox"},
        "implementation": {
            "description": "A FHIR R4 EHR for tests, with synthetic patients only.",
            "url": base,
        },
        "fhirVersion": "4.0.1",
        "format": ["json"],
        "patchFormat": ["application/json-patch+json"],
        "rest": [rest],
    }


def _security(token_endpoint: str) -> dict[str, Any]:
    service = {
        "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
        "code": "SMART-on-FHIR",
    }
    return {
        "extension": [{"url": OAUTH_URIS, "extension": [{"url": "token", "valueUri": token_endpoint}]}],
        "service": [{"coding": [service], "text": "SMART Backend Services"}],
    }


def _resource(name: str, rules: ResourceType, conduct: Conduct) -> dict[str, Any]:
    behaviour = conduct.behaviour
    codes = [it for it in _CODES if conduct.personality.offers(it, name)]
    search = {**COMMON_SEARCH, **{parameter: it.kind for parameter, it in rules.search.items()}}
    return {
        "type": name,
        "interaction": [{"code": code.value} for code in codes],
        "versioning": _versioning(name, behaviour),
        "readHistory": Interaction.HISTORY in codes,
        "updateCreate": behaviour.update_create or name in behaviour.update_create_types,
        "conditionalCreate": behaviour.if_none_exist == "honour",
        "conditionalRead": "not-match" if behaviour.etags else "not-supported",
        "conditionalUpdate": False,
        "conditionalDelete": "not-supported",
        "searchParam": [{"name": parameter, "type": kind} for parameter, kind in search.items()],
    }


def _versioning(name: str, behaviour: Behaviour) -> str:
    if behaviour.precondition != "if-match" or not behaviour.etags:
        return "no-version"
    types = behaviour.missing_if_match_types
    demanded = behaviour.missing_if_match == "reject" and (not types or name in types)
    return "versioned-update" if demanded else "versioned"


def smart_configuration(behaviour: Behaviour, *, public_url: str, scopes: list[str]) -> dict[str, Any]:
    """The SMART App Launch 2 discovery document of a backend-services server."""
    return {
        **_issuer(behaviour, public_url, scopes),
        "capabilities": ["client-confidential-asymmetric", "permission-v1", "permission-v2"],
    }


def openid_configuration(behaviour: Behaviour, *, public_url: str, scopes: list[str]) -> dict[str, Any]:
    """The issuer's metadata, where OpenID Connect discovery and RFC 8414 look for it."""
    return {
        **_issuer(behaviour, public_url, ["openid", "profile", "fhirUser", *scopes]),
        "token_endpoint_auth_methods_supported": [
            *_WEB_AUTH,
            *(it for it in behaviour.token_auth if it not in _WEB_AUTH),
        ],
        "grant_types_supported": ["authorization_code", "client_credentials"],
        "authorization_endpoint": f"{public_url}/oauth/authorize",
        "userinfo_endpoint": f"{public_url}/oauth/userinfo",
        "end_session_endpoint": f"{public_url}/oauth/logout",
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "claims_supported": ["sub", "name", "fhirUser", "roles", "tenant"],
    }


def _issuer(behaviour: Behaviour, public_url: str, scopes: list[str]) -> dict[str, Any]:
    return {
        "issuer": public_url,
        "jwks_uri": f"{public_url}/oauth/jwks",
        "token_endpoint": f"{public_url}/oauth/token",
        "token_endpoint_auth_methods_supported": list(behaviour.token_auth),
        "token_endpoint_auth_signing_alg_values_supported": list(behaviour.assertion_algorithms),
        "grant_types_supported": ["client_credentials"],
        "scopes_supported": scopes,
    }
