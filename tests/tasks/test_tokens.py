import hmac
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from joserfc.jwk import ECKey

from tasks.tokens import KEYS_LIFE, REFETCH_AFTER, InvalidTokenError, IssuerKeys, IssuerUnavailableError, TokenVerifier
from tests.factories import NOW
from tests.reception import APP, TENANT, Clock, Issuer, open_issuer


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with open_issuer() as issuer:
        yield issuer


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def verifier(issuer: Issuer, clock: Clock) -> TokenVerifier:
    return TokenVerifier(
        keys=IssuerKeys(issuer.url, clock=clock),
        issuer="https://issuer.example",
        audience="writeback",
        tenant_claim="tenant",
        app_claim="client_id",
        user_claim="fhirUser",
        scope_claim="scope",
        clock=clock,
    )


def at(moved: timedelta) -> int:
    return int((NOW + moved).timestamp())


def test_tenant_app_and_scopes_come_from_the_claims(issuer: Issuer, verifier: TokenVerifier) -> None:
    principal = verifier.principal(issuer.token(scope="writeback/VitalReading.record other", roles=["nurse", 7]))
    assert (principal.tenant, principal.app, principal.user) == (TENANT, APP, None)
    assert principal.scopes == {"writeback/VitalReading.record", "other"}
    assert principal.roles == {"nurse"}
    assert verifier.principal(issuer.token(scope=["writeback/*.*"])).may("VitalReading", "record")


def test_a_person_is_the_fhir_user_or_a_subject_that_is_not_the_app(issuer: Issuer, verifier: TokenVerifier) -> None:
    assert verifier.principal(issuer.token(fhirUser="Practitioner/n17")).user == "Practitioner/n17"
    assert verifier.principal(issuer.token(sub="n-17")).user == "n-17"


def test_the_issuers_own_name_for_a_person_is_kept_whatever_else_names_them(
    issuer: Issuer, verifier: TokenVerifier
) -> None:
    """Else one person with two tokens would be two, and could sign what they decided themselves."""
    named = verifier.principal(issuer.token(sub="n-17", fhirUser="Practitioner/n17", name="Di Nurse"))
    assert (named.user, named.subject, named.name) == ("Practitioner/n17", "n-17", "Di Nurse")
    assert verifier.principal(issuer.token(sub="n-17")).subject == "n-17"
    assert verifier.principal(issuer.token()).subject is None
    for name in ("a\u0000b", " ", ["x"]):
        assert verifier.principal(issuer.token(sub="n-17", name=name)).name is None


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://other.example"},
        {"iss": None},
        {"aud": "another-api"},
        {"aud": None},
        {"exp": at(timedelta(seconds=-6))},
        {"exp": None},
        {"nbf": at(timedelta(minutes=1))},
        {"iat": at(timedelta(minutes=1))},
        {"tenant": None},
        {"tenant": ""},
        {"tenant": ["north"]},
        {"tenant": "*"},
        {"tenant": "?"},
        {"tenant": "north\u001fsouth"},
        {"client_id": " "},
        {"client_id": "visits\u0000"},
        {"client_id": None},
    ],
)
def test_a_token_that_says_otherwise_is_refused(
    issuer: Issuer, verifier: TokenVerifier, claims: dict[str, Any]
) -> None:
    with pytest.raises(InvalidTokenError):
        verifier.principal(issuer.token(**claims))


def test_one_audience_of_several_is_enough(issuer: Issuer, verifier: TokenVerifier) -> None:
    assert verifier.principal(issuer.token(aud=["another-api", "writeback"])).app == APP


def test_a_token_that_the_issuer_did_not_sign_is_refused(issuer: Issuer, verifier: TokenVerifier) -> None:
    stranger = ECKey.generate_key("P-256", {"kid": "k1"})
    with pytest.raises(InvalidTokenError):
        verifier.principal(issuer.token(key=stranger))
    first, _, signature = issuer.token().split(".")
    with pytest.raises(InvalidTokenError):
        verifier.principal(f"{first}.{issuer.token(tenant='south').split('.')[1]}.{signature}")


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "é.é.é", "e30.e30."])
def test_what_is_no_token_is_refused(verifier: TokenVerifier, text: str) -> None:
    with pytest.raises(InvalidTokenError):
        verifier.principal(text)


