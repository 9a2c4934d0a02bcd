from __future__ import annotations

import tomllib
from datetime import date
from importlib.resources import files
from typing import Any

import pytest

from canonical.high_alert import medicines_of, read_list, shipped_list
from canonical.medication_safety import safety_lists
from tests.factories import RXNORM, EnvelopeFactory, concept, medication_change_json, medication_seen_json, target_json

LIST = shipped_list()


@pytest.mark.parametrize(
    ("medicine", "expected"),
    [
        (concept(RXNORM, "11289", "warfarin"), "anticoagulants"),
        (concept(RXNORM, "855332", "warfarin sodium 5 MG Oral Tablet"), "anticoagulants"),
        ({"text": "Coumadin 5 mg"}, "anticoagulants"),
        ({"coding": [{"system": "urn:x", "code": "1", "display": "Insulin glargine 100 UNT/ML"}]}, "insulins"),
        ({"text": "oxycodone/acetaminophen"}, "opioids"),
        ({"text": "(methotrexate)"}, "methotrexate"),
        (concept(RXNORM, "6851", "MTX"), "methotrexate"),
    ],
)
def test_a_medicine_is_known_by_its_ingredient_or_by_name(medicine: Any, expected: str) -> None:
    assert LIST.named_by([medicine]) == (expected,)


@pytest.mark.parametrize(
    "medicine",
    [concept(RXNORM, "29046", "lisinopril"), concept("urn:x", "11289", "vitamin"), {"text": "insulinoma scan"}, {}],
)
def test_any_other_medicine_or_code_system_is_not_on_the_list(medicine: Any) -> None:
    assert LIST.named_by([medicine]) == ()


def test_a_command_names_its_medicine_by_code_by_ingredient_and_by_what_its_author_saw() -> None:
    warfarin = concept(RXNORM, "11289", "warfarin")
    action = medication_change_json("changeDose", ingredient=[{"text": "fentanyl"}])
    target = target_json(action, seen=medication_seen_json(medication=warfarin))
    envelope = EnvelopeFactory.create(action=action, target=target)
    assert LIST.named_by(medicines_of(envelope)) == ("anticoagulants", "opioids")
    assert medicines_of(EnvelopeFactory.create()) == []


def test_the_list_says_who_answers_for_it_until_when_and_after_what_it_was_made() -> None:
    assert LIST.owner
    assert date(2026, 1, 1) < LIST.reviewed < LIST.next_review
    assert "ISMP" in LIST.source
    assert len(LIST.classes) == len({one.name for one in LIST.classes})
    codes = [item.code for one in LIST.classes for item in one.ingredients]
    assert len(codes) == len(set(codes))
    assert all(code.isdecimal() for code in codes)
    assert all(word == word.casefold() and word.isalpha() for one in LIST.classes for word in one.names)


def test_the_two_lists_name_the_weekly_medicine_by_the_same_code() -> None:
    weekly = next(one for one in safety_lists().weekly if "methotrexate" in one.names)
    assert LIST.named_by([concept(RXNORM, weekly.ingredient, "")]) == ("methotrexate",)


def shipped_rows() -> list[dict[str, Any]]:
    """Every ingredient as the data file has it."""
    data = tomllib.loads(files("canonical").joinpath("data/high_alert_medicines.toml").read_text("utf-8"))
    return [row for one in data["class"] for row in one["ingredients"]]


@pytest.mark.parametrize("row", shipped_rows(), ids=lambda row: str(row["code"]))
def test_each_code_says_whether_it_was_verified_and_by_which_source(row: dict[str, Any]) -> None:
    assert row["name"]
    assert isinstance(row["verified"], bool)
    assert ("source" in row) is row["verified"], "a source is what verifies, and nothing else does"


#: Codes that nothing reached names: whoever verifies one says so in the data file, and takes it from here.
NOT_VERIFIED = {"5856", "787390", "6754", "6378", "37776", "2346", "5552", "282388", "68149", "40254", "8410"}


def test_what_is_not_verified_is_told_as_such_and_still_counts() -> None:
    assert {item.code for item in LIST.unverified} == NOT_VERIFIED
    for item in LIST.unverified:
        assert LIST.named_by([concept(RXNORM, item.code, "x")]), "it is not dropped"
        assert LIST.named_by([{"text": item.name}]), "its code is not the only way to know it"


def test_the_source_of_a_verified_code_is_named_in_words() -> None:
    verified = [item for one in LIST.classes for item in one.ingredients if item.verified]
    assert len(verified) == len(shipped_rows()) - len(NOT_VERIFIED)
    assert all("read 20" in item.verified for item in verified)


def test_a_code_alone_is_one_that_nobody_verified_and_a_source_that_is_not_there_verifies_nothing() -> None:
    head = {"owner": "o", "reviewed": date(2026, 1, 1), "next_review": date(2026, 2, 1), "source": "s"}
    own = read_list({**head, "class": [{"name": "heparins", "ingredients": ["5224"], "names": ["heparin"]}]})
    assert [item.code for item in own.unverified] == ["5224"]
    row = {"code": "5224", "name": "heparin", "verified": True, "source": "hearsay"}
    with pytest.raises(KeyError, match="hearsay"):
        read_list({**head, "class": [{"name": "heparins", "ingredients": [row], "names": ["heparin"]}]})


def test_a_list_without_an_owner_is_none() -> None:
    with pytest.raises(KeyError, match="owner"):
        read_list({"class": []})
