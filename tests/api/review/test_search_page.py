from canonical.review_desk import ReviewError
from tests.api.review.desk import Ward
from tests.api.review.markup import Markup
from tests.case_factories import COMMAND, SearchHitFactory

TERMS = {"correlation_id": "visit-77", "patient": "Patient/p-1", "status": "needsAttention", "vendor_code": "E-17"}


def test_terms_are_posted_so_that_no_address_holds_a_patient(ward: Ward) -> None:
    form = Markup(ward.get("/review/search").text)
    (search,) = form.all("form", action="/review/search")
    assert search["method"] == "post"
    answer = ward.post("/review/search", TERMS)
    assert ward.desk.asked_of("search") == [TERMS]
    shown = Markup(answer.text)
    assert "1 command found" in shown.text
    assert f"/review/commands/{COMMAND}" in shown.addresses()
    assert "Needs a person" in shown.text
    assert [it for it in shown.addresses() if "p-1" in it] == []


def test_terms_stay_in_the_form(ward: Ward) -> None:
    shown = Markup(ward.post("/review/search", TERMS).text)
    assert {tag["name"]: tag["value"] for tag in shown.all("input") if tag["name"] in TERMS} == {
        name: value for name, value in TERMS.items() if name != "status"
    }
    assert [tag["value"] for tag in shown.all("option") if "selected" in tag] == ["needsAttention"]


def test_only_what_was_typed_is_searched_for(ward: Ward) -> None:
    ward.post("/review/search", {**dict.fromkeys(TERMS, " "), "patient": " Patient/p-1 "})
    assert ward.desk.asked_of("search") == [{"patient": "Patient/p-1"}]


def test_nothing_typed_is_told(ward: Ward) -> None:
    answer = ward.post("/review/search", {})
    assert (answer.status_code, ward.desk.asked_of("search")) == (422, [])
    assert "Type at least one thing" in Markup(answer.text).text


def test_a_refused_search_keeps_its_terms(ward: Ward) -> None:
    ward.desk.refusing["search"] = ReviewError("not-permitted", "You may not search by patient.")
    answer = ward.post("/review/search", TERMS)
    assert answer.status_code == 403
    assert "You may not search by patient." in Markup(answer.text).text
    assert Markup(answer.text).all("input", name="patient")[0]["value"] == "Patient/p-1"


def test_nothing_found_says_what_to_try(ward: Ward) -> None:
    ward.desk.hits = ()
    text = Markup(ward.post("/review/search", TERMS).text).text
    assert "0 commands found Nothing fits all of these." in text
    ward.desk.hits = (SearchHitFactory.build(patient=None, case_id=None),)
    assert "not shown to you" in Markup(ward.post("/review/search", TERMS).text).text
