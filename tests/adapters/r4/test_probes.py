from typing import Any

import pytest

from adapters.fhir_r4 import ADAPTER
from adapters.r4.probes import query, read_answer
from adapters.wire import Answer
from canonical import exact_json
from canonical.outcome import ProbeVerdict
from tests.adapters.r4.test_answers import CREATE, MARK, SITE, UPDATE

CHANGE = {"system": "urn:fhir-writeback:change", "value": MARK["value"]}


def bundle(*resources: dict[str, Any], **more: Any) -> bytes:
    entries = [{"resource": item, "search": {"mode": "match"}} for item in resources]
    return exact_json.dumps(
        {"resourceType": "Bundle", "type": "searchset", "total": len(entries), "entry": entries, **more}
    ).encode()


def observation(id: str, *identifiers: dict[str, str], version: str = "1") -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": id,
        "meta": {"versionId": version},
        "identifier": list(identifiers),
    }


def verdict(operation: Any, body: bytes, status: int = 200) -> tuple[ProbeVerdict, str | None, str | None]:
    found = read_answer(operation, Answer(status=status, body=body))
    return found.verdict, found.reference, found.version


def test_create_is_looked_for_by_our_mark_past_every_cache() -> None:
    asked = ADAPTER.probe(CREATE, SITE)
    assert asked.method == "GET"
    assert asked.path == f"Observation?identifier=urn%3Afhir-writeback%3Acommand%7C{MARK['value']}"
    assert asked.headers["Cache-Control"] == "no-cache"
    assert asked.headers["Prefer"] == "handling=strict"


def test_update_is_looked_at_by_its_id() -> None:
    assert query(UPDATE).path == "Observation/o1"


def test_one_marked_resource_is_the_created_one() -> None:
    body = bundle(observation("o9", MARK, version="3"))
    assert verdict(CREATE, body) == (ProbeVerdict.APPLIED, "Observation/o9", "3")
    assert exact_json.parse(read_answer(CREATE, Answer(status=200, body=body)).body)["id"] == "o9"


def test_empty_result_of_a_search_by_our_mark_proves_that_nothing_was_created() -> None:
    link = [{"relation": "self", "url": "https://x/Observation?identifier=urn%3A..."}]
    assert verdict(CREATE, bundle())[0] is ProbeVerdict.NOT_APPLIED
    assert verdict(CREATE, bundle(link=link))[0] is ProbeVerdict.NOT_APPLIED


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (bundle(observation("o1", MARK), observation("o2", MARK)), 200),
        (bundle(observation("o1"), observation("o2")), 200),
        (bundle(observation("o1", CHANGE)), 200),
        (bundle(link=[{"relation": "self", "url": "https://x/Observation?_count=20"}]), 200),
        (bundle(link=[{"relation": "next", "url": "https://x/page2"}]), 200),
        (bundle(total=3), 200),
        (b'{"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "not-supported"}]}', 200),
        (b"<html>", 200),
        (b"", 404),
        (b"", 400),
        (bundle(), 302),
    ],
    ids=[
        "two",
        "parameter ignored",
        "other mark",
        "self link",
        "more pages",
        "counted but not shown",
        "outcome",
        "html",
        "404",
        "400",
        "302",
    ],
)
def test_search_that_proves_nothing_cannot_tell(body: bytes, status: int) -> None:
    assert verdict(CREATE, body, status)[0] is ProbeVerdict.CANNOT_TELL


def test_included_resources_and_outcomes_are_no_matches() -> None:
    entries = [
        {"resource": observation("o5"), "search": {"mode": "include"}},
        {"resource": {"resourceType": "OperationOutcome"}, "search": {"mode": "outcome"}},
    ]
    assert verdict(CREATE, bundle(entry=entries, total=0))[0] is ProbeVerdict.NOT_APPLIED


def update_body(*identifiers: dict[str, str], version: str) -> bytes:
    return exact_json.dumps(observation("o1", *identifiers, version=version)).encode()


def test_update_that_left_its_mark_was_applied() -> None:
    assert verdict(UPDATE, update_body(MARK, CHANGE, version="2")) == (ProbeVerdict.APPLIED, "Observation/o1", "2")


def test_update_was_not_applied_while_the_version_is_the_one_before() -> None:
    assert verdict(UPDATE, update_body(MARK, version="1"))[0] is ProbeVerdict.NOT_APPLIED


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (update_body(MARK, version="2"), 200),
        (update_body({**CHANGE, "value": "another command"}, version="2"), 200),
        (b"", 404),
        (b"", 410),
        (exact_json.dumps(observation("o2", CHANGE)).encode(), 200),
        (b'{"resourceType": "Observation", "id": "o1"}', 200),
    ],
    ids=["moved", "moved by another of ours", "gone", "deleted", "another resource", "no version"],
)
def test_target_that_moved_or_went_without_our_mark_cannot_tell(body: bytes, status: int) -> None:
    assert verdict(UPDATE, body, status)[0] is ProbeVerdict.CANNOT_TELL
