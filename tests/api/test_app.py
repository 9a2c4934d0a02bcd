import httpx
import pytest

from api.app import make_app
from api.problems import MEDIA_TYPE, PROBLEMS
from canonical.errors import ConfigurationError
from tests.reception import Reception


def test_without_an_issuer_nothing_is_served(reception: Reception) -> None:
    settings = reception.services.settings.model_copy(update={"issuer": "", "jwks_url": ""})
    services = type("Bare", (), {"settings": settings, "clock": reception.clock})()
    with pytest.raises(ConfigurationError, match="WRITEBACK_ISSUER"):
        make_app(services)


def test_openapi_describes_the_models_that_check_the_bodies(reception: Reception) -> None:
    document = httpx.get(f"{reception.client.base_url}/openapi.json", timeout=60).json()
    schemas = document["components"]["schemas"]
    assert {"VitalReadingCommand", "MedicationChangeCommand", "ReceiptDocument", "ProblemDocument"} <= schemas.keys()
    body = document["paths"]["/v1/commands"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/Command"}
    assert schemas["Command"]["oneOf"][0]["$ref"].removeprefix("#/components/schemas/") in schemas
    for path, methods in document["paths"].items():
        for operation in methods.values():
            assert MEDIA_TYPE in operation["responses"]["default"]["content"], path
            assert "422" not in operation["responses"], path


def test_every_reference_of_the_description_resolves(reception: Reception) -> None:
    document = httpx.get(f"{reception.client.base_url}/openapi.json", timeout=60).json()
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}

    def references(value: object) -> set[str]:
        if isinstance(value, dict):
            own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
            return own.union(*(references(item) for item in value.values()))
        return set().union(*(references(item) for item in value)) if isinstance(value, list) else set()

    assert references(document) <= known


def test_no_page_that_loads_scripts_from_elsewhere_is_served(reception: Reception) -> None:
    for path in ("/docs", "/redoc"):
        assert reception.client.get(path).status_code == 404


def test_every_problem_type_is_published(reception: Reception) -> None:
    listed = httpx.get(f"{reception.client.base_url}/v1/problems", timeout=60).json()["problems"]
    assert {item["code"] for item in listed} == set(PROBLEMS)
    assert all(item["type"].endswith(item["code"]) for item in listed)
