"""The page of problem types is the table that the API answers from, and its example is a real answer."""

import json
import re
from pathlib import Path

import pytest

from api.problems import PROBLEMS, problem_of
from canonical.envelope import parse_envelope
from canonical.errors import RefusedError
from canonical.judgement import check_content
from tests.factories import NOW, as_bytes, envelope_json, quantity, vital_reading_json

PAGE = (Path(__file__).parents[2] / "docs/problems.md").read_text(encoding="utf-8")


def test_the_page_has_every_problem_type_in_the_order_of_the_table() -> None:
    told = [row.strip("| ").split(" | ") for row in PAGE.splitlines() if re.match(r"\| `", row)]
    table = [[f"`{code}`", str(kind.status), kind.title, f"`{kind.retry}`"] for code, kind in PROBLEMS.items()]
    assert [row[:4] for row in told] == table
    assert [row[0] for row in told if len(row) != 5] == [], "each says what to do"


def test_the_example_is_what_a_wrong_unit_is_answered_with() -> None:
    action = vital_reading_json(valueQuantity=quantity("72.50", "stone", "[stone_av]"))
    with pytest.raises(RefusedError) as refused:
        check_content(parse_envelope(as_bytes(envelope_json(action))), NOW)
    (example,) = re.findall(r"```json\n(.*?)```", PAGE, flags=re.DOTALL)
    assert problem_of(refused.value).document("round-17") == json.loads(example)
