"""People read all that an author wrote, of every action there is or will be, and no dose that could be misread."""

from __future__ import annotations

import base64
import types
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from canonical.action import Action, action_specs
from canonical.attachment import Attachment
from canonical.clinical_time import ClinicalTime
from canonical.dosage import DayOfWeek, EventTiming, UnitOfTime
from canonical.exact_json import WrittenDecimal
from canonical.plain_values import COMPARATORS, DOSE_UNITS, SYSTEMS, number, seen, words
from canonical.plain_words import Line, as_text, plain_words
from tests.canonical.checked import parsed
from tests.factories import (
    RXNORM,
    UCUM,
    Json,
    care_message_json,
    care_task_json,
    concept,
    decimal,
    dosage_json,
    medication_change_json,
    quantity,
    vital_reading_json,
)
from tests.record_factories import (
    immunization_record_json,
    order_request_json,
    patient_reported_outcome_json,
    score_json,
)

MOMENT = datetime(2026, 3, 10, 14, 30, tzinfo=UTC)
TEXTS = st.text(st.characters(categories=("L", "N", "P"), exclude_characters="."), min_size=1, max_size=12)
NUMBERS = st.from_regex(r"(0|[1-9][0-9]{0,4})\.[0-9]{1,4}", fullmatch=True)


class Writer:
    """Fills a model with content of its own in every member there is, and keeps what it wrote.

    ``texts`` and ``numbers`` are used in turn: a draw for each of the thousand members of an action would take minutes.
    """

    def __init__(self, texts: list[str], numbers: list[str], start: int) -> None:
        self.texts, self.numbers, self.count = texts, numbers, start
        self.wrote: list[str] = []
        self.inside: list[type[BaseModel]] = []

    def next_of(self, choices: Sequence[Any]) -> Any:
        self.count += 1
        return choices[self.count % len(choices)]

    def element(self, model: type[BaseModel]) -> Any:
        if model is Action:
            # Any action may stand there.
            model = self.next_of([action_specs()[name].model for name in ("VitalReading", "ProblemUpdate")])
        if issubclass(model, Attachment):
            text = self.text()
            return Attachment(content_type="text/plain", data=base64.b64encode(text.encode()).decode())
        named: Json = {}
        if issubclass(model, Action):
            named = {"type": model.TYPE, "operation": self.next_of(list(action_specs()[model.TYPE].operations))}
            self.wrote += [words(name) for name in named.values()]
        fields = {name: info for name, info in model.model_fields.items() if name not in named}
        self.inside.append(model)
        members = {name: self.value(info.annotation) for name, info in fields.items() if self.ends(info.annotation)}
        self.inside.pop()
        return model.model_construct(**named, **members)

    def ends(self, annotation: Any) -> bool:
        """Whether a member leads no deeper into a model that holds itself, as a question holds questions."""
        if annotation in self.inside:
            return False
        return all(self.ends(inner) for inner in get_args(annotation))

    def text(self) -> str:
        text = f"{self.next_of(self.texts)}\N{EM DASH}{len(self.wrote)}"
        self.wrote.append(text)
        return text

    def value(self, annotation: Any) -> Any:
        origin, inner = get_origin(annotation), get_args(annotation)
        if origin is Annotated:
            return self.value(inner[0])
        if origin in {Union, types.UnionType}:
            return self.value(next(item for item in inner if item is not type(None)))
        if origin is tuple:
            return tuple(self.value(inner[0]) for _ in range(self.next_of([1, 2])))
        if origin is Literal:
            chosen = self.next_of(inner)
            self.wrote.append(COMPARATORS.get(chosen) or words(chosen))
            return chosen
        return self.leaf(annotation)

    def leaf(self, kind: type) -> Any:
        if get_origin(kind) is dict:
            return {"text": self.text()}
        if issubclass(kind, BaseModel):
            return self.element(kind)
        if kind is str:
            return self.text()
        if kind is ClinicalTime:
            return self.kept(ClinicalTime(f"{self.next_of(range(1950, 2026))}-03"), "{}")
        if kind is datetime:
            return self.kept(MOMENT, MOMENT.isoformat())
        if kind is bool:
            return self.next_of([True, False])
        if kind is int:
            return self.kept(self.next_of(range(1, 10**4)), "{}")
        assert kind is Decimal, f"how are people told a {kind.__name__}?"
        written = WrittenDecimal(self.next_of(self.numbers))
        self.wrote.append(number(written, is_dose=True))
        return written

    def kept(self, value: Any, form: str) -> Any:
        self.wrote.append(form.format(value))
        return value


