from typing import Any

import pytest

from tests.factories import as_bytes
from tests.reception import Reception

ADMIN = "writeback/admin"


def turn(reception: Reception, scope: str = ADMIN, tenant: str = "north", **over: Any) -> Any:
    body = {"kind": "connection", "key": "north-r4", "on": False, "reason": "upgrade of the EHR"} | over
    headers = reception.as_(scope=scope, tenant=tenant) | {"Content-Type": "application/json"}
    return reception.client.put("/v1/switches", content=as_bytes(body), headers=headers)


def test_an_admin_turns_a_switch_and_sees_who_did_and_why(reception: Reception) -> None:
    reception.post()
    answer = turn(reception)
    assert answer.status_code == 200
    switches = {item["kind"]: item for item in answer.json()["switches"]}
    assert set(switches) == {"service", "tenant", "connection", "app", "action"}
    turned = switches["connection"]
    assert (turned["isOn"], turned["reason"], turned["changedBy"]) == (False, "upgrade of the EHR", "app:visits")
    assert switches["tenant"]["isOn"] is True
    read = reception.client.get("/v1/switches", headers=reception.as_(scope=ADMIN))
    assert read.json() == answer.json()


def test_only_an_admin_may(reception: Reception) -> None:
    for scope in ("writeback/*.*", "writeback/consents", "writeback/operator"):
        assert turn(reception, scope).status_code == 403
    assert reception.client.get("/v1/switches").status_code == 403
    assert reception.rows("SELECT id FROM switches") == []


def test_the_switch_of_the_whole_service_is_the_operators(reception: Reception) -> None:
    assert turn(reception, ADMIN, kind="service", key="*").status_code == 403
    assert turn(reception, "writeback/operator", kind="service", key="*").status_code == 200
    assert reception.rows("SELECT tenant, is_on FROM switches") == [{"tenant": "*", "is_on": False}]


def test_a_tenant_turns_its_own_only(reception: Reception) -> None:
    assert turn(reception, tenant="south").status_code == 200
    assert reception.rows("SELECT tenant, key FROM switches") == [{"tenant": "south", "key": "north-r4"}]


@pytest.mark.parametrize(
    ("over", "pointer"),
    [
        ({"kind": "patient"}, "/kind"),
        ({"key": "two words"}, "/key"),
        ({"kind": "tenant", "key": "south"}, "/key"),
        ({"key": "north-r5"}, "/key"),
        ({"kind": "action", "key": "VitalReadings"}, "/key"),
        ({"on": "no"}, "/on"),
        ({"on": 0}, "/on"),
        ({"reason": ""}, "/reason"),
        ({"until": "tomorrow"}, "/until"),
    ],
)
def test_a_switch_that_is_not_there_is_refused(reception: Reception, over: dict[str, Any], pointer: str) -> None:
    answer = turn(reception, **over)
    assert (answer.status_code, [error["pointer"] for error in answer.json()["errors"]]) == (422, [pointer])
    assert reception.rows("SELECT id FROM switches") == []


def test_a_connection_that_is_not_there_is_refused_with_those_that_are(reception: Reception) -> None:
    document = turn(reception, key="north-r5").json()
    assert document["detail"] == (
        "There is no such connection to switch; known: labels-r4, north-r4. Nothing was turned."
    )


def test_an_app_that_has_sent_nothing_is_switched_with_a_note(reception: Reception) -> None:
    answer = turn(reception, kind="app", key="visitz")
    assert answer.status_code == 200
    assert "No command has come" in answer.json()["note"]
