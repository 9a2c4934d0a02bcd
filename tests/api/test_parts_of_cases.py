"""Parts of a command by API: listed, taken back on the look that was served, and linked both ways; refusals change nothing."""

from __future__ import annotations

from typing import Any

from tests.api.case_bench import PartCases, chart_server, part_cases
from tests.reconcile.review.bench import ENGINEER, NURSE
from tests.reconcile.review.part_bench import WHY, readings

__all__ = ["chart_server", "part_cases"]


def test_parts_are_listed_with_what_stands_and_how_each_could_be_undone(part_cases: PartCases) -> None:
    root = part_cases.parts.stopped(readings())
    page = part_cases.served.open(NURSE, part_cases.parts.case_of(root))
    first, _, own = page["parts"]
    assert (first["seq"], first["standing"], first["version"]) == (1, "asWritten", "1")
    assert first["sentence"] == "In the chart, as it was written, version 1."
    assert [(way["operation"], way["means"]) for way in first["ways"]] == [
        ("retract", "enteredInError"),
        ("correct", "correctiveEntry"),
    ]
    assert [bool(way["closedTo"]) for way in first["ways"]] == [False, True]
    assert (own["standing"], own["ways"]) == ("notThere", [])
    (choice,) = [item for item in page["choices"] if item["parts"]]
    assert (choice["verb"], choice["textRequired"], choice["closedTo"]) == ("compensate", True, "")


def test_what_is_picked_is_taken_back_and_the_commands_name_each_other(part_cases: PartCases) -> None:
    parts, served = part_cases.parts, part_cases.served
    root = parts.stopped(readings())
    page = served.open(NURSE, parts.case_of(root))
    answer = served.decide(NURSE, page, "compensate", parts={"1": "retract", "2": "retract"}, text=WHY)
    assert (answer.status_code, answer.json()["commandId"]) == (200, str(root))
    again = served.decide(NURSE, page, "compensate", parts={"1": "retract"}, text=WHY)
    assert served.told(again) == (409, "already-decided")
    parts.drive(root)
    assert parts.whole.state(root) == "compensated"
    assert parts.chart(root) == {".1": "entered-in-error", ".2": "entered-in-error"}
    document = command(part_cases, root)
    last, first = map(str, parts.undoing(root))
    assert (document["status"], document["compensatedBy"]) == ("takenBack", [last, first])
    told = [(item["state"], item["compensatedBy"]) for item in document["operations"]]
    assert told == [("taken_back", [first]), ("taken_back", [last]), ("incomplete", [])]
    assert command(part_cases, first)["compensates"] == str(root)


def command(part_cases: PartCases, command: Any) -> dict[str, Any]:
    """Return a command's document, as an app is served it."""
    from api.command_documents import command_document

    services = part_cases.parts.whole.services
    detail = services.doors.commands.detail("t1", command)
    assert detail is not None
    made = command_document(detail, related=services.doors.compensations.of(detail.summary.id))
    return made.model_dump(mode="json", by_alias=True)


def test_a_refusal_changes_nothing_and_says_where_to_look(part_cases: PartCases) -> None:
    parts, served = part_cases.parts, part_cases.served
    root = parts.stopped(readings())
    page = served.open(NURSE, parts.case_of(root))
    asked: list[tuple[Any, dict[str, str], str, tuple[int, str]]] = [
        (NURSE, {"3": "retract"}, WHY, (409, "not-possible")),
        (NURSE, {}, WHY, (422, "field-missing")),
        (NURSE, {"1": "retract"}, "", (422, "reason-required")),
        (NURSE, {"0": "retract"}, WHY, (422, "invalid-field")),
        (ENGINEER, {"1": "retract"}, WHY, (422, "forged-view")),
    ]
    for who, picks, text, told in asked:
        answer = served.decide(who, page, "compensate", parts=picks, text=text)
        assert served.told(answer) == told, (picks, answer.text)
    assert (parts.whole.state(root), parts.undoing(root)) == ("incomplete", [])
    denied = served.decide(
        ENGINEER, served.open(ENGINEER, parts.case_of(root)), "compensate", parts={"1": "retract"}, text=WHY
    )
    assert served.told(denied) == (403, "not-permitted")
    assert part_cases.parts.whole.state(root) == "incomplete"