def squeezed(text: str) -> str:
    return "".join(text.split()).casefold()


@pytest.mark.parametrize("name", sorted(action_specs()))
@settings(max_examples=15, deadline=None)
@given(st.lists(TEXTS, min_size=3, max_size=7), st.lists(NUMBERS, min_size=3, max_size=7), st.integers(0, 99))
def test_nothing_that_an_author_can_write_is_left_out(
    name: str, texts: list[str], numbers: list[str], start: int
) -> None:
    writer = Writer(texts, numbers, start)
    action = writer.element(action_specs()[name].model)
    told = squeezed(as_text(plain_words(action)))
    assert [wrote for wrote in writer.wrote if squeezed(wrote) not in told] == []


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from leaves(item, f"{path}/{name}")
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item, path)
    else:
        yield path, value


ACCEPTED: dict[str, Json] = {
    "weight": vital_reading_json(note=[{"text": "shoes on", "authorString": "Sister Ruiz", "time": "2026-03"}]),
    "pressure": vital_reading_json("blood-pressure"),
    "start": medication_change_json(dosage=[dosage_json(sequence=1), dosage_json(sequence=2, text="then 2 tablets")]),
    "hold": medication_change_json("hold", expectedResume="2026-04", effectivePeriod={"start": "2025", "end": "2027"}),
    "answers": patient_reported_outcome_json(score=[score_json("4.50")]),
    "vaccination": immunization_record_json(doseQuantity=quantity("0.5", "mL", "mL"), reaction=[{"reported": True}]),
    "proposal": order_request_json(quantityQuantity=quantity("2", "kits"), occurrenceDateTime="2026-04"),
    "message": care_message_json(inResponseTo=[{"reference": "Communication/c1", "display": "her question"}]),
    "task": care_task_json("complete", output=[{"type": {"text": "calls"}, "valueQuantity": quantity("2.0", "calls")}]),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_every_leaf_of_an_accepted_action_is_told(name: str) -> None:
    action = parsed(ACCEPTED[name]).action
    text = squeezed(as_text(plain_words(action)))
    for path, leaf in leaves(action.as_json()):
        said = {words(str(leaf)), SYSTEMS.get(str(leaf), str(leaf)), "yes" if leaf is True else str(leaf)}
        ucum_is_understood = path.endswith("/system") and leaf == UCUM
        assert ucum_is_understood or any(squeezed(item) in text for item in said), path


def told(action: Json) -> dict[str, str]:
    lines = plain_words(parsed(action).action)
    assert len({line.label for line in lines}) == len(lines), "two lines that nobody can tell apart"
    return {line.label: line.text for line in lines}


def test_the_first_line_says_what_is_done() -> None:
    lines = plain_words(parsed(medication_change_json("notTaking")).action)
    assert lines[0] == Line(label="Action", text="medication change: not taking")


def test_codes_are_told_by_what_the_author_saw_and_then_by_code() -> None:
    both = concept(RXNORM, "29046", "lisinopril")
    both["coding"][0] |= {"display": "Lisinopril", "userSelected": True}
    both["coding"].append({"system": "urn:example:formulary", "code": "L7", "version": "3", "display": "lisinopril"})
    assert told(medication_change_json(medication=both))["Medication"] == (
        'lisinopril (RxNorm 29046 "Lisinopril", chosen by the author; urn:example:formulary L7, version 3)'
    )
    only = {"coding": [{"system": RXNORM, "code": "29046", "display": "Lisinopril"}]}
    assert told(medication_change_json(medication=only))["Medication"] == "Lisinopril (RxNorm 29046)"


def test_a_measurement_is_told_as_written() -> None:
    lines = told(vital_reading_json())
    assert (lines["Value"], lines["Effective"]) == ("72.50 kg", "2026-03-10T10:30:00-04:00")
    assert told(vital_reading_json("body-temperature"))["Value"] == "36.80 °C (UCUM Cel)"


def dose_of(value: str, unit: str, code: str | None = None) -> str:
    dosage = dosage_json(doseAndRate=[{"doseQuantity": quantity(value, unit, code)}])
    return told(medication_change_json(dosage=[dosage]))["Dosage, dose and rate, dose"]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (("5.0", "mg"), "5 mg"),
        (("0.50", "mg", "mg"), "0.5 mg"),
        (("10", "mg"), "10 mg"),
        (("100.00", "mL"), "100 mL"),
        (("1e-1", "mg"), "0.1 mg"),
        (("25.0", "\N{MICRO SIGN}g"), "25 mcg"),
        (("25", "mcg", "ug"), "25 mcg (UCUM ug)"),
        (("8", "units", "[iU]"), "8 units (UCUM [iU])"),
    ],
)
def test_a_dose_is_told_so_that_it_cannot_be_misread(written: tuple[str, ...], read: str) -> None:
    assert dose_of(*written) == read


