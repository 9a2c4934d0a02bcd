"""Reading a file of commands: keys given, derived by the service, or made from the line; a bad line stops everything."""

from pathlib import Path

import pytest

from cli.errors import CannotDo
from cli.submit import AT_ONCE, AT_ONCE_BYTES, Line, batches, read_lines, told


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


def test_a_line_ends_only_where_json_lines_do(tmp_path: Path) -> None:
    file = tmp_path / "commands.jsonl"
    file.write_bytes('{"note": "one\u2028two\u0085three"}\r\n{}\n'.encode())
    first, second = read_lines(file)
    assert (first.number, first.command) == (1, {"note": "one\u2028two\u0085three"})
    assert second.number == 2


def test_long_commands_are_given_in_requests_that_stay_below_the_limit() -> None:
    lines = [Line(number=number, command={"note": "x" * 200_000}, key=None) for number in range(1, 13)]
    made = list(batches(lines))
    assert [line for batch in made for line in batch] == lines
    assert [len(batch) for batch in made] == [5, 5, 2]
    assert all(sum(len(line.command["note"]) for line in batch) < AT_ONCE_BYTES for batch in made)


def test_one_command_beyond_the_limit_goes_alone_for_the_service_to_refuse() -> None:
    small, large = ({"note": "x" * size} for size in (10, AT_ONCE_BYTES + 1))
    lines = [Line(number=number, command=command, key=None) for number, command in enumerate((small, large, small), 1)]
    assert [[line.number for line in batch] for batch in batches(lines)] == [[1], [2], [3]]


def test_short_commands_are_given_so_many_at_once() -> None:
    lines = [Line(number=number, command={}, key=None) for number in range(AT_ONCE + 1)]
    assert [len(batch) for batch in batches(lines)] == [AT_ONCE, 1]
