"""Three questions about one command: each answered by one look-up, from the live chart, and each though another fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from canonical.errors import EhrUnavailableError, NeedsPersonError, StoreUnavailableError
from canonical.explanation import Answer, ChartSays, Explanation, Standing
from canonical.remote_change import ChangeSource, RemoteChange
from config.wiring import Services
from reconcile.explaining.explainer import Asker, Explainer
from store import database, explanations
from store.intake import Accepted
from tests.tasks.ward import PATIENT, Ward, heart_rate


def owner(_standing: Standing) -> Asker:
    return Asker(shows=True)


@pytest.fixture
def explainer(services: Services, ward: Ward) -> Explainer:
    ward.chart.admit(PATIENT)
    return services.explainer


def explained(
    explainer: Explainer, command: UUID, asker: Callable[[Standing], Asker | None] = owner, tenant: str = "t1"
) -> Explanation:
    found = explainer.explain(tenant, command, asker)
    assert found is not None
    return found


def said(answer: Answer) -> dict[str, str]:
    return {line.label: line.text for line in answer.lines}


def texts(answer: Answer) -> str:
    return "\n".join(line.text for line in answer.lines)


def written(ward: Ward, action: dict[str, Any] | None = None, **envelope: Any) -> Accepted:
    accepted = ward.submit(action, **envelope)
    ward.run(accepted.lane_id)
    assert ward.state(accepted.command_id) == "verified"
    return accepted


def test_a_proven_write_is_told_in_three_answers(explainer: Explainer, ward: Ward) -> None:
    command = written(ward, app={"version": "4.2"}, reason="routine round").command_id
    found = explained(explainer, command)
    assert found.head.what == "It is in the chart. We read it back and it is the same."
    assert (found.head.safe, found.head.next) == ("Safe: it was proven by reading it back.", "Nothing to do.")
    intended = said(found.intended)
    assert intended["Value"].startswith("72.50")
    assert intended["Patient"] == "Patient/p1, Lopez, born 1961-04-02"
    assert intended["Author"] == "not named, nurse, asserted"
    assert (intended["App"], intended["Consent"]) == ("app, version 4.2", "c1, version 1")
    assert intended["Reason"] == "routine round"
    happened = texts(found.happened)
    assert "It was received and stored" in happened
    assert (
        "Request 1 of part 1, sent: guarded by If-None-Exist; applied (status 201); it became version 1 of Observation/"
        in happened
    )
    assert found.now.says is ChartSays.SAYS_IT
    assert said(found.now)["Observation"] == "The chart says what was written."
    assert said(found.now)["Read at"].endswith(f"UTC on {datetime.now(UTC):%-d %B %Y}")


def test_what_the_chart_says_instead_is_told_with_who_changed_it(explainer: Explainer, ward: Ward) -> None:
    command = written(ward).command_id
    (reference,) = ward.chart.marked(str(command))
    ward.chart.edit(reference, action={"type": "other"})
    ward.chart.change = RemoteChange(source=ChangeSource.HISTORY, by="Dr. Cole", system="the EHR")
    now = explained(explainer, command).now
    assert now.says is ChartSays.DIFFERS
    assert said(now)["Observation"] == "The chart says something else than was written: action."
    assert said(now)["Entry"] == f"{reference}, version 2"
    assert said(now)["Changed since"] == "Changed by Dr. Cole in the EHR; it is not known when."


def test_what_is_gone_is_said_to_be_gone(explainer: Explainer, ward: Ward) -> None:
    command = written(ward).command_id
    (reference,) = ward.chart.marked(str(command))
    del ward.chart.resources[reference]
    now = explained(explainer, command).now
    assert (now.says, said(now)["Entry"]) == (ChartSays.NOT_THERE, f"{reference} is not there.")


def test_what_was_not_sent_shows_the_entry_that_it_would_change(explainer: Explainer, ward: Ward) -> None:
    root = written(ward).command_id
    (reference,) = ward.chart.marked(str(root))
    target = {"command": str(root), "versionId": "1", "seen": {"status": "final"}}
    change = ward.submit(heart_rate(operation="correct"), target=target).command_id
    found = explained(explainer, change)
    assert found.now.says is ChartSays.NOT_SENT
    assert said(found.now)["Entry"] == f"{reference}, version 1"
    assert said(found.intended)["Changes"] == f"what command {root} wrote, version 1"
    assert said(found.intended)["The author saw, status"] == "final"


def test_of_a_lost_answer_it_says_when_the_chart_is_asked_and_asks_nothing(explainer: Explainer, ward: Ward) -> None:
    accepted = ward.submit()
    ward.chart.lose_answers = 1
    ward.run(accepted.lane_id)
    assert ward.state(accepted.command_id) == "unknown"
    before = ward.attempts(accepted.command_id)
    sent = len(ward.chart.sent)
    found = explained(explainer, accepted.command_id)
    assert found.now.says is ChartSays.NOT_KNOWN
    assert said(found.now)["Observation"].startswith("Not known yet. The chart will be asked for it at ")
    assert "Not safe to enter by hand" in found.head.safe
    assert (ward.attempts(accepted.command_id), len(ward.chart.sent)) == (before, sent)
    assert ward.state(accepted.command_id) == "unknown"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (EhrUnavailableError("outage"), "the EHR does not answer (outage)"),
        (EhrUnavailableError("throttled"), "takes no more requests for now (throttled)"),
        (EhrUnavailableError("auth"), "does not accept this service's credentials (auth)"),
        (NeedsPersonError("not_readable", "no"), "did not show this entry to this service (not_readable)"),
        (RuntimeError("72.50"), "something unforeseen stopped the answer (RuntimeError)"),
    ],
)
def test_a_chart_that_cannot_be_read_is_said_to_be_so_and_the_record_stands(
    explainer: Explainer, ward: Ward, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    command = written(ward).command_id

    def refuse(*_given: object) -> None:
        raise error

    monkeypatch.setattr(ward.chart, "fetch", refuse)
    found = explained(explainer, command)
    assert found.now.says is ChartSays.NOT_READ
    assert words in found.now.trouble
    assert "72.50" not in found.now.trouble
    assert said(found.intended)["Value"].startswith("72.50")
    assert found.happened.lines


@pytest.mark.parametrize("broken", ["intended", "happened", "now"])
def test_each_answer_stands_though_another_fails(explainer: Explainer, ward: Ward, broken: str) -> None:
    command = written(ward).command_id
    records = _Broken(explainer.records, {broken})
    found = explained(replace(explainer, records=records), command)
    answers = {"intended": found.intended, "happened": found.happened, "now": found.now}
    assert {name for name, answer in answers.items() if "database is away" in answer.trouble} == {broken}
    assert all(answer.lines for name, answer in answers.items() if name != broken)
    assert found.head.next == "Nothing to do."


def test_a_store_that_is_gone_is_no_answer(explainer: Explainer, ward: Ward) -> None:
    command = written(ward).command_id
    records = _Broken(explainer.records, {"intended", "happened", "now"})
    with pytest.raises(StoreUnavailableError):
        replace(explainer, records=records).explain("t1", command, owner)


def test_each_question_costs_one_statement(explainer: Explainer, ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    command = written(ward).command_id
    asked: list[str] = []
    real = database.rows

    def counted(connection: Any, sql: str, parameters: Any) -> Any:
        asked.append(sql)
        return real(connection, sql, parameters)

    monkeypatch.setattr(explanations, "rows", counted)
    for question in (explainer.records.intended, explainer.records.happened, explainer.records.now):
        asked.clear()
        assert question("t1", command) is not None
        assert len(asked) == 1
    asked.clear()
    explained(explainer, command)
    assert len(asked) == 3


def test_who_may_not_see_content_sees_none_of_it(explainer: Explainer, ward: Ward) -> None:
    command = written(ward).command_id
    (reference,) = ward.chart.marked(str(command))
    found = explained(explainer, command, lambda _standing: Asker(shows=False))
    told = repr(found)
    for secret in ("72.50", "Lopez", "1961", "Patient/p1", reference):
        assert secret not in told
    assert found.now.says is ChartSays.SAYS_IT


def test_of_restricted_content_the_chart_is_shown_to_who_opened_it_alone(explainer: Explainer, ward: Ward) -> None:
    label = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "SUD"}
    command = written(ward, securityLabel=[label]).command_id
    (reference,) = ward.chart.marked(str(command))
    now = explained(explainer, command).now
    assert "restricted" in said(now)["What the chart says"]
    assert reference not in repr(now)
    assert "Now, action" not in said(now)
    opened = explained(explainer, command, lambda _standing: Asker(shows=True, opened=True)).now
    assert said(opened)["Entry"] == f"{reference}, version 1"


def test_another_tenants_command_and_one_nobody_may_ask_of_are_not_there(explainer: Explainer, ward: Ward) -> None:
    command = written(ward).command_id
    assert explainer.explain("t2", command, owner) is None
    assert explainer.explain("t1", uuid4(), owner) is None
    assert explainer.explain("t1", command, lambda _standing: None) is None


def test_the_clock_is_that_of_the_place(explainer: Explainer, ward: Ward) -> None:
    from zoneinfo import ZoneInfo

    command = written(ward).command_id
    at = datetime(2026, 3, 10, 14, 33, tzinfo=UTC)
    there = replace(explainer, zone=lambda _tenant, _name: ZoneInfo("America/New_York"), clock=lambda: at)
    found = explained(there, command)
    assert said(found.now)["Read at"] == "10:33 EDT on 10 March 2026"
    assert found.now.read_at == at


class _Broken:
    """Records of which some cannot be read."""

    def __init__(self, records: Any, broken: set[str]) -> None:
        self._records, self._broken = records, broken

    def __getattr__(self, name: str) -> Any:
        def away(*_given: object) -> None:
            raise StoreUnavailableError

        return away if name in self._broken else getattr(self._records, name)
