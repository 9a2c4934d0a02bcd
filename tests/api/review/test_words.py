"""Words of the pages: who did something, and how a field stands."""

import pytest

from api.review import words
from canonical.three_way import FieldState


@pytest.mark.parametrize(
    ("actor", "said"),
    [
        ("ward-server-2:4711", "this service"),
        ("person:paul-abara", "person:paul-abara"),
        ("app:77", "app:77"),
        ("machine:conflict-engine", "machine:conflict-engine"),
    ],
)
def test_a_process_of_ours_is_this_service_and_anybody_else_is_named(actor: str, said: str) -> None:
    assert words.actor(actor) == said


@pytest.mark.parametrize(
    ("state", "changed_by", "said"),
    [
        (FieldState.INDEPENDENT, "author", "only the proposal changes it"),
        (FieldState.INDEPENDENT, "chart", "only the chart changed"),
        (FieldState.INDEPENDENT, None, "one side changed it"),
        (FieldState.OVERLAPPING, "both", "both would change it"),
        (FieldState.ALREADY_THERE, "both", "the chart already says so"),
    ],
)
def test_a_field_that_one_side_changed_says_which(state: FieldState, changed_by: str | None, said: str) -> None:
    assert words.field_state(state, changed_by) == said
