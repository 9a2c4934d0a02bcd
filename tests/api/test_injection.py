"""Whatever text a sender chooses is a value in the store, never a part of a statement."""

import pytest

from tests.factories import envelope_json, patient_json
from tests.reception import Reception

TEXTS = [
    "x'; DROP TABLE commands; --",
    "' OR '1'='1",
    "%(tenant)s {tenant} $1 %s %%",
    'a"; DELETE FROM events; --',
    "\\'; SELECT pg_sleep(10); --",
    "{}'::jsonb || '",
]


@pytest.mark.parametrize("text", TEXTS)
def test_text_that_looks_like_a_statement_is_kept_and_found_as_text(reception: Reception, text: str) -> None:
    number = {"system": "urn:mrn", "value": text}
    odd = reception.post(envelope_json(patient=patient_json(identifier=number), reason=text))
    plain = reception.post(envelope_json(patient=patient_json(identifier={"system": "urn:mrn", "value": "4711"})))
    assert (odd.status_code, plain.status_code) == (202, 202)

    found = reception.post({"patient": {"identifier": number}}, path="/v1/commands/_search").json()["commands"]
    assert [command["id"] for command in found] == [odd.json()["id"]]
    assert len(reception.rows("SELECT id FROM commands")) == 2
    assert len(reception.rows("SELECT id FROM events")) == 4


@pytest.mark.parametrize("text", TEXTS)
def test_text_in_an_address_or_a_query_finds_nothing_of_others(reception: Reception, text: str) -> None:
    reception.post()
    administrator = reception.as_(scope="writeback/admin")
    asked = [
        *(
            reception.client.get(f"/v1/{what}/{text}", headers=administrator)
            for what in ("commands", "consents", "endpoints")
        ),
        reception.post({"correlationId": text}, path="/v1/commands/_search"),
        reception.post({"cursor": text}, path="/v1/commands/_search"),
        reception.post({"connection": text}, path="/v1/commands/_search"),
    ]
    assert {answer.status_code for answer in asked} <= {404, 422}
    assert len(reception.rows("SELECT id FROM commands")) == 1
