from adapters.r4.marks import CHANGED_BY, add_mark, has_mark, search_by

MARK = "urn:fhir-writeback:command|c-1"


def test_mark_is_added_once_beside_the_identifiers_of_others() -> None:
    resource = {"identifier": [{"system": "https://ehr.example/id", "value": "c-1"}, {"value": "bare"}]}
    add_mark(resource, MARK)
    add_mark(resource, MARK)
    assert [item["value"] for item in resource["identifier"]] == ["c-1", "bare", "c-1"]
    assert has_mark(resource, MARK)


def test_mark_is_system_and_value_together() -> None:
    assert not has_mark({"identifier": [{"system": "urn:other", "value": "c-1"}]}, MARK)
    assert not has_mark({"identifier": [{"system": "urn:fhir-writeback:command", "value": "c-2"}]}, MARK)
    assert not has_mark({"identifier": ["c-1"]}, MARK)
    assert not has_mark({}, MARK)


def test_search_is_encoded_so_that_it_can_stand_in_a_url_and_in_a_header() -> None:
    assert search_by(MARK) == "identifier=urn%3Afhir-writeback%3Acommand%7Cc-1"


def test_what_an_ehr_has_where_one_identifier_stands_is_read_without_failing() -> None:
    assert not has_mark({"identifier": "c-1", "extension": "x"}, MARK)
    assert not has_mark({"identifier": None, "extension": ["x", {"url": "urn:x"}, {"url": CHANGED_BY}]}, MARK)
