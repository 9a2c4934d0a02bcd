"""The only way to write to a chart is a command: there is no door for resources."""

from tests.reception import Reception

#: Everything that changes something here, and what it changes. A new line is a decision about a new door.
CHANGES = {
    ("POST", "/v1/commands"): "gives a command",
    ("POST", "/v1/commands:batch"): "gives commands",
    ("POST", "/v1/commands/{command_id}:cancel"): "takes back a command that was not sent",
    ("POST", "/v1/commands/{command_id}:answer"): "our record of what an author says; it may end their command unsent",
    ("POST", "/v1/commands/_search"): "nothing: its query names patients, so it is no address",
    ("POST", "/v1/commands:preview"): "nothing: it looks ahead, and reads the chart",
    ("POST", "/v1/cases/{case_id}:claim"): "who has a case",
    ("POST", "/v1/cases/{case_id}:release"): "who has a case",
    ("POST", "/v1/cases/{case_id}:open"): "our record of why somebody looked",
    ("POST", "/v1/cases/{case_id}:decide"): "lets a command go on that was given before, as a person decided it",
    ("POST", "/v1/cases:bulk"): "as above, for cases of one cause",
    ("POST", "/v1/cases/_search"): "nothing: its query names patients, so it is no address",
    ("PUT", "/v1/consents/{reference}"): "our record of a consent",
    ("POST", "/v1/consents/{reference}:revoke"): "our record of a consent",
    ("POST", "/v1/endpoints"): "where an app is told",
    ("DELETE", "/v1/endpoints/{endpoint_id}"): "where an app is told",
    ("POST", "/v1/endpoints/{endpoint_id}:rotate"): "the secret under which an app is told",
    ("POST", "/v1/notifications/{connection}"): "which entries of a chart are read soon",
    ("PUT", "/v1/switches"): "whether anything is sent",
}


def test_nothing_but_a_command_leads_to_a_write(reception: Reception) -> None:
    paths = reception.client.get("/openapi.json").json()["paths"]
    doors = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    assert {door for door in doors if door[0] != "GET"} == set(CHANGES)


def test_a_resource_finds_no_door(reception: Reception) -> None:
    observation = {"resourceType": "Observation", "status": "final", "code": {"text": "Body weight"}}
    for path in ("/Observation", "/fhir/Observation", "/v1/Observation"):
        assert reception.post(observation, path=path).status_code == 404
    refused = reception.post(observation)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid-field")
    assert reception.stored() == 0
