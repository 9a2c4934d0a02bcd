import re
from uuid import UUID

import pytest

from tests.factories import envelope_json
from tests.reception import Reception

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_what_the_sender_gave_is_kept_and_given_back(reception: Reception) -> None:
    answer = reception.post(**{"X-Correlation-Id": "round-7", "traceparent": TRACE})
    assert (answer.headers["x-correlation-id"], answer.headers["traceparent"]) == ("round-7", TRACE)
    assert answer.json()["correlationId"] == "round-7"
    assert reception.rows("SELECT correlation_id, traceparent FROM commands") == [
        {"correlation_id": "round-7", "traceparent": TRACE}
    ]


def test_the_envelopes_own_correlation_id_comes_first(reception: Reception) -> None:
    answer = reception.post(envelope_json(correlationId="in-the-body"), **{"X-Correlation-Id": "round-7"})
    assert answer.json()["correlationId"] == "in-the-body"


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"X-Correlation-Id": "with spaces", "traceparent": "junk"},
        {"X-Correlation-Id": "x" * 129, "traceparent": f"00-{'0' * 32}-00f067aa0ba902b7-01"},
        {"traceparent": f"00-{'a' * 32}-{'0' * 16}-01"},
    ],
)
def test_what_is_missing_or_not_well_formed_is_made_here(reception: Reception, given: dict[str, str]) -> None:
    answer = reception.post(**given)
    correlation_id, traceparent = answer.headers["x-correlation-id"], answer.headers["traceparent"]
    assert str(UUID(correlation_id)) == correlation_id
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-00", traceparent)
    assert reception.rows("SELECT correlation_id, traceparent FROM commands") == [
        {"correlation_id": correlation_id, "traceparent": traceparent}
    ]


def test_a_problem_names_the_correlation_id_too(reception: Reception) -> None:
    answer = reception.post(b"{", **{"X-Correlation-Id": "round-7"})
    assert (answer.json()["correlationId"], answer.headers["x-correlation-id"]) == ("round-7", "round-7")


def test_a_defect_is_answered_and_logged_without_its_text(
    reception: Reception, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*_args: object, **_kwargs: object) -> None:
        raise RuntimeError("Lopez has 72.50")

    monkeypatch.setattr(reception.services.doors.commands, "detail", fail)
    command = reception.post().json()["id"]
    answer = reception.client.get(f"/v1/commands/{command}", headers={"X-Correlation-Id": "round-7"})
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert (answer.json()["correlationId"], answer.headers["x-correlation-id"]) == ("round-7", "round-7")
    assert "Lopez" not in answer.text
    logged = capfd.readouterr()
    assert "api.defect" in logged.out + logged.err
    assert "RuntimeError" in logged.out + logged.err
    assert "Lopez" not in logged.out + logged.err
