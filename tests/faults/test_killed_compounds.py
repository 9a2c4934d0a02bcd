"""A note with two readings whose worker is killed between its operations, on real processes: the rest follows, once, in order."""

import base64
from collections.abc import Iterator
from uuid import UUID

import pytest

from canonical.principal import Principal
from tests.factories import as_bytes, clinical_note_json, envelope_json, vital_reading_json
from tests.faults.checker import Receipt, Written, judge, read_record
from tests.faults.harness import APP, ISSUER, MARK, TENANT, Product

WRITER = Principal(
    tenant=TENANT,
    app=APP,
    issuer=ISSUER,
    scopes=frozenset({"writeback/ClinicalNote.*", "writeback/VitalReading.*"}),
)
#: What the note brings along, in the order of writing, as it must stand in the chart.
READINGS = {"body-weight": "72.50", "heart-rate": "72"}


@pytest.fixture
def product(installation: Product) -> Iterator[Product]:
    """No process yet; those that a test starts end with it."""
    yield installation
    installation.stop()


def submit(product: Product) -> UUID:
    """Accept a signed note with two readings as the door does, and remember its receipt."""
    patient = product.new_patient()
    text = f"Seen at home, visit {len(product.receipts) + 1}."
    action = clinical_note_json(content=text, observations=[vital_reading_json(vital) for vital in READINGS])
    who = {"reference": f"Patient/{patient}", "birthDate": "1961-04-02", "family": "Lopez"}
    body = as_bytes(envelope_json(action, patient=who, consent={"reference": f"consent-{patient}"}))
    receipt = product.door.receiver.receive(body, principal=WRITER, key=None, door="http")
    product.receipts.append(Receipt(command=receipt.id, patient=f"Patient/{patient}", value=text))
    return receipt.id


def operations(product: Product, command: UUID) -> list[str]:
    sql = "SELECT state FROM operations WHERE command_id = %(id)s ORDER BY seq"
    return [row["state"] for row in product.query(sql, id=command)]


def turn(product: Product, *, on: bool) -> None:
    product.query("UPDATE switches SET is_on = %(on)s WHERE kind = 'action'", on=on)


def notes(product: Product) -> list[Written]:
    """The notes of the chart, each under the command that it names."""
    return [
        Written(
            mark=mark,
            reference=f"DocumentReference/{note['id']}",
            patient=note["subject"]["reference"],
            value=base64.b64decode(note["content"][0]["attachment"]["data"]).decode(),
        )
        for note in product.sandbox.resources("DocumentReference")
        for mark in marks(note)
    ]


def marks(resource: dict[str, object]) -> list[str]:
    found = resource.get("identifier", [])
    assert isinstance(found, list)
    return [item["value"] for item in found if item["system"] == MARK]


def assert_written_once_and_in_order(product: Product, command: UUID) -> None:
    """Judge the record, then the chart: two readings and the note that names them, each created by one request."""
    product.wait_for(command, "verified")
    product.wait_settled()
    record, asked = read_record(product.direct_url), product.write_requests()
    assert judge(record, product.receipts, notes(product), requests=asked) == []
    readings = [item for item in product.sandbox.resources("Observation") if f"{command}" in marks(item)[0]]
    by_mark = {marks(item)[0]: item for item in readings}
    assert len(readings) == len(by_mark) == len(READINGS)
    parts = [by_mark[f"{command}.{number}"] for number in (1, 2)]
    assert [str(part["valueQuantity"]["value"]) for part in parts] == list(READINGS.values())
    (note,) = (item for item in product.sandbox.resources("DocumentReference") if f"{command}" in marks(item))
    assert note["context"]["related"] == [{"reference": f"Observation/{part['id']}"} for part in parts]
    assert created(product, command) == ["Observation", "Observation", "DocumentReference"]


def created(product: Product, command: UUID) -> list[str]:
    """The types that the write requests of a command asked for, as the EHR saw them."""
    sql = "SELECT request_id FROM attempts WHERE command_id = %(id)s AND kind = 'send'"
    own = {str(row["request_id"]) for row in product.query(sql, id=command)}
    asked = (item for item in product.sandbox.requests(method="POST") if item["headers"].get("x-request-id") in own)
    return [item["path"].rpartition("/")[2] for item in asked]


def test_a_worker_killed_once_the_second_reading_is_claimed_has_it_looked_up_and_then_sent(product: Product) -> None:
    product.start("worker-1", plan={"after_carry_on": "kill"})
    command = submit(product)
    product.wait(lambda: product.fired("worker-1", "after_carry_on"), what="the kill")
    product.start("poller")

    assert_written_once_and_in_order(product, command)
    assert product.status("worker-1").restarts >= 1
    history = product.attempts(command)
    assert [kind for kind, _ in history] == ["send", "send", "probe", "send", "send"]
    assert history[1:3] == [("send", "unknown"), ("probe", "probe_not_applied")]


def test_a_worker_killed_when_the_first_reading_is_settled_and_nothing_else_claimed_loses_nothing(
    product: Product,
) -> None:
    """The gate closes after the first answer, so that its settle claims nothing; the worker dies right behind that commit."""
    product.start("worker-1", plan={"after_answer": "stop", "after_settle": "kill"})
    command = submit(product)
    product.wait(lambda: product.is_paused("worker-1"), what="the pause")
    turn(product, on=False)
    product.go_on("worker-1")
    product.wait(lambda: product.fired("worker-1", "after_settle"), what="the kill")
    # One reading is in the chart and known to be; the other and the note are only planned, under nobody's claim.
    assert operations(product, command)[1:] == ["planned", "planned"]
    assert product.attempts(command) == [("send", "applied")]
    assert created(product, command) == ["Observation"]

    turn(product, on=True)
    product.start("poller")
    product.start("scheduler")

    assert_written_once_and_in_order(product, command)
    assert product.fired("worker-1", "after_answer")
    assert product.status("worker-1").restarts >= 1
    assert product.attempts(command) == [("send", "applied")] * 3
