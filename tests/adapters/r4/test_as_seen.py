"""What an author saw, in the form of the chart: form and known changes are no difference, the rest is."""

from dataclasses import replace
from typing import Any

import pytest

from adapters import adapters
from adapters.fhir_r4 import ADAPTER
from adapters.r4.adapter import R4Adapter
from adapters.r4.normalisation import codings_added, in_units
from adapters.r4.other_units import Kept
from adapters.site import Site
from canonical.errors import TargetMovedError
from canonical.ports import Fetched, Operation, Resource, Surrounding
from tests.adapters.commands import KG, WEIGHT, command, number
from tests.adapters.r4.test_observation import in_chart

SITE = Site(base_url="https://ehr.example/fhir")
assert isinstance(ADAPTER, R4Adapter)
#: An EHR that gives weights back in pounds with one decimal, and adds a coding of its own.
POUNDS = replace(
    ADAPTER,
    normalisations=(
        in_units("Observation", "valueQuantity", {"[lb_av]": Kept(digits=1)}, source="made up for this test"),
        codings_added("Observation", "code", what="a coding of its own is added", source="made up for this test"),
    ),
)
LB = {"unit": "lb", "system": KG["system"], "code": "[lb_av]"}
SEEN: dict[str, Any] = {
    "status": "final",
    "code": WEIGHT["code"],
    "valueQuantity": {"value": number("72.50"), **KG},
    "effectiveDateTime": WEIGHT["effectiveDateTime"],
}


def kept(pounds: str = "159.8", **over: Any) -> Resource:
    code = {"coding": [*WEIGHT["code"]["coding"], {"system": "urn:own", "code": "W1"}], "text": "Body weight"}
    return in_chart(**{"valueQuantity": {"value": number(pounds), **LB}, "code": code, **over})


def as_seen(seen: dict[str, Any], stored: Resource) -> dict[str, Any]:
    return dict(POUNDS.as_seen(seen, stored, SITE))


@pytest.mark.parametrize(
    ("seen", "same"),
    [
        ({"effectiveDateTime": "2026-11-22T13:15:00.000Z"}, True),
        ({"effectiveDateTime": "2026-11-22T13:15:01Z"}, False),
        ({"valueQuantity": {"value": number("72.5"), **KG}}, True),
        ({"valueQuantity": {"value": number("72.51"), **KG}}, False),
        ({"performer": [{"reference": "https://ehr.example/fhir/Practitioner/n1", "display": "N. One"}]}, True),
        ({"performer": [{"reference": "https://other.example/fhir/Practitioner/n1"}]}, False),
        ({"code": {"coding": [{**WEIGHT["code"]["coding"][0], "display": "Weight"}], "text": "Body weight"}}, True),
        ({"code": {**WEIGHT["code"], "text": "Weight"}}, False),
    ],
)
def test_how_a_value_is_written_is_no_difference_and_what_it_says_is(seen: dict[str, Any], *, same: bool) -> None:
    stored = in_chart()
    now = ADAPTER.project(stored, SITE)
    told = ADAPTER.as_seen(seen, stored, SITE)
    assert all(told[name] == now[name] for name in seen) is same


def test_what_the_ehr_is_known_to_do_to_a_value_is_no_difference() -> None:
    now = POUNDS.project(kept(), SITE)
    assert as_seen(SEEN, kept()) == {name: now[name] for name in SEEN}


@pytest.mark.parametrize("pounds", ["159.7", "159.9", "72.5", "352.4"])
def test_another_value_is_one_whatever_its_unit(pounds: str) -> None:
    now = POUNDS.project(kept(pounds), SITE)
    assert as_seen(SEEN, kept(pounds))["valueQuantity"] != now["valueQuantity"]


def test_another_code_is_one_though_codings_may_be_added() -> None:
    other = kept(code={"coding": [{"system": "urn:own", "code": "W1"}], "text": "Body weight"})
    assert as_seen(SEEN, other)["code"] != POUNDS.project(other, SITE)["code"]


def test_what_is_not_there_any_more_is_never_explained_away() -> None:
    gone = {name: item for name, item in kept().items() if name != "valueQuantity"}
    assert "valueQuantity" not in POUNDS.project(gone, SITE)
    assert as_seen(SEEN, gone)["valueQuantity"] == {**SEEN["valueQuantity"], "value": number("72.5")}


def test_a_field_seen_to_be_empty_is_told_apart_from_one_not_seen() -> None:
    told = as_seen({"note": None, "bodySite": []}, kept())
    assert told == {"note": None, "bodySite": None}


@pytest.mark.parametrize("junk", ["72.5 kg", 72, [1], {"value": "72.5"}, {"coding": "x"}, True])
@pytest.mark.parametrize("key", sorted(adapters()))
def test_what_is_no_such_value_is_a_difference_and_no_failure(key: str, junk: Any) -> None:
    adapter, site = adapters()[key], Site(base_url=SITE.base_url)
    stored = kept(component=[{"code": {"text": "x"}}], note=[{"text": "x"}], bodySite={"text": "arm"})
    now = adapter.project(stored, site)
    for name in [*now, "notAField"]:
        assert adapter.as_seen({name: junk}, stored, site).get(name) != now.get(name)


def planned(seen: dict[str, Any], stored: Resource) -> Operation:
    target = {"reference": "Observation/o1", "seen": seen}
    said = command({**WEIGHT, "operation": "correct"}, target=target)
    (operation,) = POUNDS.plan(said, Surrounding(current=Fetched(resource=stored, version="4")), SITE)
    return operation


def test_a_write_goes_on_where_only_the_form_of_what_was_seen_differs() -> None:
    assert planned(SEEN, kept()).if_match == "4"
    assert planned({**SEEN, "note": None}, kept()).rebased
    for seen, stored in (
        (SEEN, kept("159.7")),
        ({**SEEN, "note": None}, kept(note=[{"text": "after a meal"}])),
        ({**SEEN, "notAField": None}, kept()),
    ):
        with pytest.raises(TargetMovedError):
            planned(seen, stored)


def test_in_words_displays_stay_which_comparing_drops() -> None:
    stored = in_chart(code={"coding": [{"system": "urn:own", "code": "W1", "display": "Weight"}]})
    assert POUNDS.fields(stored)["code"]["coding"][0]["display"] == "Weight"
    assert "display" not in POUNDS.project(stored, SITE)["code"]["coding"][0]
    other = {"resourceType": "Device", "id": "d1", "type": {"text": "cuff"}}
    assert POUNDS.fields(other)["type"] == {"text": "cuff"}