@given(NUMBERS)
def test_a_dose_keeps_its_amount_and_loses_only_zeros(written: str) -> None:
    shown = number(WrittenDecimal(written), is_dose=True)
    assert Decimal(shown) == Decimal(written)
    assert "e" not in shown.lower()
    assert not ("." in shown and shown.endswith("0"))
    assert number(WrittenDecimal(written), is_dose=False) == written


def test_no_unit_is_shown_that_is_mistaken_for_another() -> None:
    assert set(DOSE_UNITS.values()) == {"mcg", "units"}


def test_a_strength_is_a_dose_too_and_a_dose_in_a_reading_of_the_body_is_none() -> None:
    strength = {"numerator": quantity("10.0", "mg"), "denominator": quantity("1.0", "mL")}
    assert told(medication_change_json(strength=strength))["Strength"] == "10 mg per 1 mL"


def test_a_dosage_is_told_by_its_sig_and_then_by_its_structure() -> None:
    dosage = dosage_json(
        text="1 tablet by mouth at bedtime as needed",
        timing={"repeat": {"frequency": 1, "period": decimal("1.0"), "periodUnit": "d", "when": ["HS", "MORN.early"]}},
        asNeededCodeableConcept={"text": "sleep"},
        maxDosePerPeriod={"numerator": quantity("1", "tablet"), "denominator": quantity("24", "h", "h")},
    )
    lines = told(medication_change_json(dosage=[dosage, dosage_json()]))
    assert lines["Dosage 1"] == "1 tablet by mouth at bedtime as needed"
    assert lines["Dosage 1, timing, repeat, when"] == "at bedtime (HS), early in the morning (MORN.early)"
    assert lines["Dosage 1, timing, repeat, period"] == "1"
    assert lines["Dosage 1, as needed"] == "sleep"
    assert lines["Dosage 1, max dose per period"] == "1 tablet per 24 h"
    assert lines["Dosage 2"] == "Take 1 tablet by mouth once daily"
    assert list(lines).index("Dosage 1") < list(lines).index("Dosage 1, route") < list(lines).index("Dosage 2")


@pytest.mark.parametrize("codes", [UnitOfTime, DayOfWeek, EventTiming], ids=["unit", "day", "event"])
def test_every_code_of_a_timing_has_words(codes: Any) -> None:
    from canonical.plain_words import CODED

    assert [code for code in get_args(codes) if code.partition(".")[0] not in CODED] == []


def test_what_is_cleared_is_told_as_such() -> None:
    assert told(care_task_json("update", owner=None))["Owner"] == "cleared"


def test_comparators_are_told_in_words() -> None:
    less = {"type": {"text": "calls"}, "valueQuantity": {**quantity("2", "calls"), "comparator": "<"}}
    assert told(care_task_json("complete", output=[less]))["Output, value"] == "less than 2 calls"


def test_who_is_named_is_told_with_their_number() -> None:
    owner = {
        "display": "Dr Stone",
        "type": "Practitioner",
        "identifier": {"system": "urn:example:staff", "value": "d-1", "use": "official", "type": {"text": "badge"}},
    }
    assert told(care_task_json(owner=owner))["Owner"] == (
        "Dr Stone (d-1 (urn:example:staff; official; badge); Practitioner)"
    )


def test_text_of_several_lines_stays_as_it_is() -> None:
    message = care_message_json(payload=[{"contentString": "first\n  second  "}])
    lines = plain_words(parsed(message).action)
    assert "Payload: first\n  second  " in as_text(lines)


def test_what_an_author_saw_is_told_member_by_member_and_its_doses_cannot_be_misread() -> None:
    strength = {"numerator": quantity("5.0", "ug", "ug"), "denominator": quantity("1", "tablet")}
    told = seen(
        {"status": "active", "strength": strength, "isOtc": False, "note": None, "weight": [decimal("72.50"), 3]}
    )
    assert told == (
        "(status: active; strength: (numerator: (value: 5; unit: mcg; system: http://unitsofmeasure.org; code: mcg); "
        "denominator: (value: 1; unit: tablet)); is otc: no; note: nothing; weight: 72.50, 3)"
    )
