"""Reading a file of commands: keys given, derived by the service, or made from the line; a bad line stops everything."""

from pathlib import Path

import pytest

from cli.errors import CannotDo
from cli.submit import read_lines, told


def file_with(tmp_path: Path, *lines: str) -> Path:
    file = tmp_path / "commands.jsonl"
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


def test_a_line_with_a_source_event_leaves_its_key_to_the_service(tmp_path: Path) -> None:
    (line,) = read_lines(file_with(tmp_path, '{"source": {"eventId": "e-1"}}'))
    assert line.key is None


def test_a_given_key_is_kept(tmp_path: Path) -> None:
    (line,) = read_lines(file_with(tmp_path, '{"key": "my-key-0001", "command": {"source": {"eventId": "e-1"}}}'))
    assert line.key == "my-key-0001"
    assert line.command == {"source": {"eventId": "e-1"}}


def test_a_line_without_any_gets_the_same_key_each_time_whatever_its_spelling(tmp_path: Path) -> None:
    first, second, other = read_lines(
        file_with(tmp_path, '{"a": 72.5, "b": 1}', '{"b":1,"a":72.5}', '{"a":72.50,"b":1}')
    )
    assert first.key == second.key
    assert first.key != other.key


def test_lines_are_numbered_as_in_the_file_and_empty_ones_do_not_count(tmp_path: Path) -> None:
    assert [line.number for line in read_lines(file_with(tmp_path, "{}", "", "{}"))] == [1, 3]


@pytest.mark.parametrize(
    "wrong", ["{", "[1]", '"text"', '{"command": 1}', '{"key": 1, "command": {}}', '{"a": 1, "a": 2}']
)
def test_a_line_that_is_no_command_is_named_and_nothing_is_repeated_of_it(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(CannotDo, match="Line 2") as refused:
        list(read_lines(file_with(tmp_path, "{}", wrong)))
    assert "othing was sent" in str(refused.value)


def test_a_file_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(CannotDo, match="cannot be read"):
        list(read_lines(tmp_path / "nothing"))


def test_a_problem_document_is_told_with_the_fields_it_names() -> None:
    body = (
        b'{"title": "t", "detail": "It is wrong.", "errors": [{"pointer": "/action/code", "code": "x", "detail": "y"}]}'
    )
    assert told(body) == "It is wrong. (/action/code)"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]"])
def test_an_answer_that_is_no_problem_document_is_said_to_be_none(body: bytes) -> None:
    assert "no problem document" in told(body)
