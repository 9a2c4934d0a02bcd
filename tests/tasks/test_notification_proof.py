"""Whether a message proves where it comes from, and by what a repeat is known. The door's tests have the forgeries."""

import hmac
from datetime import timedelta

import pytest

from tasks.notification_proof import HeaderProof, HubProof, SignedProof, message_digest
from tests.factories import NOW
from tests.notification_factories import SECRET, signed

BODY = '{"said": "gemäß"}'.encode()
PROOF = SignedProof(secret=lambda: SECRET, tolerance=timedelta(minutes=1))


@pytest.mark.parametrize("seconds", [-60, 0, 60])
def test_a_signature_holds_within_its_tolerance(seconds: int) -> None:
    headers = signed(BODY, NOW + timedelta(seconds=seconds))
    assert PROOF.holds(headers, BODY, NOW)
    assert not PROOF.holds(headers, BODY, NOW + timedelta(seconds=61 + seconds))


def test_one_good_signature_among_several_is_enough() -> None:
    headers = signed(BODY, NOW)
    both = {**headers, "webhook-signature": f"v1,AAAA v1a,BBBB {headers['webhook-signature']}"}
    assert PROOF.holds(both, BODY, NOW)


def test_bytes_that_are_no_text_prove_nothing() -> None:
    assert not PROOF.holds(signed(BODY, NOW), b"\xff\xfe", NOW)


def test_a_secret_is_not_shown() -> None:
    assert SECRET not in repr(PROOF.holds)
    assert "secret" not in repr(HeaderProof(secret=lambda: "told"))


def test_a_header_is_compared_as_a_whole() -> None:
    proof = HeaderProof(secret=lambda: "told")
    given = ["Bearer told", "bearer told", "Bearer tol", "Bearer told2", "told", ""]
    assert [proof.holds({"authorization": item}, b"", NOW) for item in given] == [
        True,
        True,
        False,
        False,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("method", "holds"), [("sha256", True), ("sha384", True), ("sha512", True), ("sha1", False), ("md5", False)]
)
def test_a_hub_signs_the_bytes_by_a_method_that_still_proves_something(method: str, *, holds: bool) -> None:
    signature = f"{method}={hmac.digest(b'of-the-hub', BODY, method).hex()}"
    proof = HubProof(secret=lambda: "of-the-hub")
    assert proof.holds({"x-hub-signature": signature}, BODY, NOW) is holds
    assert not proof.holds({"x-hub-signature": signature}, BODY + b" ", NOW)
    assert not HubProof(secret=lambda: "of-another").holds({"x-hub-signature": signature}, BODY, NOW)
    assert not proof.holds({"x-hub-signature": signature.partition("=")[2]}, BODY, NOW)


def test_a_hub_without_a_signature_or_a_secret_proves_nothing() -> None:
    unsigned = hmac.digest(b"", BODY, "sha256").hex()
    assert not HubProof(secret=lambda: "").holds({"x-hub-signature": f"sha256={unsigned}"}, BODY, NOW)
    assert not HubProof(secret=lambda: "of-the-hub").holds({}, BODY, NOW)


def test_a_repeat_is_known_by_its_name_else_by_its_bytes() -> None:
    assert message_digest({"webhook-id": "a"}, b"1") == message_digest({"webhook-id": "a"}, b"2")
    assert message_digest({}, b"1") != message_digest({}, b"2")
    assert message_digest({"webhook-id": "a"}, b"1") != message_digest({"webhook-id": "b"}, b"1")