def test_an_unsigned_token_is_refused(issuer: Issuer, verifier: TokenVerifier) -> None:
    payload = issuer.token().split(".")[1]
    with pytest.raises(InvalidTokenError):
        verifier.principal(f"eyJhbGciOiJub25lIn0.{payload}.")


def test_the_issuers_public_key_is_no_shared_secret(issuer: Issuer, verifier: TokenVerifier) -> None:
    payload = issuer.token().split(".")[1]
    signed = urlsafe_b64encode(b'{"alg":"HS256","kid":"k1"}').decode().rstrip("=") + "." + payload
    mac = hmac.digest(issuer.keys[0].as_pem(private=False), signed.encode(), "sha256")
    with pytest.raises(InvalidTokenError):
        verifier.principal(signed + "." + urlsafe_b64encode(mac).decode().rstrip("="))


def test_keys_are_fetched_once_until_they_are_old(issuer: Issuer, verifier: TokenVerifier, clock: Clock) -> None:
    for _ in range(5):
        verifier.principal(issuer.token())
    assert issuer.fetched == 1
    clock.now = NOW + KEYS_LIFE + timedelta(seconds=1)
    verifier.principal(issuer.token(exp=at(KEYS_LIFE * 2)))
    assert issuer.fetched == 2


def test_a_new_key_is_looked_up_and_made_up_ones_do_not_hammer_the_issuer(
    issuer: Issuer, verifier: TokenVerifier, clock: Clock
) -> None:
    verifier.principal(issuer.token())
    new = issuer.add_key("k2")
    clock.now = NOW + REFETCH_AFTER + timedelta(seconds=1)
    assert verifier.principal(issuer.token(key=new)).app == APP
    assert issuer.fetched == 2
    stranger = ECKey.generate_key("P-256", {"kid": "made-up"})
    for _ in range(5):
        with pytest.raises(InvalidTokenError):
            verifier.principal(issuer.token(key=stranger))
    assert issuer.fetched == 2


def test_a_token_must_name_its_key_when_there_are_several(issuer: Issuer, verifier: TokenVerifier) -> None:
    unnamed = issuer.token(header={"kid": None})
    assert verifier.principal(unnamed).app == APP
    issuer.add_key("k2")
    fresh = TokenVerifier(
        keys=IssuerKeys(issuer.url, clock=Clock()),
        issuer="https://issuer.example",
        audience="writeback",
        tenant_claim="tenant",
        app_claim="client_id",
        user_claim="fhirUser",
        scope_claim="scope",
        clock=Clock(),
    )
    with pytest.raises(InvalidTokenError, match="kid"):
        fresh.principal(unnamed)


def test_while_the_issuer_is_away_known_keys_stay_good(issuer: Issuer, verifier: TokenVerifier, clock: Clock) -> None:
    verifier.principal(issuer.token())
    issuer.up = False
    clock.now = NOW + KEYS_LIFE + timedelta(seconds=1)
    assert verifier.principal(issuer.token(exp=at(KEYS_LIFE * 2))).app == APP


def test_without_any_key_no_token_is_judged(issuer: Issuer, verifier: TokenVerifier, clock: Clock) -> None:
    issuer.up = False
    for _ in range(3):
        with pytest.raises(IssuerUnavailableError):
            verifier.principal(issuer.token())
    assert issuer.fetched == 1, "an issuer that is away costs one caller a wait, not every one"
    issuer.up = True
    clock.now = NOW + REFETCH_AFTER
    assert verifier.principal(issuer.token()).app == APP


def test_a_token_that_was_good_once_is_refused_when_it_has_expired(
    issuer: Issuer, verifier: TokenVerifier, clock: Clock
) -> None:
    token = issuer.token()
    assert verifier.principal(token).app == APP
    clock.now = NOW + timedelta(hours=1)
    with pytest.raises(InvalidTokenError):
        verifier.principal(token)


@pytest.mark.parametrize("scope", [5, True, {"writeback/*.*": True}, 1.5])
def test_a_token_whose_scopes_are_no_list_is_refused(issuer: Issuer, verifier: TokenVerifier, scope: object) -> None:
    with pytest.raises(InvalidTokenError):
        verifier.principal(issuer.token(scope=scope))
