from __future__ import annotations

from typing import Any

from canonical.action import Action
from canonical.errors import FieldError
from canonical.field_presence import clear_errors, required_errors, stated, unwanted_errors
from tests.canonical.checked import parsed
from tests.factories import vital_reading_json


def action(**over: Any) -> Action:
    return parsed(vital_reading_json(operation="correct", **over)).action


def told(errors: list[FieldError]) -> list[tuple[str, str]]:
    return [(error.pointer, error.code) for error in errors]


def test_null_states_nothing() -> None:
    assert "bodySite" not in stated(action(bodySite=None))
    assert "bodySite" in stated(action(bodySite={"text": "arm"}))


def test_what_is_required_is_missing_when_absent_or_null() -> None:
    for given in (action(), action(bodySite=None)):
        assert told(required_errors(given, ("code", "bodySite"))) == [("/action/bodySite", "required")]


def test_what_is_unwanted_is_told_only_when_stated() -> None:
    assert told(unwanted_errors(action(), ("bodySite",), "x")) == []
    assert told(unwanted_errors(action(bodySite=None), ("bodySite",), "x")) == []
    assert told(unwanted_errors(action(bodySite={"text": "arm"}), ("bodySite",), "x")) == [
        ("/action/bodySite", "not-for-this-operation")
    ]


def test_only_what_is_listed_can_be_cleared() -> None:
    given = action(bodySite=None, note=None)
    assert told(clear_errors(given, ("bodySite",))) == [("/action/note", "not-clearable")]
    assert told(clear_errors(given, ("bodySite", "note"))) == []
