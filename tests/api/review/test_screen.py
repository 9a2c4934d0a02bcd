"""What holds for every page: headers, escaping, addresses without identifiers, the login."""

import re
from dataclasses import fields, is_dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any
from uuid import UUID

import httpx
import pytest

from canonical.errors import StoreUnavailableError
from canonical.review_desk import ReviewError
from tests.api.review.desk import Ward
from tests.api.review.markup import Markup
from tests.board_factories import BoardViewFactory
from tests.case_factories import (
    COMMAND,
    CasePageFactory,
    CaseRowFactory,
    CommandPageViewFactory,
    SearchHitFactory,
    ai_proposal,
    first_decision,
    outage_row,
    proven,
)

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
PATHS = ("/review/queue", "/review/cases/1", f"/review/commands/{COMMAND}", "/review/board", "/review/search")
ATTACK = "\"'><script>alert(1)</script>{{7*7}}"
#: Machine words, which no text of a message reaches.
MACHINE = {"cursor", "kind", "verb", "status", "pool", "state"}


def poisoned(value: Any, name: str = "") -> Any:
    """Return ``value`` with an attack behind every text in it."""
    if isinstance(value, Enum | datetime | timedelta | UUID | int | float | None):
        return value
    if isinstance(value, str):
        return value if name in MACHINE else f"{value} {ATTACK}"
    if isinstance(value, tuple):
        return tuple(poisoned(item) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{it.name: poisoned(getattr(value, it.name), it.name) for it in fields(value)})
    return value


def fill(ward: Ward) -> None:
    ward.desk.add(
        CasePageFactory.build(
            row=CaseRowFactory.build(id=1, claimed_by="Nora Nurse"),
            first_decision=first_decision(),
            needs_second="A second person must sign.",
            news="New.",
        )
    )
    ward.desk.add(CasePageFactory.build(row=outage_row(2), proposal=ai_proposal()))
    ward.desk.commands[COMMAND] = proven(CommandPageViewFactory.build())


def every_page(ward: Ward) -> dict[str, httpx.Response]:
    pages = {path: ward.get(path) for path in (*PATHS, "/review/cases/2")}
    pages["found"] = ward.post("/review/search", {"patient": "Patient/p-1"})
    pages["bulk"] = ward.post("/review/bulk", {"case": ["2"], "verb": "reject"})
    pages["none selected"] = ward.post("/review/bulk", {"verb": "reject"})
    pages["refused"] = ward.post("/review/cases/1/decide", {"verb": ""})
    pages["not there"] = ward.get("/review/cases/999")
    return pages


def test_no_text_of_a_case_becomes_markup(ward: Ward) -> None:
    fill(ward)
    ward.desk.pages = {number: poisoned(page) for number, page in ward.desk.pages.items()}
    ward.desk.commands = {key: poisoned(view) for key, view in ward.desk.commands.items()}
    ward.desk.hits = (poisoned(SearchHitFactory.build()),)
    ward.desk.board_view = replace(poisoned(BoardViewFactory.build()), outcomes=((ATTACK, "inChart", 1),))
    reason = (("code", ATTACK),)
    ward.desk.facets = {"kinds": reason, "connections": (ATTACK,), "action_types": (ATTACK,), "bulk_reasons": reason}
    ward.me = replace(ward.me, name=ATTACK)
    for name, answer in every_page(ward).items():
        shown = Markup(answer.text)
        assert "alert(1)" in shown.text, name
        assert {tag["src"].rsplit("/")[-1] for tag in shown.all("script")} == {"htmx.min.js", "review.js"}, name
        assert "49" not in re.findall(r"</script>(\d\d)", answer.text), name


def test_what_is_typed_becomes_no_markup_either(ward: Ward) -> None:
    fill(ward)
    typed = {"text-reject": ATTACK, "another-dosage": ATTACK, "view": ATTACK, "verb": ATTACK, "reason-reject": ATTACK}
    answers = [ward.post("/review/cases/1/decide", typed), ward.post("/review/search", {"patient": ATTACK})]
    answers += [ward.get("/review/queue", params={"kind": ATTACK}), ward.post("/review/cases/999/decide", typed)]
    for answer in answers:
        assert ATTACK.replace("{{7*7}}", "") in " ".join([Markup(answer.text).text, *values(answer.text)])
        assert len(Markup(answer.text).all("script")) == 2


def values(page: str) -> list[str]:
    return [tag.get("value", "") for _, tag in Markup(page).tags]


def test_every_page_carries_the_same_strict_headers(ward: Ward) -> None:
    fill(ward)
    for name, answer in every_page(ward).items():
        assert answer.headers["content-security-policy"] == POLICY, name
        assert answer.headers["cache-control"] == "no-store", name
        assert answer.headers["x-content-type-options"] == "nosniff", name
        assert answer.headers["referrer-policy"] == "no-referrer", name


def test_pages_need_nothing_that_their_own_policy_forbids(ward: Ward) -> None:
    fill(ward)
    for name, answer in every_page(ward).items():
        for tag, attributes in Markup(answer.text).tags:
            assert tag != "style", name
            assert "style" not in attributes, name
            assert [it for it in attributes if re.match(r"on|hx-on", it)] == [], name


