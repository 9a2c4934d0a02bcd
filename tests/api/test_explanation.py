"""The door of the three questions: content for the app that sent it, none for other readers, nothing for strangers."""

from uuid import uuid4

from tests.factories import envelope_json
from tests.reception import Reception


def test_the_app_that_sent_it_is_told_everything(reception: Reception) -> None:
    command = reception.post(envelope_json()).json()["id"]
    answer = reception.client.get(f"/v1/commands/{command}/explanation")
    document = answer.json()
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert document["what"] == "It is waiting to be sent. It is not in the chart yet."
    intended = {line["label"]: line["text"] for line in document["intended"]["lines"]}
    assert intended["Value"].startswith("72.50")
    assert intended["Policy"] == reception.services.policies.version
    assert document["now"]["says"] == "notSent"
    assert document["now"]["readAt"].endswith("Z")
    assert document["happened"]["lines"][0]["text"].startswith("It was received and stored")


def test_another_reader_sees_no_content_and_a_stranger_nothing(reception: Reception) -> None:
    command = reception.post(envelope_json()).json()["id"]
    address = f"/v1/commands/{command}/explanation"
    reader = reception.client.get(address, headers=reception.as_(client_id="other", scope="writeback/read"))
    assert reader.status_code == 200
    for secret in ("Lopez", "1961-04-02", "72.50", "Patient/p1"):
        assert secret not in reader.text
    for stranger in (reception.as_(client_id="other"), reception.as_(tenant="south", scope="writeback/admin")):
        assert reception.client.get(address, headers=stranger).status_code == 404
    assert reception.client.get(f"/v1/commands/{uuid4()}/explanation").status_code == 404
    assert reception.client.get("/v1/commands/none/explanation").status_code == 404
