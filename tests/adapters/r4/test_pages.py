from typing import Any

import pytest

from adapters.adapter import Request
from adapters.r4.pages import matches, next_page
from canonical.errors import NeedsPersonError

BASE = "https://ehr.example/fhir/"
ASKED = Request(method="GET", path="Condition?patient=p1", headers={"Cache-Control": "no-cache"})


def linking(**links: Any) -> dict[str, Any]:
    return {"resourceType": "Bundle", "link": [{"relation": name, "url": url} for name, url in links.items()]}


def test_matches_are_what_was_searched_for_without_what_rides_along() -> None:
    entries = [
        {"resource": {"id": "c1"}},
        {"resource": {"id": "c2"}, "search": {"mode": "match"}},
        {"resource": {"id": "p1"}, "search": {"mode": "include"}},
        {"resource": {"id": "o1"}, "search": {"mode": "outcome"}},
        {"fullUrl": "urn:uuid:1"},
    ]
    assert [item["id"] for item in matches({"entry": entries})] == ["c1", "c2"]
    assert matches({}) == []


def test_next_page_is_asked_for_as_the_first_was() -> None:
    bundle = linking(self=BASE + "Condition?patient=p1", next=BASE + "page/2?token=a%2Fb")
    following = next_page(bundle, ASKED, base_url=BASE.rstrip("/"))
    assert following is not None
    assert (following.method, following.path, following.headers) == ("GET", "page/2?token=a%2Fb", ASKED.headers)


@pytest.mark.parametrize("bundle", [{}, linking(self=BASE), linking(next=None)])
def test_last_page_has_none_after_it(bundle: dict[str, Any]) -> None:
    assert next_page(bundle, ASKED, base_url=BASE) is None


@pytest.mark.parametrize(
    "url", ["https://other.example/fhir/page/2", "https://ehr.example/fhirx/2", "http://ehr.example/fhir/2", "page/2"]
)
def test_credentials_are_taken_to_no_other_address(url: str) -> None:
    with pytest.raises(NeedsPersonError, match="another address"):
        next_page(linking(next=url), ASKED, base_url=BASE)
