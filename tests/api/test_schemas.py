import pytest

from api.schemas import command_schema
from canonical.action import action_specs
from tests.reception import Reception


def test_every_action_is_listed_with_its_operations(reception: Reception) -> None:
    listed = reception.client.get("/v1/schemas").json()["schemas"]
    assert {item["action"]: set(item["operations"]) for item in listed} == {
        name: set(spec.operations) for name, spec in action_specs().items()
    }
    for item in listed:
        assert reception.client.get(item["url"]).status_code == 200


@pytest.mark.parametrize("action", sorted(action_specs()))
def test_a_schema_holds_the_whole_command_and_knows_no_other_member(reception: Reception, action: str) -> None:
    answer = reception.client.get(f"/v1/schemas/{action}", headers={"Authorization": ""})
    schema = answer.json()
    assert answer.headers["content-type"] == "application/schema+json"
    assert schema == command_schema(action_specs()[action])
    assert schema["additionalProperties"] is False
    assert {"connection", "action", "patient", "author", "consent"} <= set(schema["required"])
    inner = schema["$defs"][action]
    assert (inner["properties"]["type"]["const"], inner["additionalProperties"]) == (action, False)


def test_an_unknown_action_names_those_there_are(reception: Reception) -> None:
    answer = reception.client.get("/v1/schemas/Surgery")
    assert answer.status_code == 404
    assert "VitalReading" in answer.json()["detail"]
