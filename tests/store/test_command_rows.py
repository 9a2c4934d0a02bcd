"""Which versions an author may build on without having seen them: those that only our own writes lead to."""

import pytest

from store.command_rows import followed_versions


@pytest.mark.parametrize(
    ("seen", "own", "followed"),
    [
        (None, [], ()),
        ("7", [], ("7",)),
        ("7", [["7", "8", False]], ("7", "8")),
        ("7", [["7", "8", False], ["8", "9", False]], ("7", "8", "9")),
        # Somebody else wrote 8; our 9 was written on top of it by an author who saw it. This author did not.
        ("7", [["8", "9", False]], ("7",)),
        ("7", [["7", "8", False], ["9", "10", False]], ("7", "8")),
        # The target is a command of ours: its own write is what the author saw.
        (None, [[None, "1", True]], ("1",)),
        (None, [[None, "1", True], ["1", "2", False]], ("1", "2")),
        (None, [[None, "1", True], ["2", "3", False]], ("1",)),
        (None, [["4", "5", False]], ()),
    ],
)
def test_only_an_unbroken_chain_of_our_writes_is_followed(
    seen: str | None, own: list[list[object]], followed: tuple[str, ...]
) -> None:
    assert followed_versions(seen, own) == followed
