"""The command line against the running product: submit and show as an app, the others as the operator."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from canonical import exact_json
from cli.main import make_app
from processes.condition import wait_until
from tests.e2e.conftest import Hospital

SOON = timedelta(seconds=20)


def run(hospital: Hospital, name: str, *words: str) -> Any:
    return CliRunner().invoke(make_app([name]), [name, *words], env=hospital.environment)


def as_app(hospital: Hospital) -> tuple[str, str]:
    return ("--profile", str(hospital.site.folder / "ward.json"))


def test_a_file_is_submitted_line_by_line_and_again_without_effect(hospital: Hospital, tmp_path: Path) -> None:
    good = [hospital.reading(f"file-{number}") for number in range(3)]
    bad = hospital.reading("file-bad", consent={"reference": "consent-nobody-gave"})
    file = tmp_path / "commands.jsonl"
    file.write_text("\n".join(exact_json.dumps(it) for it in (*good, bad)), encoding="utf-8")

    first = run(hospital, "submit", str(file), *as_app(hospital))
    lines = [json.loads(line) for line in first.stdout.splitlines()]
    assert [line["outcome"] for line in lines] == ["accepted", "accepted", "accepted", "refused"]
    assert lines[3]["code"] == "consent-absent"
    assert first.exit_code == 1
    assert "3 accepted" in first.stderr

    second = run(hospital, "submit", str(file), *as_app(hospital))
    again = [json.loads(line) for line in second.stdout.splitlines()]
    assert [line["outcome"] for line in again] == ["known", "known", "known", "refused"]
    assert [line.get("id") for line in again] == [line.get("id") for line in lines]


def test_a_command_is_shown_with_its_sentence_and_timeline(hospital: Hospital) -> None:
    answer = hospital.send(hospital.reading("shown"), key="shown-key", wait=20)
    said = run(hospital, "show", answer.json()["id"], *as_app(hospital))
    assert said.exit_code == 0
    assert "It is in the chart. We read it back and it is the same." in said.stdout
    assert "Observation/" in said.stdout
    document = run(hospital, "show", answer.json()["id"], "--json", *as_app(hospital))
    assert json.loads(document.stdout)["status"] == "inChart"


def test_what_is_in_the_chart_need_not_be_confirmed_and_nobody_s_author_is_left_unaware(hospital: Hospital) -> None:
    answer = hospital.send(hospital.reading("confirmed"), key="confirmed-key", wait=20)
    said = run(hospital, "acknowledge", answer.json()["id"], *as_app(hospital))
    assert said.exit_code == 0, said.stderr
    assert "inChart: It is in the chart." in said.stdout
    assert "Nothing of this command needs to be acknowledged" in said.stdout
    unknown = run(hospital, "acknowledge", "00000000-0000-7000-8000-000000000000", *as_app(hospital))
    assert (unknown.exit_code, unknown.stdout) == (1, "")
    named = json.loads(run(hospital, "balance", "--unacknowledged", "--json").stdout)
    assert len(named["unacknowledgedCommands"]) == named["unacknowledged"]["count"]


def test_a_command_that_is_not_there_is_a_sentence(hospital: Hospital) -> None:
    said = run(hospital, "show", "00000000-0000-7000-8000-000000000000", *as_app(hospital))
    assert said.exit_code == 1
    assert said.stdout == ""
    assert said.stderr.strip()


def test_the_balance_closes(hospital: Hospital) -> None:
    said = run(hospital, "balance", "--json")
    document = json.loads(said.stdout)
    assert said.exit_code == 0
    assert document["closes"] is True
    assert document["received"] > 0
    assert "It closes" in run(hospital, "balance").stdout


def test_the_doctor_finds_all_well(hospital: Hospital) -> None:
    said = run(hospital, "doctor")
    assert said.exit_code == 0, said.stdout
    assert "All is well." in said.stdout


def test_the_doctor_says_what_is_wrong_and_what_to_do(hospital: Hospital) -> None:
    broken = {
        **hospital.environment,
        "WRITEBACK_REDIS_URL": "redis://127.0.0.1:1/0",
        "WRITEBACK_CONNECTIONS_FILE": "none",
    }
    said = CliRunner().invoke(make_app(["doctor"]), ["doctor"], env=broken)
    assert said.exit_code == 1
    assert "Redis" in said.stdout
    assert "WRITEBACK_CONNECTIONS_FILE" in said.stdout
    assert "2 of these" in said.stdout


def test_a_switch_holds_writes_back_until_it_is_on_again(hospital: Hospital) -> None:
    off = run(hospital, "switch", "off", "app", "ward", "--tenant", "north", "--reason", "a test")
    assert off.exit_code == 0, off.stderr
    answer = hospital.send(hospital.reading("switched"), key="switched-key")
    assert wait_until(lambda: hospital.command(answer)["state"] == "parked", within=SOON)
    assert hospital.write_requests("switched") == []
    on = run(hospital, "switch", "on", "app", "ward", "--tenant", "north", "--reason", "the test is over")
    assert on.exit_code == 0, on.stderr
    assert wait_until(lambda: hospital.command(answer)["status"] == "inChart", within=SOON)
    assert len(hospital.write_requests("switched")) == 1


def test_a_switch_with_a_misspelled_connection_is_refused(hospital: Hospital) -> None:
    said = run(hospital, "switch", "off", "connection", "nroth", "--tenant", "north", "--reason", "a test")
    assert said.exit_code == 1
    assert "Nothing was turned" in said.stderr + said.stdout


@pytest.mark.parametrize("words", [("off", "service", "*", "--tenant", "north"), ("off", "app", "ward")])
def test_a_switch_of_somebody_else_is_a_usage_error(hospital: Hospital, words: tuple[str, ...]) -> None:
    assert run(hospital, "switch", *words, "--reason", "a test").exit_code == 2


def test_a_file_is_looked_ahead_for_in_words_and_nothing_is_sent(hospital: Hospital, tmp_path: Path) -> None:
    good = hospital.reading("ahead")
    bad = hospital.reading("ahead-bad", consent={"reference": "consent-nobody-gave"})
    file = tmp_path / "commands.jsonl"
    file.write_text("\n".join(exact_json.dumps(it) for it in (good, bad)), encoding="utf-8")
    said = run(hospital, "preview", str(file), *as_app(hospital))
    assert said.exit_code == 1
    assert "Line 1: it would be taken and sent" in said.stdout
    assert "Line 2: it would be refused, and nothing would be stored" in said.stdout
    assert "only if our identifier is not in the chart yet" in said.stdout
    documents = run(hospital, "preview", str(file), "--json", *as_app(hospital))
    assert [json.loads(line)["accepted"] for line in documents.stdout.splitlines()] == [True, False]
    first = run(hospital, "submit", str(file), *as_app(hospital))
    assert json.loads(first.stdout.splitlines()[0])["outcome"] == "accepted"
