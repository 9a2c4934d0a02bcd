from datetime import timedelta

import pytest
from fastapi import Request

from api.preferences import idempotency_key, wait_wish
from canonical.errors import RefusedError


def request(**headers: str) -> Request:
    raw = [(name.replace("_", "-").lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    return Request({"type": "http", "headers": raw})


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        ("wait=10", 10),
        ("respond-async, wait=10", 10),
        ("wait=10;a=b, return=minimal", 10),
        ("wait=31", 30),
        ("wait=999999999999", 30),
        ("wait=0", 0),
        ("wait=-1", 0),
        ("wait=1.5", 0),
        ("wait", 0),
        ("wait=soon", 0),
        ("return=minimal", 0),
        ("wait==10", 0),
        ("\xe9", 0),
        ("", 0),
    ],
)
def test_a_wish_to_wait_is_bounded_and_what_cannot_be_read_is_left_out(prefer: str, seconds: int) -> None:
    assert wait_wish(request(prefer=prefer)) == timedelta(seconds=seconds)


def test_without_a_header_there_is_no_key_and_no_wish() -> None:
    assert idempotency_key(request()) is None
    assert wait_wish(request()) == timedelta(0)


@pytest.mark.parametrize("value", ["abcdefgh", '"abcdefgh"', '"abcdefgh"; v=1'])
def test_a_key_is_a_structured_string_or_bare(value: str) -> None:
    assert idempotency_key(request(idempotency_key=value)) == "abcdefgh"


@pytest.mark.parametrize(
    "value", ["", '""', '"abcdefgh', '"abc", "def"', "abc def gh", '"caf\xe9 caf\xe9"', "?1", ":YWJj:"]
)
def test_any_other_form_is_refused(value: str) -> None:
    with pytest.raises(RefusedError) as refused:
        idempotency_key(request(idempotency_key=value))
    assert refused.value.code == "invalid-idempotency-key"
