"""`writeback review …` against the real case door: what is shown is what is decided on, and a no changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from canonical import exact_json
from canonical.reviewer import Reviewer
from cli.main import make_app
from cli.service_client import Profile
from tests.api.case_bench import CaseBench, cases, chart_server
from tests.reconcile.review.bench import ENGINEER, NURSE, PHARMACIST, SECOND_PHARMACIST

__all__ = ["cases", "chart_server"]
Run = Callable[..., Result]
RESOLVE = ("--verb", "resolve", "--field", "dosage=proposal")


@pytest.fixture
def run(cases: CaseBench, tmp_path: Path) -> Run:
    """Run one command as somebody (``None``: an app by itself); ``answer`` is typed when it asks."""
    profile = tmp_path / "profile.json"
    nowhere = "http://127.0.0.1:1/token"
    made = Profile(api_url=cases.url, token_url=nowhere, audience="writeback", client_id="desk", key_file=Path("none"))
    made.write(profile)

    def invoke(who: Reviewer | None, *words: object, answer: str = "") -> Result:
        token = tmp_path / "token"
        token.write_text(cases.token(who) + "\n", encoding="ascii")
        command, *rest = (str(word) for word in words)
        options = ["--profile", str(profile), "--token-file", str(token)]
        # The service runs in this process too: what it logs is no output of the command's.
        with capture_logs() as logged:
            done = CliRunner().invoke(make_app(["review"]), ["review", command, *rest, *options], input=answer)
        said = repr(logged)
        assert [text for text in ("Lopez", "lisinopril", "12.5", "on call") if text in said] == []
        return done

    return invoke


def milligrams(cases: CaseBench, name: str) -> str:
    return str(cases.bench.chart(name)["dosage"][0]["doseAndRate"][0]["doseQuantity"]["value"])


def served(done: Result) -> dict[str, Any]:
    assert done.exit_code == 0, done.stderr
    found: dict[str, Any] = exact_json.parse(done.stdout)
    return found


def test_the_list_says_what_waits_in_words_or_as_served(cases: CaseBench, run: Run) -> None:
    _, case = cases.bench.conflict("listed")
    cases.open(PHARMACIST, case)
    done = run(PHARMACIST, "list")
    assert done.exit_code == 0, done.stderr
    assert f"{case} " in done.stdout
    assert "Lopez, born 1961" in done.stdout
    assert "1 open, 0 overdue." in done.stdout
    rows = served(run(PHARMACIST, "list", "--json", "--kind", "conflict", "--pool", "clinical"))["rows"]
    assert [row["id"] for row in rows] == [case]
    assert served(run(PHARMACIST, "list", "--json", "--mine"))["rows"] == []
    assert served(run(PHARMACIST, "list", "--json", "--action", "VitalReading"))["rows"] == []


def test_a_case_is_shown_in_the_order_in_which_it_is_read(cases: CaseBench, run: Run) -> None:
    _, case = cases.bench.conflict("shown")
    said = run(PHARMACIST, "show", case).stdout
    wanted = ["Lopez", "Decide", "5 mg", "not known by whom", "resolve: Decide field by field", "Seen as "]
    places = [said.find(text) for text in wanted]
    assert -1 not in places, wanted[places.index(-1)]
    assert places == sorted(places)
    assert "chart_newer (The chart is newer and right)" in said
    assert served(run(PHARMACIST, "show", case, "--json"))["row"]["id"] == case


def test_a_decision_says_what_will_happen_and_is_sent_after_a_yes(cases: CaseBench, run: Run) -> None:
    accepted, case = cases.bench.conflict("decided")
    done = run(PHARMACIST, "decide", case, *RESOLVE, answer="y\n")
    assert done.exit_code == 0, done.stderr
    assert "You are about to decide: Decide field by field" in done.stderr
    assert "The chart will say: dosage" in done.stderr
    assert done.stdout.splitlines()[-1].startswith("Decided. What you kept is sent now")
    cases.bench.station.run(accepted.lane_id)
    assert cases.bench.station.ward.state(accepted.command_id) == "verified"
    assert milligrams(cases, "decided") == "20"


@pytest.mark.parametrize("answer", ["n\n", "\n", ""])
def test_anything_but_a_yes_changes_nothing(cases: CaseBench, run: Run, answer: str) -> None:
    accepted, case = cases.bench.conflict(f"no-{len(answer)}")
    assert run(PHARMACIST, "decide", case, *RESOLVE, answer=answer).exit_code == 1
    assert cases.bench.station.ward.state(accepted.command_id) == "conflicted"
    assert cases.bench.hints.lanes == []


def test_without_a_question_a_decision_must_name_what_was_seen(cases: CaseBench, run: Run) -> None:
    accepted, case = cases.bench.conflict("unseen")
    refused = run(PHARMACIST, "decide", case, *RESOLVE, "--yes")
    assert refused.exit_code == 1
    assert "--yes needs --view" in refused.stderr
    view = served(run(PHARMACIST, "show", case, "--json"))["view"]
    done = served(run(PHARMACIST, "decide", case, *RESOLVE, "--yes", "--view", view, "--json"))
    assert done == {
        "sentence": "Decided. What you kept is sent now, on the version of the chart that you saw.",
        "commandId": str(accepted.command_id),
        "awaitsSecond": False,
    }


def test_a_chart_that_moved_after_it_was_shown_is_not_overwritten(cases: CaseBench, run: Run) -> None:
    accepted, case = cases.bench.conflict("moved")
    view = served(run(PHARMACIST, "show", case, "--json"))["view"]
    cases.bench.move_chart("moved", "7")
    refused = run(PHARMACIST, "decide", case, *RESOLVE, "--yes", "--view", view)
    assert (refused.exit_code, "moved again" in refused.stderr) == (1, True)
    cases.bench.station.run(accepted.lane_id)
    assert milligrams(cases, "moved") == "7"


def test_a_number_reaches_the_chart_as_it_was_typed(cases: CaseBench, run: Run, tmp_path: Path) -> None:
    accepted, case = cases.bench.conflict("typed")
    file = tmp_path / "dosage.json"
    file.write_text(
        '{"text": "Take 12.5 mg by mouth once daily", "doseAndRate": [{"doseQuantity": {"value": 12.50, "unit": "mg"}}]}'
    )
    done = run(PHARMACIST, "decide", case, "--verb", "resolve", "--value", f"dosage=@{file}", answer="y\n")
    assert done.exit_code == 0, done.stderr
    cases.bench.station.run(accepted.lane_id)
    assert milligrams(cases, "typed") == "12.50"


def test_a_case_is_claimed_and_given_back(cases: CaseBench, run: Run) -> None:
    _, case = cases.bench.conflict("claimed")
    assert served(run(PHARMACIST, "claim", case, "--json"))["claimedByMe"]
    refused = run(SECOND_PHARMACIST, "claim", case)
    assert (refused.exit_code, "A colleague has this case" in refused.stderr) == (1, True)
    assert run(PHARMACIST, "release", case).exit_code == 0
    assert served(run(SECOND_PHARMACIST, "claim", case, "--json"))["claimedByMe"]


def test_what_is_not_ones_to_decide_is_said_before_anything_is_sent(cases: CaseBench, run: Run) -> None:
    accepted, case = cases.bench.conflict("licence")
    refused = run(NURSE, "decide", case, *RESOLVE, answer="y\n")
    assert (refused.exit_code, "This is decided by a pharmacist or prescriber." in refused.stderr) == (1, True)
    impossible = run(PHARMACIST, "decide", case, "--verb", "approve", answer="y\n")
    assert (impossible.exit_code, "'approve' cannot be decided" in impossible.stderr) == (1, True)
    assert cases.bench.station.ward.query("SELECT 1 FROM decisions WHERE case_id = %(case)s", case=case) == []
    assert cases.bench.station.ward.state(accepted.command_id) == "conflicted"


def test_an_app_by_itself_may_look_and_not_decide(cases: CaseBench, run: Run) -> None:
    _, case = cases.bench.conflict("app")
    view = served(run(None, "show", case, "--json"))["view"]
    refused = run(None, "decide", case, *RESOLVE, "--yes", "--view", view)
    assert (refused.exit_code, "No person is logged in" in refused.stderr) == (1, True)


def test_restricted_content_is_shown_to_who_says_why(cases: CaseBench, run: Run, tmp_path: Path) -> None:
    case = cases.restricted("glass")
    shut = run(PHARMACIST, "show", case)
    assert ("--break-glass" in shut.stdout, "lisinopril" in shut.stdout) == (True, False)
    refused = run(PHARMACIST, "decide", case, *RESOLVE, answer="y\n")
    assert (refused.exit_code, "cannot be decided" in refused.stderr) == (1, True)
    why = tmp_path / "why"
    why.write_text("on call for the ward")
    opened = run(PHARMACIST, "show", case, "--break-glass", f"@{why}")
    assert ("lisinopril" in opened.stdout, "Seen as " in opened.stdout) == (True, True)


@pytest.mark.parametrize("content", [None, "", "two words", "\u00e9"])
def test_a_file_without_a_token_is_a_sentence_and_nothing_is_sent(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    profile = tmp_path / "profile.json"
    profile.write_text(
        json.dumps(
            {
                "api_url": "http://127.0.0.1:1",
                "token_url": "http://127.0.0.1:1",
                "audience": "writeback",
                "client_id": "desk",
                "key_file": "none",
            }
        )
    )
    words = ["review", "list", "--profile", str(profile), "--token-file", str(file)]
    done = CliRunner().invoke(make_app(["review"]), words)
    assert (done.exit_code, "must hold one access token" in done.stderr) == (1, True)
    assert content is None or content not in done.stderr or not content


def test_cases_are_searched_for_and_a_patient_is_asked_for_not_typed_into_the_command(
    cases: CaseBench, run: Run
) -> None:
    _, case = cases.bench.conflict("searched")
    said = run(PHARMACIST, "search", "--kind", "conflict", "--state", "any")
    assert (said.exit_code, f"{case} " in said.stdout) == (0, True)
    asked = run(PHARMACIST, "search", "--json", "--patient", answer="Patient/nobody\n")
    assert exact_json.parse(asked.stdout.splitlines()[-1]) == {"rows": [], "cursor": None}
    assert run(PHARMACIST, "search", "--state", "lost").exit_code != 0


def test_the_board_is_read_in_words_or_as_served_by_those_who_oversee_the_queue(cases: CaseBench, run: Run) -> None:
    cases.bench.conflict("counted")
    said = run(ENGINEER, "board")
    assert (said.exit_code, "1 open, 0 overdue" in said.stdout, "the chart moved" in said.stdout) == (0, True, True)
    assert served(run(ENGINEER, "board", "--json"))["open"] == 1
    assert run(NURSE, "board").exit_code != 0
