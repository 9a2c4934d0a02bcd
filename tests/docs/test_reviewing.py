"""The page on reviewing names every verb, every refusal with its status, and a decision that the door can read."""

import re
from pathlib import Path

from api.case_documents import decision_of
from api.case_models import DecisionRequest, QueueFilters
from api.problems import PROBLEMS
from api.request_body import parse_model, parse_object
from canonical import exact_json
from canonical.review_desk import REFUSALS, Pick, Verb
from cli.review import review
from reconcile.review.bulk import BULK_VERBS, MOST

PAGE = (Path(__file__).parents[2] / "docs/reviewing.md").read_text(encoding="utf-8")
#: Carried out by its author.
ELSEWHERE = {Verb.WITHDRAW}


def section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_every_verb_of_a_case_is_told() -> None:
    told = re.findall(r"^\| `(\w+)` \|", section("What can be decided"), re.MULTILINE)
    assert set(told) == set(Verb) - ELSEWHERE
    assert len(told) == len(set(told))


def test_what_may_be_done_in_bulk_is_told() -> None:
    (sentence,) = re.findall(r"`POST /v1/cases:bulk` does (.*?) for up to (\d+)", PAGE)
    assert (set(re.findall(r"`(\w+)`", sentence[0])), int(sentence[1])) == (set(BULK_VERBS), MOST)


def test_every_refusal_is_told_with_its_status() -> None:
    rows = re.findall(r"^\| (`[^|]+) \| ([\d, ]+) \|", section("Refusals, and what to do"), re.MULTILINE)
    told = {code: statuses for codes, statuses in rows for code in re.findall(r"`([a-z-]+)`", codes)}
    assert set(told) == REFUSALS | {"person-required"}
    assert [code for code, statuses in told.items() if str(PROBLEMS[code].status) not in statuses] == []


def test_every_filter_is_told() -> None:
    said = section("A case from its opening to the chart")
    names = [field.alias or name for name, field in QueueFilters.model_fields.items()]
    assert [name for name in names if f"`{name}`" not in said] == []


def test_the_example_is_a_decision_with_its_number_as_written() -> None:
    example, _ = re.findall(r"```json\n(.*?)```", PAGE, flags=re.DOTALL)
    decision = decision_of(parse_model(DecisionRequest, parse_object(example.encode())))
    assert (decision.verb, decision.fields["note"].pick) == (Verb.RESOLVE, Pick.CHART)
    assert '"value":12.50' in exact_json.dumps(decision.fields["dosage"].value)


def test_the_commands_shown_are_commands_that_there_are() -> None:
    shown = set(re.findall(r"^writeback review (\w+)", PAGE, re.MULTILINE))
    known = {command.name or command.callback.__name__ for command in review.registered_commands if command.callback}
    assert shown <= known == {"list", "search", "board", "show", "claim", "release", "decide"}


def test_the_example_of_parts_is_a_decision_of_each_part() -> None:
    _, example = re.findall(r"```json\n(.*?)```", PAGE, flags=re.DOTALL)
    decision = decision_of(parse_model(DecisionRequest, parse_object(example.encode())))
    assert (decision.verb, decision.parts) == (Verb.COMPENSATE, {1: "retract", 2: "retract"})