def test_addresses_hold_ids_of_cases_and_commands_and_nothing_of_a_patient(ward: Ward) -> None:
    fill(ward)
    allowed = re.compile(
        r"#[a-z_-]+|/review/(queue(\?[a-z_=&1]*)?|queue/news\?known=[\d.]*&said=\w*|bulk|board|search|login|logout"
        r"|cases/\d+(/(claim|release|decide|open))?|static/[0-9a-f]{16}/[a-z.]+"
        r"|commands/[0-9a-f-]{36}(/compensate|/standing\?said=\w+)?)"
    )
    for name, answer in every_page(ward).items():
        assert [it for it in Markup(answer.text).addresses() if not allowed.fullmatch(it)] == [], name


def test_every_form_that_posts_carries_the_token(ward: Ward) -> None:
    fill(ward)
    for name, answer in every_page(ward).items():
        forms = re.findall(r"<form[^>]*method=\"post\".*?</form>", answer.text, re.DOTALL)
        assert [form for form in forms if 'name="csrf"' not in form] == [], name


def test_who_is_not_logged_in_sees_nothing_and_is_led_to_the_login(ward: Ward) -> None:
    fill(ward)
    ward.logged_in = False
    for path in PATHS:
        answer = ward.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, f"/review/login?next={path}")
        assert ward.get(path, headers={"HX-Request": "true"}).status_code == 401
    assert ward.desk.asked == []


@pytest.mark.parametrize("path", ["claim", "release", "decide", "open"])
def test_no_act_is_taken_without_the_token(ward: Ward, path: str) -> None:
    fill(ward)
    answer = ward.post(f"/review/cases/1/{path}", {"csrf": "guessed", "verb": "reject"})
    assert answer.status_code == 403
    assert {name for name, _ in ward.desk.asked} <= {"open"}


@pytest.mark.parametrize("path", ["/review/bulk", "/review/search", f"/review/commands/{COMMAND}/compensate"])
def test_neither_is_any_other_post(ward: Ward, path: str) -> None:
    fill(ward)
    answer = ward.post(path, {"csrf": "", "case": ["2"], "verb": "reject", "text": "typed", "patient": "Patient/p"})
    assert answer.status_code == 403
    assert "typed" in Markup(answer.text).text
    assert ward.desk.asked == []


@pytest.mark.parametrize(
    ("body", "media_type", "status"),
    [
        (b"csrf=x", "application/json", 415),
        (b"csrf=%ff", "application/x-www-form-urlencoded", 400),
        (b"text=%00", "application/x-www-form-urlencoded", 400),
        (b"a=1&" * 2001, "application/x-www-form-urlencoded", 400),
        (b"a=" + b"x" * 300_000, "application/x-www-form-urlencoded", 413),
    ],
    ids=["JSON", "no UTF-8", "NUL", "too many fields", "too large"],
)
def test_a_form_that_cannot_be_read_is_refused(ward: Ward, body: bytes, media_type: str, status: int) -> None:
    fill(ward)
    answer = httpx.post(f"{ward.url}/review/cases/1/decide", content=body, headers={"Content-Type": media_type})
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")
    assert ward.desk.asked == []


def test_a_refused_look_is_a_page_with_the_desks_sentence(ward: Ward) -> None:
    fill(ward)
    ward.desk.refusing["open"] = ReviewError("chart-unreadable", "The EHR does not answer; look again in a minute.")
    answer = ward.get("/review/cases/1")
    assert answer.status_code == 503
    assert "The EHR does not answer; look again in a minute." in Markup(answer.text).text


@pytest.mark.parametrize("path", ["/review/queue", "/review/board"])
def test_a_database_that_is_away_is_told(ward: Ward, path: str) -> None:
    for name in ("queue", "board"):
        ward.desk.refusing[name] = StoreUnavailableError("away")
    answer = ward.get(path)
    assert answer.status_code == 503
    assert "The database cannot be reached." in Markup(answer.text).text


def test_static_files_are_kept_by_browsers_and_change_their_address_with_their_content(ward: Ward) -> None:
    addresses = [it for it in Markup(ward.get("/review/queue").text).addresses() if "/static/" in it]
    assert {it.rsplit("/")[-1] for it in addresses} == {"favicon.svg", "review.css", "htmx.min.js", "review.js"}
    for address in addresses:
        answer = ward.get(address)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert ward.get(re.sub(r"/[0-9a-f]{16}/", "/0000000000000000/", addresses[0])).status_code == 404
    assert ward.get("/review/static/x/..%2Fscreen.py").status_code == 404


def test_acts_answered_to_a_get_lead_back_to_where_they_belong(ward: Ward) -> None:
    fill(ward)
    assert ward.get("/review").headers["location"] == "/review/queue"
    assert ward.get("/review/bulk").headers["location"] == "/review/queue"
    assert ward.get("/review/cases/1/decide").headers["location"] == "/review/cases/1"
    assert ward.get(f"/review/commands/{COMMAND}/compensate").headers["location"] == f"/review/commands/{COMMAND}"
