from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from canonical.attachment import MOST_OCTETS, Attachment, hash_of

PDF = b"%PDF-1.7 synthetic"


def made(content: bytes = PDF, kind: str = "application/pdf", **over: Any) -> Attachment:
    members = {"contentType": kind, "data": base64.b64encode(content).decode(), **over}
    return Attachment.model_validate(members, by_alias=True, by_name=False)


def refused(**over: Any) -> set[str]:
    with pytest.raises(ValidationError) as caught:
        made(**over)
    return {error["type"] for error in caught.value.errors()}


@given(st.binary(min_size=1, max_size=300))
def test_every_octet_comes_back_and_size_and_hash_are_those_of_the_content(content: bytes) -> None:
    sha1 = base64.b64encode(hashlib.sha1(content, usedforsecurity=False).digest()).decode()
    attachment = made(content, size=len(content), hash=sha1)
    assert attachment.content() == content
    assert attachment.as_json()["data"] == base64.b64encode(content).decode()


def test_a_size_or_hash_of_other_content_is_refused() -> None:
    assert refused(size=len(PDF) + 1) == {"attachment_size"}
    assert refused(hash=hash_of(PDF + b" ")) == {"attachment_hash"}


@pytest.mark.parametrize("data", ["", "abc", "ab=c", "YWJj\n", "YWJjZ", "====", "YW Jj", 7])
def test_what_is_no_base64_is_refused(data: Any) -> None:
    assert refused(data=data)


def test_a_link_to_content_elsewhere_or_an_unknown_kind_is_refused() -> None:
    assert refused(url="https://elsewhere.example/note.pdf") == {"extra_forbidden"}
    assert refused(kind="application/x-msdownload") == {"literal_error"}


@pytest.mark.parametrize("content", [b"\xff\xfe", b" \n ", "halb\ud800".encode("utf-8", "surrogatepass")])
def test_plain_text_that_nobody_can_read_is_refused(content: bytes) -> None:
    assert refused(content=content, kind="text/plain") == {"attachment_text"}


def test_only_plain_text_is_read_as_text() -> None:
    assert made("ä\r\n".encode() + b"x", "text/plain; charset=utf-8").plain_text() == "ä\r\nx"
    assert made(b"plain", "text/html").plain_text() is None


def test_content_beyond_the_most_octets_is_refused() -> None:
    data = base64.b64encode(bytes(MOST_OCTETS)).decode()
    assert len(made(data=data).content()) == MOST_OCTETS
    assert refused(data=base64.b64encode(bytes(MOST_OCTETS + 3)).decode()) == {"string_too_long"}
