"""Field picks typed at a terminal: what they come to, numbers as written; what is ambiguous is asked again and never guessed."""

from pathlib import Path

import pytest

from canonical import exact_json
from cli.errors import CannotDo
from cli.picks import picks, typed


def test_each_field_has_its_pick_and_a_value_makes_it_another() -> None:
    found = picks(["dosage=proposal", "note=chart"], ['strength={"value": 12.50}'])
    assert found["dosage"] == {"pick": "proposal"}
    assert found["note"] == {"pick": "chart"}
    assert exact_json.dumps(found["strength"]) == '{"pick":"another","value":{"value":12.50}}'


def test_another_may_be_said_beside_its_value() -> None:
    assert picks(["note=another"], ['note="by mouth"']) == {"note": {"pick": "another", "value": "by mouth"}}


@pytest.mark.parametrize(
    ("fields", "values", "said"),
    [
        (["dosage"], [], "Write it as"),
        (["=chart"], [], "Write it as"),
        (["dosage=mine"], [], "say chart, proposal or another"),
        (["dosage=chart", "dosage=proposal"], [], "decided twice"),
        (["dosage=proposal"], ["dosage=1"], "decided twice"),
        ([], ["dosage=1", "dosage=2"], "decided twice"),
        (["dosage=another"], [], "--value dosage"),
        ([], ["dosage={"], "not well-formed"),
    ],
)
def test_what_is_no_clear_pick_is_a_sentence(fields: list[str], values: list[str], said: str) -> None:
    with pytest.raises(CannotDo, match=said):
        picks(fields, values)


def test_a_value_that_is_no_json_is_not_repeated() -> None:
    with pytest.raises(CannotDo) as refused:
        picks([], ["dosage=warfarin 5 mg"])
    assert "warfarin" not in str(refused.value)


def test_a_file_stands_for_its_content(tmp_path: Path) -> None:
    file = tmp_path / "dosage.json"
    file.write_text('{"text": "Take 5 mg"}\n', encoding="utf-8")
    assert picks([], [f"dosage=@{file}"])["dosage"]["value"] == {"text": "Take 5 mg"}
    assert typed("as it is") == "as it is"
    with pytest.raises(CannotDo, match="cannot be read"):
        typed(f"@{tmp_path}/nothing")
