from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from canonical import exact_json
from canonical.datatypes import (
    Annotation,
    CodeableConcept,
    Coding,
    Element,
    Identifier,
    Period,
    Quantity,
    Range,
    Ratio,
    Reference,
)
from tests.factories import quantity


def made(model: type[Element], text: str) -> Element:
    return model.model_validate(exact_json.parse(text), by_alias=True, by_name=False)


def codes(model: type[Element], text: str) -> dict[str, str]:
    with pytest.raises(ValidationError) as raised:
        made(model, text)
    return {"/".join(map(str, error["loc"])): error["type"] for error in raised.value.errors()}


@pytest.mark.parametrize("number", ["72.50", "0.10", "1e-3", "118", "-4.0", "0"])
def test_a_quantity_keeps_its_number_as_written(number: str) -> None:
    text = f'{{"value":{number},"unit":"kg"}}'
    element = made(Quantity, text)
    assert isinstance(element, Quantity)
    assert isinstance(element.value, Decimal)
    assert exact_json.dumps(element.as_json()) == text


@pytest.mark.parametrize("number", ['"72.5"', "true", "[1]", "null", "1e400", "1e-21", "123456789012345678901"])
def test_what_is_no_clinical_number_is_refused(number: str) -> None:
    assert list(codes(Quantity, f'{{"value":{number},"unit":"kg"}}')) == ["value"]


def test_a_binary_float_is_refused_wherever_it_comes_from() -> None:
    with pytest.raises(ValidationError):
        Quantity.model_validate({"value": 72.5})
    with pytest.raises(ValidationError):
        Quantity.model_validate({"value": Decimal("NaN")})


MALFORMED: list[tuple[str, type[Element], str, dict[str, str]]] = [
    ("unknown member", Quantity, '{"value":1,"precision":2}', {"precision": "extra_forbidden"}),
    ("snake case", Coding, '{"user_selected":true}', {"user_selected": "extra_forbidden"}),
    ("empty element", Reference, "{}", {"": "empty_element"}),
    ("null inside", CodeableConcept, '{"text":null}', {"text": "null_member"}),
    ("empty list", CodeableConcept, '{"text":"x","coding":[]}', {"coding": "empty_list"}),
    ("empty coding", CodeableConcept, '{"coding":[{}]}', {"coding/0": "empty_element"}),
    ("white space", CodeableConcept, '{"text":"  "}', {"text": "string_pattern_mismatch"}),
    ("code with edge space", Coding, '{"code":"a "}', {"code": "string_pattern_mismatch"}),
    ("system with space", Coding, '{"system":"urn: x"}', {"system": "string_pattern_mismatch"}),
    ("boolean as text", Coding, '{"userSelected":"true"}', {"userSelected": "boolean"}),
    ("boolean as number", Coding, '{"userSelected":1}', {"userSelected": "boolean"}),
    ("code without system", Quantity, '{"value":1,"code":"kg"}', {"": "quantity_system"}),
    ("half a ratio", Ratio, '{"numerator":{"value":1}}', {"": "ratio_half"}),
    ("range upside down", Range, '{"low":{"value":2},"high":{"value":1}}', {"": "range_order"}),
    ("period upside down", Period, '{"start":"2024-03-02","end":"2024-01"}', {"": "period_order"}),
    ("naive time", Period, '{"start":"2024-03-02T10:00:00"}', {"start": "clinical_time"}),
    ("absolute reference", Reference, '{"reference":"https://a.example/Patient/1"}', {"reference": "string_pattern_mismatch"}),
    ("contained reference", Reference, '{"reference":"#a"}', {"reference": "string_pattern_mismatch"}),
    ("reference up the path", Reference, '{"reference":"Patient/.."}', {"reference": "string_pattern_mismatch"}),
    ("reference with query", Reference, '{"reference":"Patient/1?x"}', {"reference": "string_pattern_mismatch"}),
    ("unknown use", Identifier, '{"use":"main","value":"1"}', {"use": "literal_error"}),
    ("note without text", Annotation, '{"authorString":"x"}', {"text": "missing"}),
    ("list for an object", Reference, "[]", {"": "model_type"}),
    ("object for text", CodeableConcept, '{"text":{"a":1}}', {"text": "string_type"}),
    ("number for text", CodeableConcept, '{"text":1}', {"text": "string_type"}),
]  # fmt: skip


@pytest.mark.parametrize(("model", "text", "wrong"), [row[1:] for row in MALFORMED], ids=[row[0] for row in MALFORMED])
def test_what_r4_does_not_allow_is_refused_at_its_place(model: type[Element], text: str, wrong: dict[str, str]) -> None:
    assert codes(model, text) == wrong


@pytest.mark.parametrize("secret", ["4711-secret", "Lopez"])
def test_no_error_repeats_what_was_sent(secret: str) -> None:
    for model in (Quantity, Coding, Identifier, Reference, Period, CodeableConcept):
        for name in (field.alias for field in model.model_fields.values()):
            for value in (f'"{secret} "', f'{{"x":"{secret}"}}', f'["{secret}"]'):
                with pytest.raises(ValidationError) as raised:
                    made(model, f'{{"{name}":{value},"unknown":1}}')
                assert secret not in str(raised.value)


def test_a_repr_shows_which_members_are_set_and_none_of_their_content() -> None:
    text = repr(made(Identifier, '{"system":"urn:mrn","value":"4711"}'))
    assert text == "Identifier('system', 'value')"


def test_a_period_within_one_partial_date_is_in_order() -> None:
    period = made(Period, '{"start":"2024-03-02","end":"2024"}')
    assert period.as_json() == {"start": "2024-03-02", "end": "2024"}


def test_both_ends_of_a_range_may_be_equal() -> None:
    assert made(Range, '{"low":{"value":1.0},"high":{"value":1}}').as_json()["low"] == {"value": Decimal(1)}


def test_the_code_of_a_system_is_found_among_several() -> None:
    concept = made(CodeableConcept, '{"coding":[{"system":"a","code":"1"},{"code":"2"},{"system":"b","code":"3"}]}')
    assert isinstance(concept, CodeableConcept)
    assert (concept.code_in("b"), concept.code_in("a"), concept.code_in("c")) == ("3", "1", None)


def test_the_text_that_the_author_saw_is_never_cut() -> None:
    text = "x" * 20_000
    note: Any = made(Annotation, f'{{"text":"{text}"}}')
    assert note.text == text


def test_elements_are_values() -> None:
    one = Quantity.model_validate(quantity("72.50", "kg", "kg"))
    assert one == Quantity.model_validate(quantity("72.50", "kg", "kg"))
    with pytest.raises(ValidationError):
        one.unit = "lb"  # type: ignore[misc]
