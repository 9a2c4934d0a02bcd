from typing import Any

import pytest

from adapters.r4.fields import agree, appended, choice, extension, plain

LOINC = "http://loinc.org"


def concept(text: str | None = None, **codes: str) -> dict[str, Any]:
    """``concept(loinc="1")``: a concept with that code in a system of that name."""
    coding = [{"system": system, "code": code} for system, code in codes.items()]
    return {**({"coding": coding} if coding else {}), **({"text": text} if text else {})}


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (concept(a="1"), concept(a="1", b="2"), True),
        (concept("x", a="1"), concept("x", a="2"), False),
        (concept("Metformin  500", a="1"), concept("metformin 500", b="2"), True),
        (concept("x"), concept("y"), False),
        (concept("x", a="1"), concept("x"), True),
        (concept(a="1"), concept(b="1"), False),
        (concept(a="1"), None, False),
        (concept("x"), None, False),
    ],
)
def test_concepts_agree_by_code_and_only_without_a_common_system_by_text(
    one: dict[str, Any],
    other: dict[str, Any] | None,
    expected: bool,  # noqa: FBT001 - a table
) -> None:
    assert agree(one, other) is expected
    assert agree(other, one) is expected


def test_written_element_loses_what_qualified_the_old_one() -> None:
    resource = {"issued": "2026", "_issued": {"extension": [{"url": "x"}]}}
    plain("issued").write(resource, "2027")
    assert resource == {"issued": "2027"}


def test_choice_makes_room_only_when_it_says_something() -> None:
    resource: dict[str, Any] = {"effectivePeriod": {"start": "2026"}}
    field = choice("effectiveDateTime", ("effectiveDateTime", "effectivePeriod"))
    field.write(resource, None)
    assert resource == {"effectivePeriod": {"start": "2026"}}
    field.write(resource, "2026-11-22")
    assert resource == {"effectiveDateTime": "2026-11-22"}


def test_extension_leaves_others_in_their_places() -> None:
    resource = {"extension": [{"url": "x"}, {"url": "urn:own", "valueCode": "a"}, {"url": "y"}]}
    field = extension("howObtained", "valueCode", "urn:own")
    field.write(resource, "b")
    assert field.read(resource) == "b"
    assert [item["url"] for item in resource["extension"]] == ["x", "y", "urn:own"]
    field.write(resource, None)
    assert [item["url"] for item in resource["extension"]] == ["x", "y"]


def test_appended_list_grows_and_never_shrinks_nor_repeats() -> None:
    resource = {"note": [{"text": "theirs"}]}
    field = appended("note")
    for value in ([{"text": "ours"}], [{"text": "ours"}], None):
        field.write(resource, value)
    assert resource == {"note": [{"text": "theirs"}, {"text": "ours"}]}
